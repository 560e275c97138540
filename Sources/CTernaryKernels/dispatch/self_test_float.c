// The float half of tk_self_test: every float kernel of a set against scalar, bit for bit, on small
// inputs with tails, both zeros, subnormal and large values.

#include "dispatch/self_test.h"

enum {
  COUNT = 53, // three whole groups of lanes and a tail
  HEAD = 216, // every width of a tile, and half a group of lanes
  POSITIONS = 13,
  STRIDE = HEAD + 8,
  CACHE = POSITIONS * STRIDE,
  COLUMNS = 256,
  ROWS = 5,
};

/// Seeded values, most of them in [-8, 8).
static void fill(float *x, size_t n, uint32_t seed) {
  static const float special[8] = {0.0f, -0.0f, 1e-41f, -1e-41f, 89.0f, -89.0f, 3e4f, -0.33333f};
  uint32_t state = seed * 2654435761u + 1u;
  for (size_t i = 0; i < n; i++) {
    state = state * 1664525u + 1013904223u;
    x[i] = state >> 28 == 0 ? special[state >> 25 & 7] : (float)(int32_t)state * 0x1p-28f;
  }
}

static bool same(const float *a, const float *b, size_t n) {
  return memcmp(a, b, n * sizeof *a) == 0;
}

static bool rms_norm_agrees(const tk_kernels *k, const tk_kernels *scalar) {
  float x[COUNT], weight[COUNT], a[COUNT], b[COUNT];
  fill(x, COUNT, 1);
  fill(weight, COUNT, 2);
  tk_floats_of(k)->rms_norm(x, weight, COUNT, 1e-5f, a);
  tk_floats_of(scalar)->rms_norm(x, weight, COUNT, 1e-5f, b);
  return same(a, b, COUNT);
}

static bool rope_agrees(const tk_kernels *k, const tk_kernels *scalar) {
  float cosines[HEAD / 2], sines[HEAD / 2], a[2 * HEAD], b[2 * HEAD];
  fill(cosines, HEAD / 2, 3);
  fill(sines, HEAD / 2, 4);
  fill(a, 2 * HEAD, 5);
  fill(b, 2 * HEAD, 5);
  tk_floats_of(k)->rope(a, cosines, sines, 2, HEAD);
  tk_floats_of(scalar)->rope(b, cosines, sines, 2, HEAD);
  return same(a, b, 2 * HEAD);
}

static bool add_agrees(const tk_kernels *k, const tk_kernels *scalar) {
  float x[COUNT], a[COUNT], b[COUNT];
  fill(x, COUNT, 6);
  fill(a, COUNT, 7);
  fill(b, COUNT, 7);
  tk_floats_of(k)->add(x, COUNT, a);
  tk_floats_of(scalar)->add(x, COUNT, b);
  return same(a, b, COUNT);
}

static bool relu2_mul_agrees(const tk_kernels *k, const tk_kernels *scalar) {
  float gate[COUNT], up[COUNT], a[COUNT], b[COUNT];
  fill(gate, COUNT, 8);
  fill(up, COUNT, 9);
  tk_floats_of(k)->relu2_mul(gate, up, COUNT, a);
  tk_floats_of(scalar)->relu2_mul(gate, up, COUNT, b);
  return same(a, b, COUNT);
}

static bool silu_mul_agrees(const tk_kernels *k, const tk_kernels *scalar) {
  float gate[COUNT], up[COUNT], a[COUNT], b[COUNT];
  fill(gate, COUNT, 10);
  fill(up, COUNT, 11);
  tk_floats_of(k)->silu_mul(gate, up, COUNT, a);
  tk_floats_of(scalar)->silu_mul(gate, up, COUNT, b);
  return same(a, b, COUNT);
}

static bool gelu_mul_agrees(const tk_kernels *k, const tk_kernels *scalar) {
  float gate[COUNT], up[COUNT], a[COUNT], b[COUNT];
  fill(gate, COUNT, 15);
  fill(up, COUNT, 16);
  tk_floats_of(k)->gelu_mul(gate, up, COUNT, a);
  tk_floats_of(scalar)->gelu_mul(gate, up, COUNT, b);
  return same(a, b, COUNT);
}

static bool exp_agrees(const tk_kernels *k, const tk_kernels *scalar) {
  float x[COUNT], a[COUNT], b[COUNT];
  fill(x, COUNT, 12);
  tk_floats_of(k)->exp(x, COUNT, a);
  tk_floats_of(scalar)->exp(x, COUNT, b);
  return same(a, b, COUNT);
}

static bool softmax_agrees(const tk_kernels *k, const tk_kernels *scalar) {
  float a[COUNT], b[COUNT];
  fill(a, COUNT, 13);
  for (int i = 0; i < COUNT; i++) {
    a[i] = a[i] > 8.0f ? 8.0f : a[i]; // one dominant value would leave nothing to compare
    b[i] = a[i];
  }
  tk_floats_of(k)->softmax(a, COUNT);
  tk_floats_of(scalar)->softmax(b, COUNT);
  return same(a, b, COUNT);
}

static bool f32_to_f16_agrees(const tk_kernels *k, const tk_kernels *scalar) {
  float x[COUNT];
  uint16_t a[COUNT], b[COUNT];
  fill(x, COUNT, 14);
  for (int i = 0; i < COUNT; i++) {
    x[i] *= i % 3 == 0 ? 0x1p-20f : i % 3 == 1 ? 16384.0f : 1.0f;
  }
  tk_floats_of(k)->f32_to_f16(x, COUNT, a);
  tk_floats_of(scalar)->f32_to_f16(x, COUNT, b);
  return memcmp(a, b, sizeof a) == 0;
}

static bool f16_to_f32_agrees(const tk_kernels *k, const tk_kernels *scalar) {
  uint16_t x[COUNT];
  float a[COUNT], b[COUNT];
  for (int i = 0; i < COUNT; i++) {
    const uint16_t bits = (uint16_t)(i * 40503);
    x[i] = (bits & 0x7c00) == 0x7c00 ? bits & 0xfc00 : bits; // infinity, but no NaN
  }
  tk_floats_of(k)->f16_to_f32(x, COUNT, a);
  tk_floats_of(scalar)->f16_to_f32(x, COUNT, b);
  return same(a, b, COUNT);
}

/// Keys or values of one head in every type of cache.
typedef struct cache {
  float floats[CACHE];
  uint16_t halves[CACHE];
  int8_t bytes[CACHE];
  float scales[POSITIONS];
} cache;

static void fill_cache(cache *c, float factor, uint32_t seed) {
  fill(c->floats, CACHE, seed);
  for (int i = 0; i < CACHE; i++) {
    c->floats[i] *= factor;
    c->halves[i] = tk_float_to_half(c->floats[i]);
  }
  for (int p = 0; p < POSITIONS; p++) {
    c->scales[p] = tk_quantize_cache(c->floats + p * STRIDE, STRIDE, c->bytes + p * STRIDE);
  }
}

static tk_cache rows_of(const cache *c, tk_cache_type type) {
  const void *data[] = {c->floats, c->halves, c->bytes};
  return (tk_cache){type, data[type], c->scales, STRIDE};
}

static bool attention_scores_agree(const tk_kernels *k, const tk_kernels *scalar) {
  enum { SCORES = TK_ATTENTION_HEADS * POSITIONS };
  cache keys;
  float queries[TK_ATTENTION_HEADS * HEAD], a[SCORES], b[SCORES];
  fill(queries, TK_ATTENTION_HEADS * HEAD, 20);
  fill_cache(&keys, 0x1p-10f, 21);
  for (tk_cache_type type = TK_CACHE_F32; type <= TK_CACHE_INT8; type++) {
    for (size_t heads = 1; heads <= TK_ATTENTION_HEADS; heads++) {
      tk_score_block block = {rows_of(&keys, type), queries, heads, HEAD, 0.2f, 0, 2, a, POSITIONS};
      fill(a, SCORES, 22); // what is not to be written shows if it is
      fill(b, SCORES, 22);
      tk_attention_of(k)->scores(&block);
      block.begin = block.end, block.end = POSITIONS;
      tk_attention_of(k)->scores(&block);
      block.begin = 0, block.scores = b;
      tk_attention_of(scalar)->scores(&block);
      if (!same(a, b, SCORES)) {
        return false;
      }
    }
  }
  return true;
}

static bool exponentials_agree(const tk_kernels *k, const tk_kernels *scalar) {
  float a[COUNT + 1], b[COUNT + 1];
  fill(a, COUNT, 23);
  for (int i = 0; i < COUNT; i++) {
    a[i] = a[i] > 8.0f ? 8.0f : a[i]; // as for softmax
    b[i] = a[i];
  }
  a[COUNT] = tk_floats_of(k)->exponentials(a, COUNT);
  b[COUNT] = tk_floats_of(scalar)->exponentials(b, COUNT);
  return same(a, b, COUNT + 1);
}

static bool attention_values_agree(const tk_kernels *k, const tk_kernels *scalar) {
  enum { OUTPUTS = TK_ATTENTION_HEADS * HEAD, WEIGHTS = TK_ATTENTION_HEADS * POSITIONS };
  static const float totals[TK_ATTENTION_HEADS] = {1.5f, 0.7f, 3.0f, 5.1f};
  cache values;
  float weights[WEIGHTS], a[OUTPUTS], b[OUTPUTS];
  fill(weights, WEIGHTS, 24);
  fill_cache(&values, 1.0f, 25);
  for (tk_cache_type type = TK_CACHE_F32; type <= TK_CACHE_INT8; type++) {
    for (size_t heads = 1; heads <= TK_ATTENTION_HEADS; heads++) {
      tk_value_block block = {rows_of(&values, type),
                              weights,
                              POSITIONS,
                              totals,
                              heads,
                              HEAD,
                              0,
                              6,
                              POSITIONS,
                              8,
                              HEAD,
                              a};
      fill(a, OUTPUTS, 26);
      fill(b, OUTPUTS, 26);
      tk_attention_of(k)->values(&block);
      block.begin = block.end, block.end = POSITIONS;
      tk_attention_of(k)->values(&block);
      block.begin = 0, block.dim_begin = 0, block.dim_end = 8;
      tk_attention_of(k)->values(&block);
      block.dim_end = HEAD, block.out = b;
      tk_attention_of(scalar)->values(&block);
      if (!same(a, b, OUTPUTS)) {
        return false;
      }
    }
  }
  return true;
}

static bool dense_gemv_agrees(const tk_kernels *k, const tk_kernels *scalar) {
  static const tk_type types[] = {TK_F32, TK_F16, TK_BF16, TK_Q8_0, TK_Q6_K, TK_Q4_0};
  float w[COLUMNS], x[COLUMNS], a[ROWS], b[ROWS];
  uint8_t data[ROWS * COLUMNS * sizeof(float)];
  fill(x, COLUMNS, 18);
  for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
    const tk_type type = types[t];
    const size_t bytes = COLUMNS / tk_type_block_size(type) * tk_type_block_bytes(type);
    for (size_t r = 0; r < ROWS; r++) {
      fill(w, COLUMNS, (uint32_t)(19 + r));
      tk_encode(type, w, COLUMNS, data + r * bytes);
    }
    tk_dense_of(k)->gemv(type, data, COLUMNS, x, 0, ROWS, a);
    tk_dense_of(scalar)->gemv(type, data, COLUMNS, x, 0, ROWS, b);
    if (!same(a, b, ROWS)) {
      return false;
    }
  }
  return true;
}

const char *tk_self_test_float(const tk_kernels *k, const tk_kernels *scalar) {
  static const struct {
    const char *name;
    bool (*agrees)(const tk_kernels *k, const tk_kernels *scalar);
  } checks[] = {
      {"rms_norm", rms_norm_agrees},
      {"rope", rope_agrees},
      {"add", add_agrees},
      {"relu2_mul", relu2_mul_agrees},
      {"silu_mul", silu_mul_agrees},
      {"gelu_mul", gelu_mul_agrees},
      {"exp", exp_agrees},
      {"softmax", softmax_agrees},
      {"f32_to_f16", f32_to_f16_agrees},
      {"f16_to_f32", f16_to_f32_agrees},
      {"attention_scores", attention_scores_agree},
      {"attention_weights", exponentials_agree},
      {"attention_values", attention_values_agree},
      {"dense_gemv", dense_gemv_agrees},
  };
  for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
    if (!checks[i].agrees(k, scalar)) {
      return checks[i].name;
    }
  }
  return NULL;
}
