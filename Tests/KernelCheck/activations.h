// Checks of what happens to activations around a product: quantisation and dequantisation.

#ifndef TK_ACTIVATIONS_H
#define TK_ACTIVATIONS_H

#include "CTernaryKernels.h"
#include "check.h"

#include <math.h>

enum { ROW_KINDS = 11 };

static float activation(int kind, size_t i, uint64_t *state) {
  float uniform = (float)random_int(state, -(1 << 23), 1 << 23) / (float)(1 << 23);
  switch (kind) {
  case 0:
    return uniform;
  case 1:
    return i == 0 ? 127.0f : (float)random_int(state, -254, 254) * 0.5f; // ties, scale 1
  case 2:
    return i % 2 ? 0.0f : -0.0f;
  case 3:
    return uniform * 1e-6f; // below the clamp of 1e-5
  case 4:
    return uniform * 3e38f;
  case 5:
    return uniform * 1e-40f; // denormal
  case 6:
    return i == 3 ? -1000.0f : uniform; // one outlier
  case 7:
    return i % 2 ? 2.5f : -2.5f;
  case 8:
    return i % 5 == 2 ? INFINITY : uniform;
  case 9:
    return i % 7 == 3 ? NAN : uniform;
  default:
    return i % 2 ? NAN : -INFINITY;
  }
}

/// What tk_quantize promises, with the C library's rounding; for finite rows.
static float plain_quantize(const float *x, size_t n, int8_t *q, int32_t *sum) {
  float a = 1e-5f;
  *sum = 0;
  for (size_t i = 0; i < n; i++) {
    a = fmaxf(a, fabsf(x[i]));
  }
  float scale = (1.0f / a) * 127.0f;
  for (size_t i = 0; i < n; i++) {
    volatile float v = x[i] * scale; // volatile: no contraction, whatever the compiler
    q[i] = (int8_t)fmaxf(-127.0f, fminf(127.0f, nearbyintf(v)));
    *sum += q[i];
  }
  memset(q + n, 0, TK_ACTIVATION_PADDING);
  return scale;
}

static void check_quantize(const tk_kernels *k, const tk_kernels *scalar) {
  static const size_t sizes[] = {0, 1, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 65, 100, 2560, 6912};
  uint64_t state = 3;
  for (int kind = 0; kind < ROW_KINDS; kind++) {
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
      size_t n = sizes[s];
      char detail[80];
      snprintf(detail, sizeof detail, "%s, n %zu, kind %d", tk_kernel_set_name(k), n, kind);
      float *x = allocate(n * sizeof *x);
      for (size_t i = 0; i < n; i++) {
        x[i] = activation(kind, i, &state);
      }
      int8_t *expected = allocate(n + TK_ACTIVATION_PADDING);
      guarded q = guarded_allocate(n + TK_ACTIVATION_PADDING, 1);
      int32_t expected_sum = 0, sum = 0;
      float expected_scale = kind < 8 ? plain_quantize(x, n, expected, &expected_sum)
                                      : tk_quantize(scalar, x, n, expected, &expected_sum);
      float scale = tk_quantize(k, x, n, (int8_t *)q.data, &sum);
      check_same(&expected_scale, &scale, 1, sizeof scale, "quantize: scale", detail);
      bool has_nan = false, has_infinity = false;
      for (size_t i = 0; i < n; i++) {
        has_nan |= isnan(x[i]);
        has_infinity |= isinf(x[i]);
      }
      check(has_nan ? isnan(scale) : (scale == 0.0f) == has_infinity,
            "quantize: the scale of what is not finite", detail);
      check_same(expected, q.data, q.bytes, 1, "quantize: values", detail);
      check(sum == expected_sum, "quantize: sum", detail);
      guarded_free(q, "quantize writes outside its range", detail);
      free(x);
      free(expected);
    }
  }
}

static void check_dequantize(const tk_kernels *k) {
  uint64_t state = 4;
  for (size_t n = 0; n < 70; n++) {
    for (size_t stride = 0; stride < 2; stride++) {
      for (int in_place = 0; in_place < 2; in_place++) {
        int32_t *acc = allocate(n * sizeof *acc);
        float *beta = allocate((n + 1) * sizeof *beta), *expected = allocate(n * sizeof *expected);
        float scale = (float)random_int(&state, 1, 1 << 24) / 1000.0f;
        for (size_t i = 0; i <= n; i++) {
          beta[i] = (float)random_int(&state, -(1 << 23), 1 << 23) / 7.0f;
        }
        for (size_t i = 0; i < n; i++) {
          acc[i] = random_int(&state, -1000000000, 1000000000) >> random_int(&state, 0, 30);
          volatile double factor = (double)beta[i * stride] / (double)scale;
          expected[i] = (float)((double)acc[i] * factor);
        }
        guarded y = guarded_allocate(n * sizeof(float), 0);
        memcpy(y.data, acc, n * sizeof *acc);
        tk_dequantize(k, in_place ? (int32_t *)y.data : acc, n, scale, beta, stride,
                      (float *)y.data);
        check_same(expected, y.data, n, sizeof *expected, "dequantize", tk_kernel_set_name(k));
        guarded_free(y, "dequantize writes outside its range", tk_kernel_set_name(k));
        free(acc);
        free(beta);
        free(expected);
      }
    }
  }
}

#endif
