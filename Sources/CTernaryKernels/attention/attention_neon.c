// NEON attention over the KV cache, of the query heads that share a KV head.
//
// A tile is some queries x four positions: every vector of keys is loaded and widened once for all
// of its queries. Four vectors are the 16 lanes, and chains of their own, so that a tile of several
// queries takes all steps of some vectors before those of the others and has room for more queries
// in its registers.
//
//   queries x positions x vectors of lanes     1 x 4 x 4   2 x 4 x 2   3 x 4 x 1   4 x 4 x 1
//   queries x vectors of values                1 x 16      2 x 8       3 x 4       4 x 4
//
// 12 to 16 chains of fma hide its latency; with what they multiply they fit the 32 registers. The
// order within a chain is that of the scalar file.

#if defined(__aarch64__)

#include "attention/attention.h"
#include "float/float_neon.h"

#pragma clang fp contract(off)

enum { TILE = 16, TILE_POSITIONS = 4 };

/// The scale of a position in all lanes; 1 where the cache has none, which is then not read.
static inline __attribute__((always_inline)) float32x4_t position_scale(tk_cache rows,
                                                                        size_t position) {
  return vdupq_n_f32(rows.type == TK_CACHE_INT8 ? rows.scales[position] : 1.0f);
}

/// Four elements of the cache as float32; `rows.type` is a constant where this is inlined.
static inline __attribute__((always_inline)) float32x4_t load_cache(tk_cache rows, size_t i,
                                                                    float32x4_t scale) {
  if (rows.type == TK_CACHE_F16) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)rows.data + i)));
  }
  if (rows.type == TK_CACHE_INT8) {
    int32_t four;
    memcpy(&four, (const int8_t *)rows.data + i, sizeof four);
    const int8x8_t q = vreinterpret_s8_s32(vdup_n_s32(four));
    return vmulq_f32(vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(q)))), scale);
  }
  return vld1q_f32((const float *)rows.data + i);
}

/// Heads and positions that are multiplied together; `heads` is a constant where inlined.
typedef struct tile {
  const float *queries;
  size_t head_dim;
  size_t heads;
  size_t key[TILE_POSITIONS]; // the first element of each position
  float32x4_t unit[TILE_POSITIONS];
} tile;

/// sums[h][p] += elements i ..< i + 4 of query h times those of position p.
static inline __attribute__((always_inline)) void
add_products(const tile *t, tk_cache keys, size_t i, float32x4_t sums[][TILE_POSITIONS]) {
  float32x4_t key[TILE_POSITIONS];
  for (size_t p = 0; p < TILE_POSITIONS; p++) {
    key[p] = load_cache(keys, t->key[p] + i, t->unit[p]);
  }
  for (size_t h = 0; h < t->heads; h++) {
    const float32x4_t query = vld1q_f32(t->queries + h * t->head_dim + i);
    for (size_t p = 0; p < TILE_POSITIONS; p++) {
      sums[h][p] = vfmaq_f32(sums[h][p], query, key[p]);
    }
  }
}

/// Vectors first ..< first + vectors of the lanes of every dot product of the tile.
static inline __attribute__((always_inline)) void
multiply(const tile *t, tk_cache keys, size_t first, size_t vectors,
         float32x4_t lanes[4][TK_ATTENTION_HEADS][TILE_POSITIONS]) {
  float32x4_t sums[4][TK_ATTENTION_HEADS][TILE_POSITIONS];
  for (size_t v = 0; v < vectors; v++) {
    for (size_t n = 0; n < t->heads * TILE_POSITIONS; n++) {
      sums[v][n / TILE_POSITIONS][n % TILE_POSITIONS] = vdupq_n_f32(0);
    }
  }
  size_t i = 0;
  for (; i + 16 <= t->head_dim; i += 16) {
    for (size_t v = 0; v < vectors; v++) {
      add_products(t, keys, i + 4 * (first + v), sums[v]);
    }
  }
  for (size_t v = 0; v < vectors; v++) {
    if (i + 4 * (first + v) < t->head_dim) { // of eight more
      add_products(t, keys, i + 4 * (first + v), sums[v]);
    }
  }
  for (size_t v = 0; v < vectors; v++) {
    for (size_t n = 0; n < t->heads * TILE_POSITIONS; n++) {
      lanes[first + v][n / TILE_POSITIONS][n % TILE_POSITIONS] =
          sums[v][n / TILE_POSITIONS][n % TILE_POSITIONS];
    }
  }
}

/// Scores of a tile whose first position is `begin`, `vectors` of its lanes at a time. Positions
/// past the last of the block repeat it and are not stored.
static inline __attribute__((always_inline)) void score_tile(const tk_score_block *b, tk_cache keys,
                                                             size_t begin, size_t count,
                                                             size_t heads, size_t vectors) {
  tile t = {.queries = b->queries, .head_dim = b->head_dim, .heads = heads};
  for (size_t p = 0; p < TILE_POSITIONS; p++) {
    const size_t position = begin + (p < count ? p : count - 1);
    t.key[p] = position * keys.stride;
    t.unit[p] = position_scale(keys, position);
    tk_prefetch_keys(keys, position, b->head_dim);
  }
  float32x4_t lanes[4][TK_ATTENTION_HEADS][TILE_POSITIONS];
  // Unrolled, later vectors would have to work around what earlier ones keep in registers.
#pragma clang loop unroll(disable)
  for (size_t v = 0; v < 4; v += vectors) {
    multiply(&t, keys, v, vectors, lanes);
  }
  for (size_t h = 0; h < heads; h++) {
    float32x4_t dots[TILE_POSITIONS][4];
    for (size_t p = 0; p < TILE_POSITIONS; p++) {
      for (size_t v = 0; v < 4; v++) {
        dots[p][v] = lanes[v][h][p];
      }
    }
    const float32x4_t sums = vmulq_n_f32(tk_lane_sums4(dots), b->scale);
    memcpy(b->scores + h * b->stride + begin, &sums, count * sizeof *b->scores);
  }
}

static inline __attribute__((always_inline)) void
score_heads(const tk_score_block *b, tk_cache keys, size_t heads, size_t vectors) {
  size_t p = b->begin;
  for (; p + TILE_POSITIONS <= b->end; p += TILE_POSITIONS) {
    score_tile(b, keys, p, TILE_POSITIONS, heads, vectors);
  }
  if (p < b->end) {
    score_tile(b, keys, p, b->end - p, heads, vectors);
  }
}

static inline __attribute__((always_inline)) void score(const tk_score_block *b, tk_cache keys) {
  switch (b->heads) {
  case 1:
    score_heads(b, keys, 1, 4);
    break;
  case 2:
    score_heads(b, keys, 2, 2);
    break;
  case 3:
    score_heads(b, keys, 3, 1);
    break;
  default:
    score_heads(b, keys, 4, 1);
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

/// Dimensions i ..< i + 4 * vectors of `heads` heads, both constants where this is inlined.
static inline __attribute__((always_inline)) void
add_values(const tk_value_block *b, tk_cache values, size_t i, size_t heads, size_t vectors) {
  float32x4_t sum[TILE];
  for (size_t n = 0; n < heads * vectors; n++) {
    const float *out = b->out + n / vectors * b->head_dim + i + n % vectors * 4;
    sum[n] = b->begin > 0 ? vld1q_f32(out) : vdupq_n_f32(0);
  }
  tk_values_ahead ahead = tk_next_values(b, i, 4 * vectors);
  for (size_t p = b->begin; p < b->end; p++) {
    tk_prefetch_cache(values, ahead.element, 4 * vectors);
    ahead.element += ahead.step;
    const float32x4_t unit = position_scale(values, p);
    float32x4_t weight[TK_ATTENTION_HEADS];
    for (size_t h = 0; h < heads; h++) {
      weight[h] = vdupq_n_f32(b->weights[h * b->stride + p]);
    }
    for (size_t v = 0; v < vectors; v++) {
      const float32x4_t value = load_cache(values, p * values.stride + i + 4 * v, unit);
      for (size_t h = 0; h < heads; h++) {
        sum[h * vectors + v] = vfmaq_f32(sum[h * vectors + v], weight[h], value);
      }
    }
  }
  for (size_t n = 0; n < heads * vectors; n++) {
    float *out = b->out + n / vectors * b->head_dim + i + n % vectors * 4;
    const float32x4_t total = vdupq_n_f32(b->totals[n / vectors]);
    vst1q_f32(out, b->end == b->positions ? vdivq_f32(sum[n], total) : sum[n]);
  }
}

static inline __attribute__((always_inline)) void
value_heads(const tk_value_block *b, tk_cache values, size_t heads, size_t vectors) {
  size_t i = b->dim_begin;
  for (; i + 4 * vectors <= b->dim_end; i += 4 * vectors) {
    add_values(b, values, i, heads, vectors);
  }
  for (; i + 2 * vectors <= b->dim_end; i += 2 * vectors) {
    add_values(b, values, i, heads, vectors / 2);
  }
  for (; i < b->dim_end; i += 8) {
    add_values(b, values, i, heads, 2);
  }
}

static inline __attribute__((always_inline)) void add(const tk_value_block *b, tk_cache values) {
  switch (b->heads) {
  case 1:
    value_heads(b, values, 1, 16);
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

const tk_attention_kernels tk_attention_neon = {attention_scores, attention_values};

#endif
