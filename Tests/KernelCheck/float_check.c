// Compares every float kernel of every kernel set that this CPU supports with scalar, bit for bit
// (any NaN equals any NaN), over lengths with tails and values that are zero, subnormal, huge,
// infinite or NaN. Buffers have their exact size, so that an address sanitiser sees any read past
// the end. With `--dump FILE` the outputs of scalar and of the fastest set are also written to
// FILE, so that runs on two machines can be compared byte by byte.
//
// Given names of sets, it checks only those, and fails if one of them cannot run here.
//
// Usage: float_check [--dump FILE | --without-ties] [SET...]

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "float_dense.h"
#include "float_inputs.h"
#include "sets.h"

static const size_t lengths[] = {0, 1, 7, 8, 15, 16, 17, 31, 53, 2560, 6912};
enum { LENGTH_COUNT = sizeof lengths / sizeof lengths[0] };

/// Bochs 2.7 rounds every tie between two float16 values up, in each form of vcvtps2ph.
static bool without_ties;

// -- Element-wise kernels, norms, softmax ---------------------------------------------------------

typedef void operation(const tk_kernels *k, const float *x, const float *w, size_t n, float *y);

static void norm(const tk_kernels *k, const float *x, const float *w, size_t n, float *y) {
  tk_rms_norm(k, x, w, n, 1e-5f, y);
}

static void norm_in_place(const tk_kernels *k, const float *x, const float *w, size_t n, float *y) {
  memcpy(y, x, n * sizeof *y);
  tk_rms_norm(k, y, w, n, 1e-6f, y);
}

static void norm_factor(const tk_kernels *k, const float *x, const float *w, size_t n, float *y) {
  float *normed = floats(n, ZEROS);
  const float factor = tk_rms_norm(k, x, w, n, 1e-6f, normed);
  for (size_t i = 0; i < n; i++) {
    y[i] = factor;
  }
  free(normed);
}

static void add(const tk_kernels *k, const float *x, const float *w, size_t n, float *y) {
  memcpy(y, w, n * sizeof *y);
  tk_add(k, x, n, y);
}

static void relu2(const tk_kernels *k, const float *x, const float *w, size_t n, float *y) {
  tk_relu2_mul(k, x, w, n, y);
}

static void relu2_in_place(const tk_kernels *k, const float *x, const float *w, size_t n,
                           float *y) {
  memcpy(y, x, n * sizeof *y);
  tk_relu2_mul(k, y, w, n, y);
}

static void silu(const tk_kernels *k, const float *x, const float *w, size_t n, float *y) {
  tk_silu_mul(k, x, w, n, y);
}

static void silu_in_place(const tk_kernels *k, const float *x, const float *w, size_t n, float *y) {
  memcpy(y, w, n * sizeof *y);
  tk_silu_mul(k, x, y, n, y);
}

static void gelu(const tk_kernels *k, const float *x, const float *w, size_t n, float *y) {
  tk_gelu_mul(k, x, w, n, y);
}

static void gelu_in_place(const tk_kernels *k, const float *x, const float *w, size_t n, float *y) {
  memcpy(y, x, n * sizeof *y);
  tk_gelu_mul(k, y, w, n, y);
}

static void exponential(const tk_kernels *k, const float *x, const float *w, size_t n, float *y) {
  (void)w;
  tk_exp(k, x, n, y);
}

static void softmax(const tk_kernels *k, const float *x, const float *w, size_t n, float *y) {
  (void)w;
  memcpy(y, x, n * sizeof *y);
  tk_softmax(k, y, n);
}

/// The float or its neighbour that has its last bit set, and so is never halfway between two
/// float16 values.
static float without_tie(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  bits |= 1;
  memcpy(&x, &bits, sizeof bits);
  return x;
}

/// There and back, so that both conversions show.
static void half(const tk_kernels *k, const float *x, const float *w, size_t n, float *y) {
  (void)w;
  uint16_t *bits = allocate(n * sizeof *bits);
  float *input = copy(x, n);
  for (size_t i = 0; i < n && without_ties; i++) {
    input[i] = isfinite(x[i]) ? without_tie(x[i]) : x[i];
  }
  tk_f32_to_f16(k, input, n, bits);
  tk_f16_to_f32(k, bits, n, y);
  free(bits), free(input);
}

static void rope(const tk_kernels *k, const float *x, const float *w, size_t n, float *y) {
  const size_t heads = n >= 128 ? n / 128 : 1;
  const size_t head_dim = n / heads / 2 * 2;
  memcpy(y, x, n * sizeof *y);
  tk_rope(k, y, w, w + head_dim / 2, heads, head_dim);
}

typedef struct checked_operation {
  const char *name;
  operation *run;
} checked_operation;

static const checked_operation operations[] = {
    {"rms_norm", norm},
    {"rms_norm in place", norm_in_place},
    {"rms_norm's factor", norm_factor},
    {"add", add},
    {"relu2_mul", relu2},
    {"relu2_mul in place", relu2_in_place},
    {"silu_mul", silu},
    {"silu_mul in place", silu_in_place},
    {"gelu_mul", gelu},
    {"gelu_mul in place", gelu_in_place},
    {"exp", exponential},
    {"softmax", softmax},
    {"f32_to_f16, f16_to_f32", half},
    {"rope", rope},
};

static void check_operation(const tk_kernels *k, const checked_operation *o) {
  for (size_t l = 0; l < LENGTH_COUNT; l++) {
    for (pattern p = 0; p < PATTERN_COUNT; p++) {
      const size_t n = lengths[l];
      float *x = floats(n, p);
      float *w = floats(n, p);
      float *a = floats(n, ZEROS);
      float *b = copy(a, n);
      o->run(k, x, w, n, a);
      o->run(scalar, x, w, n, b);
      char shape[64];
      snprintf(shape, sizeof shape, "n = %zu, pattern %d", n, (int)p);
      expect_same(k, o->name, shape, a, b, n);
      free(x), free(w), free(a), free(b);
    }
  }
}

/// exp over its whole range and both of its ends.
static void check_exp(const tk_kernels *k) {
  enum { N = 40000 };
  float *x = floats(N, UNIFORM);
  for (int i = 0; i < N; i++) {
    x[i] = i < 200   ? 88.72283f + (float)(i - 100) * 0x1p-17f
           : i < 400 ? -87.33654f + (float)(i - 300) * 0x1p-17f
                     : x[i] * 25.0f;
  }
  float *a = floats(N, ZEROS);
  float *b = copy(a, N);
  tk_exp(k, x, N, a);
  tk_exp(scalar, x, N, b);
  expect_same(k, "exp", "the whole range", a, b, N);
  free(x), free(a), free(b);
}

/// Every float16 to float32, and every boundary between float16 values back.
static void check_half(const tk_kernels *k) {
  enum { N = 1 << 16 };
  uint16_t *bits = allocate(N * sizeof *bits);
  uint16_t *back_a = allocate(N * sizeof *bits);
  uint16_t *back_b = allocate(N * sizeof *bits);
  float *a = floats(N, ZEROS);
  float *b = copy(a, N);
  for (int i = 0; i < N; i++) {
    bits[i] = (uint16_t)i;
  }
  tk_f16_to_f32(k, bits, N, a);
  tk_f16_to_f32(scalar, bits, N, b);
  expect_same(k, "f16_to_f32", "every value", a, b, N);
  for (int i = 0; i + 1 < N; i++) { // ties, and the floats beside them
    a[i] = (a[i] + a[i + 1]) / 2;
    const bool tie = i % 3 == 0 && !without_ties;
    a[i] = tie ? a[i] : nextafterf(a[i], i % 3 == 1 ? INFINITY : -INFINITY);
  }
  tk_f32_to_f16(k, a, N, back_a);
  tk_f32_to_f16(scalar, a, N, back_b);
  for (int i = 0; i < N; i++) {
    a[i] = (back_a[i] & 0x7fff) > 0x7c00 ? NAN : (float)back_a[i];
    b[i] = (back_b[i] & 0x7fff) > 0x7c00 ? NAN : (float)back_b[i];
  }
  expect_same(k, "f32_to_f16", "every tie", a, b, N);
  free(bits), free(back_a), free(back_b), free(a), free(b);
}

// -- Attention ------------------------------------------------------------------------------------

/// Query heads of one KV head, and its cache: `keys` and `values` have their exact size.
typedef struct head_group {
  size_t heads, head_dim, positions, padded; // padded: floats from the scores of a head to the next
  float *queries;
  tk_cache keys, values;
} head_group;

static tk_cache make_cache(tk_cache_type type, size_t head_dim, size_t positions, size_t stride,
                           pattern p) {
  const size_t eights = (head_dim + 7) / 8 * 8;
  const size_t n = positions > 0 ? (positions - 1) * stride + eights : 0;
  float *x = floats(n, p);
  for (size_t i = 0; i < positions; i++) { // finite, and of no account
    for (size_t j = head_dim; j < eights; j++) {
      x[i * stride + j] = 1000.0f;
    }
  }
  if (type == TK_CACHE_F32) {
    return (tk_cache){type, x, NULL, stride};
  }
  if (type == TK_CACHE_F16) {
    uint16_t *half = allocate(n * sizeof *half);
    tk_f32_to_f16(scalar, x, n, half);
    free(x);
    return (tk_cache){type, half, NULL, stride};
  }
  float *scales = floats(positions, ZEROS);
  int8_t *q = allocate(n);
  memset(q, 0x55, n); // what lies between positions must not count
  for (size_t i = 0; i < positions; i++) {
    scales[i] = tk_quantize_cache(x + i * stride, head_dim, q + i * stride);
  }
  record(scales, positions);
  free(x);
  return (tk_cache){type, q, scales, stride};
}

/// Attention of heads first ..< first + count in one go, or with ranges cut in the middle.
static void attend(const tk_kernels *k, const head_group *g, size_t first, size_t count, bool cut,
                   float *scores, float *out) {
  const float *queries = g->queries + first * g->head_dim;
  const size_t middle = cut ? g->positions * 3 / 5 : 0;
  const size_t half = cut ? g->head_dim / 16 * 8 : 0;
  scores += first * g->padded;
  out += first * g->head_dim;
  tk_attention_scores(k, &g->keys, queries, count, g->head_dim, 0.125f, middle, g->positions,
                      scores, g->padded);
  tk_attention_scores(k, &g->keys, queries, count, g->head_dim, 0.125f, 0, middle, scores,
                      g->padded);
  float *weights = copy(scores, count * g->padded);
  float *totals = floats(count, ZEROS);
  for (size_t h = 0; h < count; h++) {
    totals[h] = tk_attention_weights(k, weights + h * g->padded, g->positions);
  }
  tk_attention_values(k, &g->values, weights, g->padded, totals, count, g->positions, g->head_dim,
                      half, g->head_dim, out);
  tk_attention_values(k, &g->values, weights, g->padded, totals, count, g->positions, g->head_dim,
                      0, half, out);
  free(weights), free(totals);
}

/// A group at once, and with its ranges cut, equals its heads one by one and scalar.
static void check_group(const tk_kernels *k, const head_group *g, const char *shape) {
  static const char *const ways[] = {"attention", "attention in parts", "attention head by head"};
  const size_t scores = g->heads * g->padded;
  const size_t n = scores + g->heads * g->head_dim;
  float *before = floats(n, UNIFORM);
  float *b = copy(before, n);
  attend(scalar, g, 0, g->heads, false, b, b + scores);
  for (size_t way = 0; way < 3; way++) {
    float *a = copy(before, n);
    const size_t step = way == 2 ? 1 : g->heads;
    for (size_t h = 0; h < g->heads; h += step) {
      attend(k, g, h, step, way == 1, a, a + scores);
    }
    expect_same(k, ways[way], shape, a, b, n);
    free(a);
  }
  free(before), free(b);
}

static void check_attention_shape(const tk_kernels *k, tk_cache_type type, size_t heads,
                                  size_t head_dim, size_t positions, size_t stride, pattern p) {
  char shape[96];
  snprintf(shape, sizeof shape, "type %d, %zu x %zu, %zu positions, stride %zu, pattern %d",
           (int)type, heads, head_dim, positions, stride, (int)p);
  const head_group g = {.heads = heads,
                        .head_dim = head_dim,
                        .positions = positions,
                        .padded = positions + 3, // so that writing too much shows
                        .queries = floats(heads * head_dim, p),
                        .keys = make_cache(type, head_dim, positions, stride, p),
                        .values = make_cache(type, head_dim, positions, stride, p)};
  check_group(k, &g, shape);
  free(g.queries), free((void *)g.keys.data), free((void *)g.keys.scales);
  free((void *)g.values.data), free((void *)g.values.scales);
}

static void check_attention(const tk_kernels *k) {
  static const size_t sizes[] = {8, 16, 24, 64, 80, 96, 128, 256, 2, 12, 100};
  static const size_t positions[] = {0, 1, 2, 3, 4, 5, 16, 33, 100};
  size_t shape = 0;
  for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
    for (size_t n = 0; n < sizeof positions / sizeof positions[0]; n++) {
      for (pattern p = 0; p < PATTERN_COUNT; p++) {
        for (tk_cache_type type = TK_CACHE_F32; type <= TK_CACHE_INT8; type++) {
          const size_t heads = shape++ % 7 + 1; // 7 divides none of the other counts
          const size_t stride = (sizes[s] + 7) / 8 * 8 + n % 2 * 24;
          check_attention_shape(k, type, heads, sizes[s], positions[n], stride, p);
        }
      }
    }
  }
  for (size_t heads = 1; heads <= 9; heads++) {
    for (tk_cache_type type = TK_CACHE_F32; type <= TK_CACHE_INT8; type++) {
      check_attention_shape(k, type, heads, 216, 53, 216, UNIFORM);
    }
  }
}

/// Checks what no set before `k` has in common with it.
static void check_new(const tk_kernels *k) {
  const bool floats = is_new(tk_floats_of(k), 0);
  for (size_t o = 0; floats && o < sizeof operations / sizeof operations[0]; o++) {
    check_operation(k, &operations[o]);
  }
  if (floats) {
    check_exp(k);
    check_half(k);
  }
  if (is_new(tk_attention_of(k), 0) || floats) { // whose exponentials it takes
    check_attention(k);
  }
  if (is_new(tk_dense_of(k), 0)) {
    check_dense(k);
  }
}

int main(int argc, char **argv) {
  int names = 1; // the first argument that names a set
  if (argc > 1 && strcmp(argv[1], "--dump") == 0) {
    names = 3;
    dump = argc > 2 ? fopen(argv[2], "wb") : NULL;
    if (dump == NULL) {
      fprintf(stderr, "usage: %s [--dump FILE | --without-ties] [SET...]\n", argv[0]);
      return 2;
    }
  }
  if (argc > 1 && strcmp(argv[1], "--without-ties") == 0) {
    names = 2;
    without_ties = true;
  }
  check_wanted_sets(argc - names, argv + names);
  const size_t sets = tk_kernel_set_count();
  scalar = tk_kernel_set(sets - 1);
  bool fastest = true;
  for (size_t i = 0; i < sets; i++) {
    const tk_kernels *k = tk_kernel_set(i);
    if (!tk_kernel_set_supported(k) || (dump != NULL && !fastest) ||
        !is_wanted_set(k, argc - names, argv + names)) {
      continue;
    }
    fastest = false;
    state = 1;
    check_new(k);
    printf("%s agrees with scalar\n", tk_kernel_set_name(k));
    fflush(stdout);
  }
  check_codecs();
  if (dump != NULL && fclose(dump) != 0) {
    fprintf(stderr, "the dump cannot be written\n");
    return 2;
  }
  printf("%zu passed, 0 failed\n", passed);
  return 0;
}
