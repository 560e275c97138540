// Norm, rotary embedding, activations, exp, softmax and float16 conversion, in the float order of
// CTernaryKernels.h. This file is the specification: the other instruction sets repeat these
// operations, in this order, bit for bit.

#include "float/float.h"

#pragma clang fp contract(off)

static float rms_norm(const float *x, const float *weight, size_t n, float eps, float *y) {
  float lanes[TK_FLOAT_LANES] = {0};
  for (size_t i = 0; i < n; i++) {
    float *lane = &lanes[i % TK_FLOAT_LANES];
    *lane = __builtin_fmaf(x[i], x[i], *lane);
  }
  const float r = tk_inverse_rms(tk_lane_sum(lanes), n, eps);
  for (size_t i = 0; i < n; i++) {
    y[i] = (x[i] * r) * weight[i];
  }
  return r;
}

static void rope(float *x, const float *cos, const float *sin, size_t heads, size_t head_dim) {
  const size_t half = head_dim / 2;
  for (size_t h = 0; h < heads; h++) {
    float *head = x + h * head_dim;
    for (size_t i = 0; i < half; i++) {
      const float a = head[i];
      const float b = head[i + half];
      head[i] = __builtin_fmaf(a, cos[i], -(b * sin[i]));
      head[i + half] = __builtin_fmaf(b, cos[i], a * sin[i]);
    }
  }
}

static void add(const float *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i++) {
    y[i] = x[i] + y[i];
  }
}

static void relu2_mul(const float *gate, const float *up, size_t n, float *out) {
  for (size_t i = 0; i < n; i++) {
    // Written so that NaN stays NaN.
    const float g = gate[i] < 0.0f ? 0.0f : gate[i];
    out[i] = (g * g) * up[i];
  }
}

static void silu_mul(const float *gate, const float *up, size_t n, float *out) {
  for (size_t i = 0; i < n; i++) {
    out[i] = (gate[i] / (1.0f + tk_exp_one(-gate[i]))) * up[i];
  }
}

static void gelu_mul(const float *gate, const float *up, size_t n, float *out) {
  for (size_t i = 0; i < n; i++) {
    const float g = gate[i];
    const float z = g * __builtin_fmaf(g * g, tk_gelu_cubic, tk_gelu_linear);
    out[i] = (g / (1.0f + tk_exp_one(z))) * up[i];
  }
}

static void exp_all(const float *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i++) {
    y[i] = tk_exp_one(x[i]);
  }
}

static float exponentials(float *x, size_t n) {
  if (n == 0) {
    return 1.0f;
  }
  float maximum = x[0];
  for (size_t i = 1; i < n; i++) {
    maximum = x[i] > maximum ? x[i] : maximum;
  }
  float lanes[TK_FLOAT_LANES] = {0};
  for (size_t i = 0; i < n; i++) {
    x[i] = tk_exp_one(x[i] - maximum);
    lanes[i % TK_FLOAT_LANES] += x[i];
  }
  return tk_lane_sum(lanes);
}

static void softmax(float *x, size_t n) {
  const float sum = exponentials(x, n);
  for (size_t i = 0; i < n; i++) {
    x[i] = x[i] / sum;
  }
}

static void f32_to_f16(const float *x, size_t n, uint16_t *y) {
  for (size_t i = 0; i < n; i++) {
    y[i] = tk_float_to_half(x[i]);
  }
}

static void f16_to_f32(const uint16_t *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i++) {
    y[i] = tk_half_to_float(x[i]);
  }
}

const tk_float_kernels tk_floats_scalar = {
    .rms_norm = rms_norm,
    .rope = rope,
    .add = add,
    .relu2_mul = relu2_mul,
    .silu_mul = silu_mul,
    .gelu_mul = gelu_mul,
    .exp = exp_all,
    .softmax = softmax,
    .exponentials = exponentials,
    .f32_to_f16 = f32_to_f16,
    .f16_to_f32 = f16_to_f32,
};
