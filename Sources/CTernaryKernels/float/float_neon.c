// NEON norm, rotary embedding, activations, exp, softmax and float16 conversion: float_scalar.c,
// four lanes at a time.

#if defined(__aarch64__)

#include "float/float_neon.h"

#pragma clang fp contract(off)

static float rms_norm(const float *x, const float *weight, size_t n, float eps, float *y) {
  // A square is never -0, so adding the 0 of an absent element changes no lane.
  float32x4_t lanes[4] = {vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)};
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (size_t v = 0; v < 4; v++) {
      const float32x4_t a = vld1q_f32(x + i + 4 * v);
      lanes[v] = vfmaq_f32(lanes[v], a, a);
    }
  }
  for (size_t v = 0; i < n; i += 4, v++) {
    const float32x4_t a = tk_load4(x + i, n - i);
    lanes[v] = vfmaq_f32(lanes[v], a, a);
  }
  const float inverse = tk_inverse_rms(tk_lane_sum16(lanes), n, eps);
  const float32x4_t r = vdupq_n_f32(inverse);
  for (i = 0; i < n; i += 4) {
    const float32x4_t scaled = vmulq_f32(tk_load4(x + i, n - i), r);
    tk_store4(y + i, n - i, vmulq_f32(scaled, tk_load4(weight + i, n - i)));
  }
  return inverse;
}

static void rope(float *x, const float *cos, const float *sin, size_t heads, size_t head_dim) {
  const size_t half = head_dim / 2;
  for (size_t h = 0; h < heads; h++) {
    float *first = x + h * head_dim;
    float *second = first + half;
    for (size_t i = 0; i < half; i += 4) {
      const size_t count = half - i;
      const float32x4_t a = tk_load4(first + i, count);
      const float32x4_t b = tk_load4(second + i, count);
      const float32x4_t c = tk_load4(cos + i, count);
      const float32x4_t s = tk_load4(sin + i, count);
      tk_store4(first + i, count, vfmaq_f32(vnegq_f32(vmulq_f32(b, s)), a, c));
      tk_store4(second + i, count, vfmaq_f32(vmulq_f32(a, s), b, c));
    }
  }
}

static void add(const float *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i += 4) {
    tk_store4(y + i, n - i, vaddq_f32(tk_load4(x + i, n - i), tk_load4(y + i, n - i)));
  }
}

static void relu2_mul(const float *gate, const float *up, size_t n, float *out) {
  for (size_t i = 0; i < n; i += 4) {
    const float32x4_t g = vmaxq_f32(tk_load4(gate + i, n - i), vdupq_n_f32(0));
    const float32x4_t u = tk_load4(up + i, n - i);
    tk_store4(out + i, n - i, vmulq_f32(vmulq_f32(g, g), u));
  }
}

/// tk_exp_one in four lanes.
static inline float32x4_t exp4(float32x4_t x) {
  const float32x4_t round = vdupq_n_f32(tk_exp_round);
  const float32x4_t t = vfmaq_f32(round, x, vdupq_n_f32(tk_exp_log2_e));
  const float32x4_t n = vsubq_f32(t, round);
  float32x4_t r = vfmaq_f32(x, n, vdupq_n_f32(-tk_exp_ln2_high));
  r = vfmaq_f32(r, n, vdupq_n_f32(-tk_exp_ln2_low));
  float32x4_t p = vdupq_n_f32(tk_exp_polynomial[0]);
  for (int i = 1; i < 6; i++) {
    p = vfmaq_f32(vdupq_n_f32(tk_exp_polynomial[i]), p, r);
  }
  p = vaddq_f32(vfmaq_f32(r, p, vmulq_f32(r, r)), vdupq_n_f32(1.0f));
  const int32x4_t bias = vdupq_n_s32(127);
  const int32x4_t exponent = vsubq_s32(vreinterpretq_s32_f32(t), vdupq_n_s32(TK_EXP_ROUND_BITS));
  const int32x4_t half = vshrq_n_s32(exponent, 1);
  const int32x4_t rest = vsubq_s32(exponent, half);
  p = vmulq_f32(p, vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(half, bias), 23)));
  p = vmulq_f32(p, vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(rest, bias), 23)));
  p = vbslq_f32(vcgtq_f32(x, vdupq_n_f32(tk_exp_upper)), vdupq_n_f32(INFINITY), p);
  return vbslq_f32(vcltq_f32(x, vdupq_n_f32(tk_exp_lower)), vdupq_n_f32(0), p);
}

static void silu_mul(const float *gate, const float *up, size_t n, float *out) {
  const float32x4_t one = vdupq_n_f32(1.0f);
  for (size_t i = 0; i < n; i += 4) {
    const float32x4_t g = tk_load4(gate + i, n - i);
    const float32x4_t silu = vdivq_f32(g, vaddq_f32(one, exp4(vnegq_f32(g))));
    tk_store4(out + i, n - i, vmulq_f32(silu, tk_load4(up + i, n - i)));
  }
}

static void gelu_mul(const float *gate, const float *up, size_t n, float *out) {
  const float32x4_t one = vdupq_n_f32(1.0f);
  const float32x4_t linear = vdupq_n_f32(tk_gelu_linear);
  const float32x4_t cubic = vdupq_n_f32(tk_gelu_cubic);
  for (size_t i = 0; i < n; i += 4) {
    const float32x4_t g = tk_load4(gate + i, n - i);
    const float32x4_t z = vmulq_f32(g, vfmaq_f32(linear, vmulq_f32(g, g), cubic));
    const float32x4_t gelu = vdivq_f32(g, vaddq_f32(one, exp4(z)));
    tk_store4(out + i, n - i, vmulq_f32(gelu, tk_load4(up + i, n - i)));
  }
}

static void exp_all(const float *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i += 4) {
    tk_store4(y + i, n - i, exp4(tk_load4(x + i, n - i)));
  }
}

/// The largest of n > 0 floats; exact in any order.
static inline float maximum(const float *x, size_t n) {
  float32x4_t m = vdupq_n_f32(x[0]);
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    m = vmaxq_f32(m, vld1q_f32(x + i));
  }
  for (; i < n; i++) {
    m = vmaxq_f32(m, vdupq_n_f32(x[i]));
  }
  return vmaxvq_f32(m);
}

static float exponentials(float *x, size_t n) {
  if (n == 0) {
    return 1.0f;
  }
  const float32x4_t m = vdupq_n_f32(maximum(x, n));
  float32x4_t lanes[4] = {vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)};
  for (size_t i = 0; i < n; i += 16) {
    for (size_t v = 0; v < 4 && i + 4 * v < n; v++) {
      float *part = x + i + 4 * v;
      const size_t count = n - i - 4 * v;
      tk_store4(part, count, exp4(vsubq_f32(tk_load4(part, count), m)));
      // Loading again gives 0 in the lanes that are absent.
      lanes[v] = vaddq_f32(lanes[v], tk_load4(part, count));
    }
  }
  return tk_lane_sum16(lanes);
}

static void softmax(float *x, size_t n) {
  const float32x4_t sum = vdupq_n_f32(exponentials(x, n));
  for (size_t i = 0; i < n; i += 4) {
    tk_store4(x + i, n - i, vdivq_f32(tk_load4(x + i, n - i), sum));
  }
}

static void f32_to_f16(const float *x, size_t n, uint16_t *y) {
  for (size_t i = 0; i < n; i += 4) {
    const uint16x4_t half = vreinterpret_u16_f16(vcvt_f16_f32(tk_load4(x + i, n - i)));
    if (n - i >= 4) {
      vst1_u16(y + i, half);
    } else {
      memcpy(y + i, &half, (n - i) * sizeof *y);
    }
  }
}

static void f16_to_f32(const uint16_t *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i += 4) {
    uint16x4_t half = vdup_n_u16(0);
    if (n - i >= 4) {
      half = vld1_u16(x + i);
    } else {
      memcpy(&half, x + i, (n - i) * sizeof *x);
    }
    tk_store4(y + i, n - i, vcvt_f32_f16(vreinterpret_f16_u16(half)));
  }
}

const tk_float_kernels tk_floats_neon = {
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

#endif
