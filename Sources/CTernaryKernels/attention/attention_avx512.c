// AVX-512 attention over the KV cache, of the query heads that share a KV head.
//
// A tile is some queries x some positions: every vector of keys is loaded and widened once for all
// of its queries. Widening float16 takes the two ports that fma needs, so that a tile of four heads
// has half the work of four tiles of one. The 16 lanes of a dot product are one vector.
//
//   queries x positions            1 x 8   2 x 8   3 x 4   4 x 4
//   queries x vectors of values    1 x 8   2 x 8   3 x 4   4 x 4
//
// 8 to 16 chains of fma hide its latency; with what they multiply they fit the 32 registers. The
// order within a chain is that of the scalar file.

#if defined(__x86_64__)

#include "attention/attention.h"
#include "float/float_avx512.h"

#pragma clang fp contract(off)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,"           \
                                                   "avx2,fma,f16c"))),                             \
                             apply_to = function)

enum { TILE = 16, TILE_POSITIONS = 8 };

/// The scale of a position in all lanes; 1 where the cache has none, which is then not read.
static inline __attribute__((always_inline)) __m512 position_scale(tk_cache rows, size_t position) {
  return _mm512_set1_ps(rows.type == TK_CACHE_INT8 ? rows.scales[position] : 1.0f);
}

/// 16 elements of the cache as float32, or the first eight and zeros; `rows.type` and `lanes` are
/// constants where this is inlined.
static inline __attribute__((always_inline)) __m512 load_cache(tk_cache rows, size_t i,
                                                               __m512 scale, size_t lanes) {
  if (rows.type == TK_CACHE_F16) {
    const uint16_t *half = (const uint16_t *)rows.data + i;
    return _mm512_cvtph_ps(lanes == 16
                               ? _mm256_loadu_si256((const __m256i *)half)
                               : _mm256_zextsi128_si256(_mm_loadu_si128((const __m128i *)half)));
  }
  if (rows.type == TK_CACHE_INT8) {
    const int8_t *q = (const int8_t *)rows.data + i;
    const __m128i bytes =
        lanes == 16 ? _mm_loadu_si128((const __m128i *)q) : _mm_loadl_epi64((const __m128i *)q);
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)), scale);
  }
  const float *x = (const float *)rows.data + i;
  return lanes == 16 ? _mm512_loadu_ps(x) : _mm512_zextps256_ps512(_mm256_loadu_ps(x));
}

/// Heads and positions that are multiplied together; their numbers are constants where inlined.
typedef struct tile {
  const float *queries;
  size_t head_dim;
  size_t heads;
  size_t positions;
  size_t key[TILE_POSITIONS]; // the first element of each position
  __m512 unit[TILE_POSITIONS];
} tile;

/// sums[h * positions + p] += elements i ..< i + lanes of query h times those of position p.
static inline __attribute__((always_inline)) void
add_products(const tile *t, tk_cache keys, size_t i, size_t lanes, __m512 *sums) {
  __m512 key[TILE_POSITIONS];
  for (size_t p = 0; p < t->positions; p++) {
    key[p] = load_cache(keys, t->key[p] + i, t->unit[p], lanes);
  }
  for (size_t h = 0; h < t->heads; h++) {
    const float *x = t->queries + h * t->head_dim + i;
    const __m512 query =
        lanes == 16 ? _mm512_loadu_ps(x) : _mm512_zextps256_ps512(_mm256_loadu_ps(x));
    for (size_t p = 0; p < t->positions; p++) {
      __m512 *sum = &sums[h * t->positions + p];
      // Where only the lower lanes take part: adding 0 to an upper lane of -0 would change it.
      *sum = lanes == 16 ? _mm512_fmadd_ps(query, key[p], *sum)
                         : _mm512_mask3_fmadd_ps(query, key[p], *sum, 0x00FF);
    }
  }
}

/// Scores of a tile whose first position is `begin`. Positions past the last of the block repeat it
/// and are not stored.
static inline __attribute__((always_inline)) void score_tile(const tk_score_block *b, tk_cache keys,
                                                             size_t begin, size_t count,
                                                             size_t heads, size_t positions) {
  tile t = {.queries = b->queries, .head_dim = b->head_dim, .heads = heads, .positions = positions};
  for (size_t p = 0; p < positions; p++) {
    const size_t position = begin + (p < count ? p : count - 1);
    t.key[p] = position * keys.stride;
    t.unit[p] = position_scale(keys, position);
    tk_prefetch_keys(keys, position, b->head_dim);
  }
  __m512 sums[TILE];
  for (size_t n = 0; n < heads * positions; n++) {
    sums[n] = _mm512_setzero_ps();
  }
  size_t i = 0;
  for (; i + 16 <= t.head_dim; i += 16) {
    add_products(&t, keys, i, 16, sums);
  }
  if (i < t.head_dim) {
    add_products(&t, keys, i, 8, sums);
  }
  for (size_t n = heads * positions; n < TILE; n++) {
    sums[n] = _mm512_setzero_ps();
  }
  float scores[TILE];
  _mm512_storeu_ps(scores, _mm512_mul_ps(tk_lane_sums16_512(sums), _mm512_set1_ps(b->scale)));
  for (size_t h = 0; h < heads; h++) {
    memcpy(b->scores + h * b->stride + begin, scores + h * positions,
           (count < positions ? count : positions) * sizeof *scores);
  }
}

static inline __attribute__((always_inline)) void
score_heads(const tk_score_block *b, tk_cache keys, size_t heads, size_t positions) {
  size_t p = b->begin;
  for (; p + positions <= b->end; p += positions) {
    score_tile(b, keys, p, positions, heads, positions);
  }
  for (; p < b->end; p += 4) {
    score_tile(b, keys, p, b->end - p < 4 ? b->end - p : 4, heads, 4);
  }
}

static inline __attribute__((always_inline)) void score(const tk_score_block *b, tk_cache keys) {
  switch (b->heads) {
  case 1:
    score_heads(b, keys, 1, 8);
    break;
  case 2:
    score_heads(b, keys, 2, 8);
    break;
  case 3:
    score_heads(b, keys, 3, 4);
    break;
  default:
    score_heads(b, keys, 4, 4);
  }
}

static void attention_scores(const tk_score_block *b) {
  switch (b->keys.type) {
  case TK_CACHE_F16:
    score(b, tk_typed_cache(b->keys, TK_CACHE_F16));
    break;
  case TK_CACHE_INT8:
    score(b, tk_typed_cache(b->keys, TK_CACHE_INT8));
    break;
  case TK_CACHE_F32:
    score(b, tk_typed_cache(b->keys, TK_CACHE_F32));
    break;
  }
}

/// Dimensions i ..< i + lanes * vectors of `heads` heads; all but i are constants where inlined.
static inline __attribute__((always_inline)) void add_values(const tk_value_block *b,
                                                             tk_cache values, size_t i,
                                                             size_t heads, size_t vectors,
                                                             size_t lanes) {
  __m512 sum[TILE];
  for (size_t n = 0; n < heads * vectors; n++) {
    const float *out = b->out + n / vectors * b->head_dim + i + n % vectors * 16;
    sum[n] = b->begin > 0 ? tk_load16(out, lanes) : _mm512_setzero_ps();
  }
  tk_values_ahead ahead = tk_next_values(b, i, lanes * vectors);
  for (size_t p = b->begin; p < b->end; p++) {
    tk_prefetch_cache(values, ahead.element, lanes * vectors);
    ahead.element += ahead.step;
    const __m512 unit = position_scale(values, p);
    __m512 value[8];
    for (size_t v = 0; v < vectors; v++) {
      value[v] = load_cache(values, p * values.stride + i + 16 * v, unit, lanes);
    }
    for (size_t h = 0; h < heads; h++) {
      const __m512 weight = _mm512_set1_ps(b->weights[h * b->stride + p]);
      for (size_t v = 0; v < vectors; v++) {
        sum[h * vectors + v] = _mm512_fmadd_ps(weight, value[v], sum[h * vectors + v]);
      }
    }
  }
  for (size_t n = 0; n < heads * vectors; n++) {
    float *out = b->out + n / vectors * b->head_dim + i + n % vectors * 16;
    const __m512 total = _mm512_set1_ps(b->totals[n / vectors]);
    tk_store16(out, lanes, b->end == b->positions ? _mm512_div_ps(sum[n], total) : sum[n]);
  }
}

static inline __attribute__((always_inline)) void
value_heads(const tk_value_block *b, tk_cache values, size_t heads, size_t vectors) {
  size_t i = b->dim_begin;
  for (; i + 16 * vectors <= b->dim_end; i += 16 * vectors) {
    add_values(b, values, i, heads, vectors, 16);
  }
  for (; i + 8 * vectors <= b->dim_end; i += 8 * vectors) {
    add_values(b, values, i, heads, vectors / 2, 16);
  }
  for (; i + 16 <= b->dim_end; i += 16) {
    add_values(b, values, i, heads, 1, 16);
  }
  if (i < b->dim_end) {
    add_values(b, values, i, heads, 1, 8);
  }
}

static inline __attribute__((always_inline)) void add(const tk_value_block *b, tk_cache values) {
  switch (b->heads) {
  case 1:
    value_heads(b, values, 1, 8);
    break;
  case 2:
    value_heads(b, values, 2, 8);
    break;
  case 3:
    value_heads(b, values, 3, 4);
    break;
  default:
    value_heads(b, values, 4, 4);
  }
}

static void attention_values(const tk_value_block *b) {
  switch (b->values.type) {
  case TK_CACHE_F16:
    add(b, tk_typed_cache(b->values, TK_CACHE_F16));
    break;
  case TK_CACHE_INT8:
    add(b, tk_typed_cache(b->values, TK_CACHE_INT8));
    break;
  case TK_CACHE_F32:
    add(b, tk_typed_cache(b->values, TK_CACHE_F32));
    break;
  }
}

const tk_attention_kernels tk_attention_avx512 = {attention_scores, attention_values};

#pragma clang attribute pop

#endif
