// AVX2 attention over the KV cache, of the query heads that share a KV head.
//
// A tile is some queries x some positions: every vector of keys is loaded and widened once for all
// of its queries, which share what is then the dearest part. Lanes 0-7 and 8-15 are chains of their
// own, so that a tile of several queries takes all steps of the lower ones first and has twice the
// room in its registers.
//
//   queries x positions x vectors of lanes     1 x 4 x 2   2 x 4 x 1   3 x 3 x 1   4 x 3 x 1
//   queries x vectors of values                1 x 8       2 x 4       3 x 3       4 x 2
//
// 8 to 12 chains of fma hide its latency of 4 cycles at two a cycle; 12 of values, or 12 of three
// queries, leave too few registers for what they multiply. The order within a chain is that of the
// scalar file.

#if defined(__x86_64__)

#include "attention/attention.h"
#include "float/float_avx2.h"

#pragma clang fp contract(off)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

enum { TILE = 12, TILE_POSITIONS = 4 };

/// The scale of a position in all lanes; 1 where the cache has none, which is then not read.
static inline __attribute__((always_inline)) __m256 position_scale(tk_cache rows, size_t position) {
  return rows.type == TK_CACHE_INT8 ? _mm256_broadcast_ss(rows.scales + position)
                                    : _mm256_set1_ps(1.0f);
}

/// Eight elements of the cache as float32; `rows.type` is a constant where this is inlined.
static inline __attribute__((always_inline)) __m256 load_cache(tk_cache rows, size_t i,
                                                               __m256 scale) {
  if (rows.type == TK_CACHE_F16) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)((const uint16_t *)rows.data + i)));
  }
  if (rows.type == TK_CACHE_INT8) {
    const __m128i q = _mm_loadl_epi64((const __m128i *)((const int8_t *)rows.data + i));
    return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(q)), scale);
  }
  return _mm256_loadu_ps((const float *)rows.data + i);
}

/// Heads and positions that are multiplied together; their numbers are constants where inlined.
typedef struct tile {
  const float *queries;
  size_t head_dim;
  size_t heads;
  size_t positions;
  size_t key[TILE_POSITIONS]; // the first element of each position
  __m256 unit[TILE_POSITIONS];
} tile;

/// sums[h * positions + p] += elements i ..< i + 8 of query h times those of position p.
static inline __attribute__((always_inline)) void add_products(const tile *t, tk_cache keys,
                                                               size_t i, __m256 *sums) {
  __m256 key[TILE_POSITIONS];
  for (size_t p = 0; p < t->positions; p++) {
    key[p] = load_cache(keys, t->key[p] + i, t->unit[p]);
  }
  for (size_t h = 0; h < t->heads; h++) {
    const __m256 query = _mm256_loadu_ps(t->queries + h * t->head_dim + i);
    for (size_t p = 0; p < t->positions; p++) {
      __m256 *sum = &sums[h * t->positions + p];
      *sum = _mm256_fmadd_ps(query, key[p], *sum);
    }
  }
}

/// Lanes 0-7 and 8-15 of every dot product of the tile.
static inline __attribute__((always_inline)) void multiply(const tile *t, tk_cache keys,
                                                           __m256 lanes[2][TILE]) {
  const size_t dots = t->heads * t->positions;
  if (t->heads == 1) {
    for (size_t n = 0; n < dots; n++) {
      lanes[0][n] = lanes[1][n] = _mm256_setzero_ps();
    }
    size_t i = 0;
    for (; i + 16 <= t->head_dim; i += 16) {
      add_products(t, keys, i, lanes[0]);
      add_products(t, keys, i + 8, lanes[1]);
    }
    if (i < t->head_dim) {
      add_products(t, keys, i, lanes[0]);
    }
    return;
  }
  // Unrolled, the second half would have to work around what the first keeps in registers.
#pragma clang loop unroll(disable)
  for (size_t half = 0; half < 2; half++) {
    __m256 sums[TILE];
    for (size_t n = 0; n < dots; n++) {
      sums[n] = _mm256_setzero_ps();
    }
    for (size_t i = 8 * half; i < t->head_dim; i += 16) {
      add_products(t, keys, i, sums);
    }
    for (size_t n = 0; n < dots; n++) {
      lanes[half][n] = sums[n];
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
  __m256 lanes[2][TILE];
  multiply(&t, keys, lanes);
  for (size_t h = 0; h < heads; h++) {
    __m256 low[4];
    __m256 high[4];
    for (size_t p = 0; p < 4; p++) {
      const size_t n = h * positions + (p < positions ? p : positions - 1);
      low[p] = lanes[0][n];
      high[p] = lanes[1][n];
    }
    const __m128 sums = _mm_mul_ps(tk_lane_sums4(low, high), _mm_set1_ps(b->scale));
    memcpy(b->scores + h * b->stride + begin, &sums, count * sizeof *b->scores);
  }
}

static inline __attribute__((always_inline)) void
score_heads(const tk_score_block *b, tk_cache keys, size_t heads, size_t positions) {
  size_t p = b->begin;
  for (; p + positions <= b->end; p += positions) {
    score_tile(b, keys, p, positions, heads, positions);
  }
  if (p < b->end) {
    score_tile(b, keys, p, b->end - p, heads, positions);
  }
}

static inline __attribute__((always_inline)) void score(const tk_score_block *b, tk_cache keys) {
  switch (b->heads) {
  case 1:
    score_heads(b, keys, 1, 4);
    break;
  case 2:
    score_heads(b, keys, 2, 4);
    break;
  case 3:
    score_heads(b, keys, 3, 3);
    break;
  default:
    score_heads(b, keys, 4, 3);
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

/// Dimensions i ..< i + 8 * vectors of `heads` heads, both constants where this is inlined.
static inline __attribute__((always_inline)) void
add_values(const tk_value_block *b, tk_cache values, size_t i, size_t heads, size_t vectors) {
  __m256 sum[TILE];
  for (size_t n = 0; n < heads * vectors; n++) {
    const float *out = b->out + n / vectors * b->head_dim + i + n % vectors * 8;
    sum[n] = b->begin > 0 ? _mm256_loadu_ps(out) : _mm256_setzero_ps();
  }
  tk_values_ahead ahead = tk_next_values(b, i, 8 * vectors);
  for (size_t p = b->begin; p < b->end; p++) {
    tk_prefetch_cache(values, ahead.element, 8 * vectors);
    ahead.element += ahead.step;
    const __m256 unit = position_scale(values, p);
    __m256 weight[TK_ATTENTION_HEADS];
    for (size_t h = 0; h < heads; h++) {
      weight[h] = _mm256_broadcast_ss(b->weights + h * b->stride + p);
    }
    for (size_t v = 0; v < vectors; v++) {
      const __m256 value = load_cache(values, p * values.stride + i + 8 * v, unit);
      for (size_t h = 0; h < heads; h++) {
        sum[h * vectors + v] = _mm256_fmadd_ps(weight[h], value, sum[h * vectors + v]);
      }
    }
  }
  for (size_t n = 0; n < heads * vectors; n++) {
    float *out = b->out + n / vectors * b->head_dim + i + n % vectors * 8;
    const __m256 total = _mm256_broadcast_ss(b->totals + n / vectors);
    _mm256_storeu_ps(out, b->end == b->positions ? _mm256_div_ps(sum[n], total) : sum[n]);
  }
}

static inline __attribute__((always_inline)) void
value_heads(const tk_value_block *b, tk_cache values, size_t heads, size_t vectors) {
  size_t i = b->dim_begin;
  for (; i + 8 * vectors <= b->dim_end; i += 8 * vectors) {
    add_values(b, values, i, heads, vectors);
  }
  const size_t fewer = vectors / 2;
  for (; i + 8 * fewer <= b->dim_end; i += 8 * fewer) {
    add_values(b, values, i, heads, fewer);
  }
  for (; i < b->dim_end; i += 8) {
    add_values(b, values, i, heads, 1);
  }
}

static inline __attribute__((always_inline)) void add(const tk_value_block *b, tk_cache values) {
  switch (b->heads) {
  case 1:
    value_heads(b, values, 1, 8);
    break;
  case 2:
    value_heads(b, values, 2, 4);
    break;
  case 3:
    value_heads(b, values, 3, 3);
    break;
  default:
    value_heads(b, values, 4, 2);
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

const tk_attention_kernels tk_attention_avx2 = {attention_scores, attention_values};

#pragma clang attribute pop

#endif
