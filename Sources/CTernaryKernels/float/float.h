// Private: the family of float kernels, the constants of the one exp, and the steps that every
// instruction set must repeat operation by operation. Nothing here may be contracted: fma only
// where it is written.

#ifndef TK_FLOAT_H
#define TK_FLOAT_H

#include <math.h>
#include <string.h>

#include "CTernaryKernels.h"

#pragma clang fp contract(off)

/// Float steps in one fixed order. Shapes and ranges are those of the public calls.
typedef struct tk_float_kernels {
  float (*rms_norm)(const float *x, const float *weight, size_t n, float eps, float *y);
  void (*rope)(float *x, const float *cos, const float *sin, size_t heads, size_t head_dim);
  void (*add)(const float *x, size_t n, float *y);
  void (*relu2_mul)(const float *gate, const float *up, size_t n, float *out);
  void (*silu_mul)(const float *gate, const float *up, size_t n, float *out);
  void (*gelu_mul)(const float *gate, const float *up, size_t n, float *out);
  void (*exp)(const float *x, size_t n, float *y);
  void (*softmax)(float *x, size_t n);
  /// tk_attention_weights; the softmax before its division.
  float (*exponentials)(float *x, size_t n);
  void (*f32_to_f16)(const float *x, size_t n, uint16_t *y);
  void (*f16_to_f32)(const uint16_t *x, size_t n, float *y);
} tk_float_kernels;

extern const tk_float_kernels tk_floats_scalar, tk_floats_avx2, tk_floats_avx512, tk_floats_neon;

// exp(x) = 2^n * exp(r), n = round(x / ln 2), r = x - n * ln 2 in [-0.3466, 0.3466]. ln 2 comes in
// two parts: the first has 10 significant bits, so that n * part is exact. exp(r) = 1 + r + r^2 *
// p, p a polynomial of degree 5 (coefficients of Cephes' expf), evaluated by Horner's rule with
// fma.
static const float tk_exp_log2_e = 1.44269504088896341f;
static const float tk_exp_ln2_high = 0.693359375f;
static const float tk_exp_ln2_low = -2.12194440e-4f;
static const float tk_exp_polynomial[6] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                                           4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
// Adding 1.5 * 2^23 rounds to an integer (half to even), which is then in the low mantissa bits.
static const float tk_exp_round = 12582912.0f;
enum { TK_EXP_ROUND_BITS = 0x4B400000 };
// The first float whose exp is infinite is the one after the upper limit; below the lower limit exp
// is smaller than the smallest normal number, and is given as 0.
static const float tk_exp_upper = 0x1.62e42ep6f;  // 88.7228317
static const float tk_exp_lower = -0x1.5d589ep6f; // -87.3365402

// a and b of tk_gelu_mul.
static const float tk_gelu_linear = -1.5957691216057308f;
static const float tk_gelu_cubic = -0.071354816272600244f;

static inline uint32_t tk_float_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static inline float tk_bits_float(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static inline float tk_exp_one(float x) {
  const float t = __builtin_fmaf(x, tk_exp_log2_e, tk_exp_round);
  const float n = t - tk_exp_round;
  float r = __builtin_fmaf(n, -tk_exp_ln2_high, x);
  r = __builtin_fmaf(n, -tk_exp_ln2_low, r);
  float p = tk_exp_polynomial[0];
  for (int i = 1; i < 6; i++) {
    p = __builtin_fmaf(p, r, tk_exp_polynomial[i]);
  }
  p = __builtin_fmaf(p, r * r, r) + 1.0f;
  // n reaches 128, which has no float: scale in two halves. Where x is out of range or NaN the bits
  // are arbitrary, so the arithmetic is unsigned, and the result is replaced (or is NaN) below.
  const uint32_t exponent = tk_float_bits(t) - (uint32_t)TK_EXP_ROUND_BITS;
  const uint32_t half = (uint32_t)((int32_t)exponent >> 1);
  p = p * tk_bits_float((half + 127u) << 23) * tk_bits_float((exponent - half + 127u) << 23);
  p = x > tk_exp_upper ? INFINITY : p;
  return x < tk_exp_lower ? 0.0f : p;
}

/// The fixed tree over 16 lanes: s[l] + s[l + 8], then + 4, + 2, + 1.
static inline float tk_lane_sum(const float lanes[TK_FLOAT_LANES]) {
  float s[TK_FLOAT_LANES];
  memcpy(s, lanes, sizeof s);
  for (int width = TK_FLOAT_LANES / 2; width > 0; width /= 2) {
    for (int l = 0; l < width; l++) {
      s[l] = s[l] + s[l + width];
    }
  }
  return s[0];
}

/// The factor of tk_rms_norm.
static inline float tk_inverse_rms(float sum_of_squares, size_t n, float eps) {
  return 1.0f / sqrtf(sum_of_squares / (float)n + eps);
}

static inline float tk_half_to_float(uint16_t half) {
  const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
  const uint32_t magnitude = half & 0x7fff;
  if (magnitude > 0x7c00) { // NaN, made quiet as the conversion instructions do
    return tk_bits_float(sign | 0x7fc00000 | magnitude << 13);
  }
  if (magnitude == 0x7c00) {
    return tk_bits_float(sign | 0x7f800000);
  }
  if (magnitude < 0x0400) { // subnormal or zero: a multiple of 2^-24
    return tk_bits_float(sign | tk_float_bits((float)magnitude * 0x1p-24f));
  }
  return tk_bits_float(sign | ((magnitude << 13) + 0x38000000));
}

static inline uint16_t tk_float_to_half(float x) {
  const uint32_t bits = tk_float_bits(x);
  const uint32_t sign = bits >> 16 & 0x8000;
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) {
    return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
  }
  if (magnitude >= 0x477ff000) { // 65520 is the tie that rounds to infinity
    return (uint16_t)(sign | 0x7c00);
  }
  if (magnitude < 0x38800000) { // below 2^-14: 0.5 has an ulp of 2^-24, so adding it rounds
    const float rounded = tk_bits_float(magnitude) + 0.5f;
    return (uint16_t)(sign | (tk_float_bits(rounded) - 0x3f000000));
  }
  const uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
  return (uint16_t)(sign | (rounded - 0x38000000) >> 13);
}

#endif
