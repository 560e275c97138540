// Activations to int8 and sums to float with NEON: the operations of activations_scalar.c, four
// lanes at a time. Maximum, rounding and integer sums do not depend on order, so results are the
// same.

#if defined(__aarch64__)

#include "ternary/finish.h"
#include "ternary/ternary_neon.h"

#include <string.h>

#pragma clang fp contract(off)

enum { ROUND_MAGIC_BITS = 0x4B400000 }; // 12582912.0f; its low bits count integers

/// The bits of four magnitudes.
static inline uint32x4_t magnitudes4(const float *x) {
  return vreinterpretq_u32_f32(vabsq_f32(vld1q_f32(x)));
}

/// The bits of max|x| and 1e-5, whose order is that of the floats with NaN last.
static inline uint32_t largest_magnitude(const float *x, size_t n) {
  uint32x4_t a = vdupq_n_u32(TK_LEAST_MAGNITUDE_BITS), b = a;
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    a = vmaxq_u32(magnitudes4(x + i), a);
    b = vmaxq_u32(magnitudes4(x + i + 4), b);
  }
  for (; i < n; i += 4) {
    float rest[4] = {0};
    memcpy(rest, x + i, (n - i < 4 ? n - i : 4) * sizeof *rest);
    a = vmaxq_u32(magnitudes4(rest), a);
  }
  return vmaxvq_u32(vmaxq_u32(a, b));
}

/// Four values as 32-bit integers in [-127, 127]; NaN becomes 127 as in scalar.
static inline int32x4_t quantize4(float32x4_t x, float scale) {
  const float32x4_t top = vdupq_n_f32(127.0f), bottom = vdupq_n_f32(-127.0f);
  float32x4_t v = vmulq_n_f32(x, scale);
  v = vbslq_f32(vcltq_f32(v, top), v, top);
  v = vbslq_f32(vcgtq_f32(v, bottom), v, bottom);
  v = vaddq_f32(v, vreinterpretq_f32_s32(vdupq_n_s32(ROUND_MAGIC_BITS)));
  return vsubq_s32(vreinterpretq_s32_f32(v), vdupq_n_s32(ROUND_MAGIC_BITS));
}

/// Quantises fewer than 16 values through buffers, for the end of a row.
static inline int32_t quantize_tail(const float *x, size_t n, float scale, int8_t *q) {
  float in[4] = {0};
  int32_t out[4], total = 0;
  for (size_t i = 0; i < n; i += 4) {
    size_t count = n - i < 4 ? n - i : 4;
    memcpy(in, x + i, count * sizeof *in);
    vst1q_s32(out, quantize4(vld1q_f32(in), scale));
    for (size_t j = 0; j < count; j++) {
      q[i + j] = (int8_t)out[j];
      total += out[j];
    }
  }
  return total;
}

static float quantize(const float *x, size_t n, int8_t *q, int32_t *sum) {
  float scale = tk_activation_scale(largest_magnitude(x, n));
  int32x4_t total = vdupq_n_s32(0);
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    int32x4_t a = quantize4(vld1q_f32(x + i), scale);
    int32x4_t b = quantize4(vld1q_f32(x + i + 4), scale);
    int32x4_t c = quantize4(vld1q_f32(x + i + 8), scale);
    int32x4_t d = quantize4(vld1q_f32(x + i + 12), scale);
    total = vaddq_s32(total, vaddq_s32(vaddq_s32(a, b), vaddq_s32(c, d)));
    int16x8_t ab = vcombine_s16(vmovn_s32(a), vmovn_s32(b));
    int16x8_t cd = vcombine_s16(vmovn_s32(c), vmovn_s32(d));
    vst1q_s8(q + i, vcombine_s8(vmovn_s16(ab), vmovn_s16(cd)));
  }
  *sum = vaddvq_s32(total) + quantize_tail(x + i, n - i, scale, q + i);
  memset(q + n, 0, TK_ACTIVATION_PADDING);
  return scale;
}

static void dequantize(const int32_t *acc, size_t n, float scale, const float *beta,
                       size_t beta_stride, float *y) {
  const float64x2_t s = vdupq_n_f64((double)scale);
  float64x2_t factor = vdupq_n_f64(0);
  if (n > 0 && beta_stride == 0) {
    factor = vdivq_f64(vdupq_n_f64((double)*beta), s);
  }
  size_t i = 0;
  for (; i + 2 <= n; i += 2) {
    if (beta_stride != 0) {
      factor = vdivq_f64(vcvt_f64_f32(vld1_f32(beta + i)), s);
    }
    const float64x2_t v = vcvtq_f64_s64(vmovl_s32(vld1_s32(acc + i)));
    vst1_f32(y + i, vcvt_f32_f64(vmulq_f64(v, factor)));
  }
  tk_activations_scalar.dequantize(acc + i, n - i, scale, beta + i * beta_stride, beta_stride,
                                   y + i);
}

static void finish(const int32_t *out, size_t tile, const tk_tile_end *end, int32_t *y,
                   size_t y_stride) {
  tk_finish_tile(out, tile, TK_TILE_ROWS, end, y, y_stride);
}

const tk_activation_kernels tk_activations_neon = {quantize, dequantize, finish};

#endif
