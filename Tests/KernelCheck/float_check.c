// Compares every float kernel of every kernel set that this CPU supports with scalar, bit for bit
// (any NaN equals any NaN), over lengths with tails and values that are zero, subnormal, huge,
// infinite or NaN. Buffers have their exact size, so that an address sanitiser sees any read past
// the end. With `--dump FILE` the outputs of scalar and of the fastest set are also written to
// FILE, so that runs on two machines can be compared byte by byte.
//
// Given names of sets, it checks only those, and fails if one of them cannot run here.
//
// Usage: float_check [--dump FILE | --without-ties] [SET...]

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

/// There and back, so that both conversions show.
static void half(const tk_kernels *k, const float *x, const float *w, size_t n, float *y) {
  (void)w;
  uint16_t *bits = allocate(n * sizeof *bits);
  tk_f32_to_f16(k, x, n, bits);
  tk_f16_to_f32(k, bits, n, y);
  free(bits);
}

static void rope(const tk_kernels *k, const float *x, const float *w, size_t n, float *y) {
  const size_t heads = n >= 128 ? n / 128 : 1;
  const size_t head_dim = n / heads / 2 * 2;
  memcpy(y, x, n * sizeof *y);
  tk_rope(k, y, w, w + head_dim / 2, heads, head_dim);
}

static void check_operations(const tk_kernels *k) {
  static const struct {
    const char *name;
    operation *run;
  } operations[] = {
      {"rms_norm", norm},   {"rms_norm in place", norm_in_place},
      {"add", add},         {"relu2_mul", relu2},
      {"silu_mul", silu},   {"relu2_mul in place", relu2_in_place},
      {"exp", exponential}, {"silu_mul in place", silu_in_place},
      {"softmax", softmax}, {"f32_to_f16, f16_to_f32", half},
      {"gelu_mul", gelu},   {"gelu_mul in place", gelu_in_place},
      {"rope", rope},
  };
  for (size_t o = 0; o < sizeof operations / sizeof operations[0]; o++) {
    for (size_t l = 0; l < LENGTH_COUNT; l++) {
      for (pattern p = 0; p < PATTERN_COUNT; p++) {
        const size_t n = lengths[l];
        float *x = floats(n, p);
        float *w = floats(n, p);
        float *a = floats(n, ZEROS);
        float *b = copy(a, n);
        operations[o].run(k, x, w, n, a);
        operations[o].run(scalar, x, w, n, b);
        char shape[64];
        snprintf(shape, sizeof shape, "n = %zu, pattern %d", n, (int)p);
        expect_same(k, operations[o].name, shape, a, b, n);
        free(x), free(w), free(a), free(b);
      }
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

static void check_attention_shape(const tk_kernels *k, tk_cache_type type, size_t head_dim,
                                  size_t positions, size_t stride, pattern p) {
  const size_t n = positions > 0 ? (positions - 1) * stride + head_dim : 0;
  const size_t padded = (positions + TK_FLOAT_LANES - 1) / TK_FLOAT_LANES * TK_FLOAT_LANES;
  float *query = floats(head_dim, p);
  float *keys = floats(n, p);
  float *values = floats(n, p);
  void *cached_keys = keys;
  void *cached_values = values;
  if (type == TK_CACHE_F16) {
    cached_keys = allocate(n * sizeof(uint16_t));
    cached_values = allocate(n * sizeof(uint16_t));
    tk_f32_to_f16(scalar, keys, n, cached_keys);
    tk_f32_to_f16(scalar, values, n, cached_values);
    free(keys), free(values);
  }
  float *scores = floats(padded, UNIFORM);
  float *a = floats(head_dim, UNIFORM);
  float *b = floats(head_dim, UNIFORM);
  tk_attention(k, query, cached_keys, cached_values, type, stride, positions, head_dim, 0.125f,
               scores, a);
  tk_attention(scalar, query, cached_keys, cached_values, type, stride, positions, head_dim, 0.125f,
               scores, b);
  char shape[96];
  snprintf(shape, sizeof shape, "type %d, head %zu, %zu positions, stride %zu, pattern %d",
           (int)type, head_dim, positions, stride, (int)p);
  expect_same(k, "attention", shape, a, b, head_dim);
  free(query), free(cached_keys), free(cached_values), free(scores), free(a), free(b);
}

/// Rounds every position to int8 with a scale of its own.
static int8_t *int8_cache(const float *x, size_t positions, size_t stride, size_t head_dim,
                          float *scales) {
  const size_t n = positions > 0 ? (positions - 1) * stride + head_dim : 0;
  int8_t *q = allocate(n);
  memset(q, 0x55, n); // what lies between positions must not count
  for (size_t p = 0; p < positions; p++) {
    scales[p] = tk_quantize_cache(x + p * stride, head_dim, q + p * stride);
  }
  return q;
}

static void check_attention_int8(const tk_kernels *k, size_t head_dim, size_t positions,
                                 size_t stride, pattern p) {
  const size_t n = positions > 0 ? (positions - 1) * stride + head_dim : 0;
  const size_t padded = (positions + TK_FLOAT_LANES - 1) / TK_FLOAT_LANES * TK_FLOAT_LANES;
  float *query = floats(head_dim, p);
  float *keys = floats(n, p);
  float *values = floats(n, p);
  float *key_scales = floats(positions, ZEROS);
  float *value_scales = floats(positions, ZEROS);
  int8_t *key_cache = int8_cache(keys, positions, stride, head_dim, key_scales);
  int8_t *value_cache = int8_cache(values, positions, stride, head_dim, value_scales);
  float *scores = floats(padded, UNIFORM);
  float *a = floats(head_dim, UNIFORM);
  float *b = floats(head_dim, UNIFORM);
  tk_attention_int8(k, query, key_cache, key_scales, value_cache, value_scales, stride, positions,
                    head_dim, 0.125f, scores, a);
  tk_attention_int8(scalar, query, key_cache, key_scales, value_cache, value_scales, stride,
                    positions, head_dim, 0.125f, scores, b);
  char shape[96];
  snprintf(shape, sizeof shape, "head %zu, %zu positions, stride %zu, pattern %d", head_dim,
           positions, stride, (int)p);
  expect_same(k, "attention_int8", shape, a, b, head_dim);
  record(key_scales, positions);
  free(query), free(keys), free(values), free(key_scales), free(value_scales);
  free(key_cache), free(value_cache), free(scores), free(a), free(b);
}

static void check_attention(const tk_kernels *k) {
  static const size_t heads[] = {8, 16, 24, 64, 80, 96, 128, 256};
  static const size_t positions[] = {0, 1, 2, 3, 4, 5, 16, 33, 100};
  for (size_t h = 0; h < sizeof heads / sizeof heads[0]; h++) {
    for (size_t n = 0; n < sizeof positions / sizeof positions[0]; n++) {
      for (pattern p = 0; p < PATTERN_COUNT; p++) {
        for (tk_cache_type type = TK_CACHE_F32; type <= TK_CACHE_F16; type++) {
          const size_t stride = n % 2 == 0 ? heads[h] : heads[h] + 24;
          check_attention_shape(k, type, heads[h], positions[n], stride, p);
        }
        check_attention_int8(k, heads[h], positions[n], heads[h] + n % 2 * 24, p);
      }
    }
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
    check_operations(k);
    check_exp(k);
    check_half(k);
    check_attention(k);
    check_dense(k);
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
