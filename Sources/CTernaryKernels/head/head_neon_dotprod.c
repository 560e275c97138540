// The scans of the two-stage head with the dot product extension.
//
// INT8: an int16 activation is 256 * high + low with two int8, low the lower byte as it is, high
// the upper byte plus one where low is negative; it is at most 127 because the activation is at
// most 127 * 256. Two sdot take 16 weights; 256 * (sum of high) + (sum of low) is exact modulo
// 2^32, and the result is known to fit.
//
// INT4: a row in each 32-bit lane; sdot by lane broadcasts four activations to four rows.

#if defined(__aarch64__)

#include "head/head.h"

#include <arm_neon.h>

#pragma clang fp contract(off)
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

static void scan_int8(const tk_head *h, const void *q, float scale, size_t row_begin,
                      size_t row_end, float *scores) {
  const size_t blocks = tk_head_blocks(h->columns);
  for (size_t row = row_begin; row < row_end; row += TK_HEAD_INT8_ROWS) {
    const int8_t *p = (const int8_t *)tk_head_int8_tile(h, row);
    const int8_t *x = q;
    int32x4_t low[TK_HEAD_INT8_ROWS] = {0};
    int32x4_t high[TK_HEAD_INT8_ROWS] = {0};
    for (size_t b = 0; b < 2 * blocks; b++, x += 32) {
      const int8x16x2_t bytes = vld2q_s8(x); // lower and upper bytes of 16 activations
      const int8x16_t x0 = bytes.val[0];
      const int8x16_t x1 = vsubq_s8(bytes.val[1], vshrq_n_s8(x0, 7));
      for (size_t r = 0; r < TK_HEAD_INT8_ROWS; r++) {
        const int8x16_t w =
            vld1q_s8(p + b / 2 * TK_HEAD_INT8_BYTES + r * TK_HEAD_BLOCK + b % 2 * 16);
        low[r] = vdotq_s32(low[r], w, x0);
        high[r] = vdotq_s32(high[r], w, x1);
      }
    }
    int32_t sums[TK_HEAD_INT8_ROWS];
    for (size_t r = 0; r < TK_HEAD_INT8_ROWS; r++) {
      sums[r] = vaddvq_s32(vaddq_s32(low[r], vshlq_n_s32(high[r], 8)));
    }
    tk_head_int8_store(h, sums, scale, row, row_end - row, scores + (row - row_begin));
  }
}

/// Adds one step of 4 rows: `x` has the 8 activations of the step, four to a lane.
static inline int32x4_t step_int4(int32x4_t sum, const uint8_t *codes, int8x8_t x) {
  const uint8x16_t c = vld1q_u8(codes);
  const int8x16_t eight = vdupq_n_s8(8);
  const int8x16_t a = vsubq_s8(vreinterpretq_s8_u8(vandq_u8(c, vdupq_n_u8(15))), eight);
  const int8x16_t b = vsubq_s8(vreinterpretq_s8_u8(vshrq_n_u8(c, 4)), eight);
  return vdotq_lane_s32(vdotq_lane_s32(sum, a, x, 0), b, x, 1);
}

static void scan_int4(const tk_head *h, const void *q, float scale, size_t row_begin,
                      size_t row_end, float *scores) {
  const size_t blocks = tk_head_blocks(h->columns);
  for (size_t row = row_begin; row < row_end; row += TK_HEAD_TILE_ROWS) {
    const uint8_t *p = tk_head_int4_panel(h, row);
    const int8_t *x = q;
    float32x4_t low = vdupq_n_f32(0.0f);
    float32x4_t high = vdupq_n_f32(0.0f);
    for (size_t b = 0; b < blocks; b++, p += TK_HEAD_INT4_BYTES, x += TK_HEAD_BLOCK) {
      int32x4_t first = vdupq_n_s32(0);
      int32x4_t second = vdupq_n_s32(0);
      for (size_t s = 0; s < TK_HEAD_INT4_STEPS; s++) {
        const int8x8_t eight = vld1_s8(x + 8 * s);
        first = step_int4(first, p + s * TK_HEAD_BLOCK, eight);
        second = step_int4(second, p + s * TK_HEAD_BLOCK + 16, eight);
      }
      const float16x8_t d = vreinterpretq_f16_u8(vld1q_u8(p + TK_HEAD_INT4_SCALES));
      low = vfmaq_f32(low, vcvtq_f32_s32(first), vcvt_f32_f16(vget_low_f16(d)));
      high = vfmaq_f32(high, vcvtq_f32_s32(second), vcvt_high_f32_f16(d));
    }
    float out[TK_HEAD_TILE_ROWS];
    vst1q_f32(out, vmulq_n_f32(low, scale));
    vst1q_f32(out + 4, vmulq_n_f32(high, scale));
    const size_t count = row_end - row < TK_HEAD_TILE_ROWS ? row_end - row : TK_HEAD_TILE_ROWS;
    memcpy(scores + (row - row_begin), out, count * sizeof *out);
  }
}

const tk_head_kernels tk_head_int8_neon_dotprod = {scan_int8};
const tk_head_kernels tk_head_int4_neon_dotprod = {scan_int4};

#pragma clang attribute pop

#endif
