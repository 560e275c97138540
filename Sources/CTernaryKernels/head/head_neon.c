// The scans of the two-stage head with baseline NEON.
//
// INT8: weights are widened to 16 bits and multiplied by int16 activations in smlal; no 32-bit sum
// overflows (head.h).
//
// INT4: a row in each 32-bit lane (four rows a vector), four activations broadcast to all rows.
// smlal into 16 bits: with codes in [-8, 7] and |x| <= 127 the 8 products that a lane takes in a
// block are at most 8 * 1016 = 8128.

#if defined(__aarch64__)

#include "head/head.h"

#include <arm_neon.h>

#pragma clang fp contract(off)

static void scan_int8(const tk_head *h, const void *q, float scale, size_t row_begin,
                      size_t row_end, float *scores) {
  const size_t blocks = tk_head_blocks(h->columns);
  for (size_t row = row_begin; row < row_end; row += TK_HEAD_INT8_ROWS) {
    const int8_t *p = (const int8_t *)tk_head_int8_tile(h, row);
    const int16_t *x = q;
    int32x4_t low[TK_HEAD_INT8_ROWS] = {0};
    int32x4_t high[TK_HEAD_INT8_ROWS] = {0};
    for (size_t b = 0; b < 2 * blocks; b++, x += 16) {
      const int16x8_t x0 = vld1q_s16(x);
      const int16x8_t x1 = vld1q_s16(x + 8);
      for (size_t r = 0; r < TK_HEAD_INT8_ROWS; r++) {
        const int8x16_t w =
            vld1q_s8(p + b / 2 * TK_HEAD_INT8_BYTES + r * TK_HEAD_BLOCK + b % 2 * 16);
        const int16x8_t w0 = vmovl_s8(vget_low_s8(w));
        const int16x8_t w1 = vmovl_high_s8(w);
        low[r] = vmlal_s16(low[r], vget_low_s16(w0), vget_low_s16(x0));
        high[r] = vmlal_high_s16(high[r], w0, x0);
        low[r] = vmlal_s16(low[r], vget_low_s16(w1), vget_low_s16(x1));
        high[r] = vmlal_high_s16(high[r], w1, x1);
      }
    }
    int32_t sums[TK_HEAD_INT8_ROWS];
    for (size_t r = 0; r < TK_HEAD_INT8_ROWS; r++) {
      sums[r] = vaddvq_s32(vaddq_s32(low[r], high[r]));
    }
    tk_head_int8_store(h, sums, scale, row, row_end - row, scores + (row - row_begin));
  }
}

/// Four activations in every 32-bit lane of half a vector.
static inline int8x8_t broadcast4(const int8_t *x) {
  int32_t four;
  memcpy(&four, x, sizeof four);
  return vreinterpret_s8_s32(vdup_n_s32(four));
}

/// The sums of one block for 4 rows; `codes` is theirs of step 0.
static inline int32x4_t block_int4(const uint8_t *codes, const int8_t *x) {
  int16x8_t first = vdupq_n_s16(0); // two rows
  int16x8_t second = vdupq_n_s16(0);
  for (size_t s = 0; s < TK_HEAD_INT4_STEPS; s++) {
    const uint8x16_t c = vld1q_u8(codes + s * TK_HEAD_BLOCK);
    const int8x16_t eight = vdupq_n_s8(8);
    const int8x16_t a = vsubq_s8(vreinterpretq_s8_u8(vandq_u8(c, vdupq_n_u8(15))), eight);
    const int8x16_t b = vsubq_s8(vreinterpretq_s8_u8(vshrq_n_u8(c, 4)), eight);
    const int8x8_t xa = broadcast4(x + 8 * s);
    const int8x8_t xb = broadcast4(x + 8 * s + 4);
    first = vmlal_s8(vmlal_s8(first, vget_low_s8(a), xa), vget_low_s8(b), xb);
    second = vmlal_s8(vmlal_s8(second, vget_high_s8(a), xa), vget_high_s8(b), xb);
  }
  return vpaddq_s32(vpaddlq_s16(first), vpaddlq_s16(second));
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
      const float16x8_t d = vreinterpretq_f16_u8(vld1q_u8(p + TK_HEAD_INT4_SCALES));
      low = vfmaq_f32(low, vcvtq_f32_s32(block_int4(p, x)), vcvt_f32_f16(vget_low_f16(d)));
      high = vfmaq_f32(high, vcvtq_f32_s32(block_int4(p + 16, x)), vcvt_high_f32_f16(d));
    }
    float out[TK_HEAD_TILE_ROWS];
    vst1q_f32(out, vmulq_n_f32(low, scale));
    vst1q_f32(out + 4, vmulq_n_f32(high, scale));
    const size_t count = row_end - row < TK_HEAD_TILE_ROWS ? row_end - row : TK_HEAD_TILE_ROWS;
    memcpy(scores + (row - row_begin), out, count * sizeof *out);
  }
}

const tk_head_kernels tk_head_int8_neon = {scan_int8};
const tk_head_kernels tk_head_int4_neon = {scan_int4};

#endif
