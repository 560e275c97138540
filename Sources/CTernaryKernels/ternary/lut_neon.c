// GEMV by look-ups of activation sums (lut.h) with NEON: tbl, zip and add, 16 rows to a vector.

#if defined(__aarch64__)

#include "ternary/lut.h"

#include <arm_neon.h>

static void build(const int8_t *q, size_t pairs, uint8_t *tables) {
  // Entry i is (i % 4 - 1) q[0] + (i / 4 - 1) q[1]; entries with a digit 3 are not used.
  static const int16_t first[8] = {-1, 0, 1, 0, -1, 0, 1, 0};
  static const int16_t second[2][8] = {{-1, -1, -1, 0, 0, 0, 0, 0}, {1, 1, 1, 0, 0, 0, 0, 0}};
  for (size_t p = 0; p < pairs; p++) {
    const int16x8_t a = vmulq_n_s16(vld1q_s16(first), q[2 * p]);
    const int16x8_t low = vmlaq_n_s16(a, vld1q_s16(second[0]), q[2 * p + 1]);
    const int16x8_t high = vmlaq_n_s16(a, vld1q_s16(second[1]), q[2 * p + 1]);
    const uint8x16_t l = vreinterpretq_u8_s16(low);
    const uint8x16_t h = vreinterpretq_u8_s16(high);
    vst1q_u8(tables + p * TK_LUT_TABLE, vuzp1q_u8(l, h));
    vst1q_u8(tables + p * TK_LUT_TABLE + 16, vuzp2q_u8(l, h));
  }
}

/// Rows 0-7 and rows 8-15 of half a panel.
typedef struct row_sums {
  int16x8_t low, high;
} row_sums;

static inline row_sums add_pair(row_sums s, uint8x16_t codes, uint8x16x2_t table) {
  const uint8x16_t a = vqtbl1q_u8(table.val[0], codes);
  const uint8x16_t b = vqtbl1q_u8(table.val[1], codes);
  s.low = vaddq_s16(s.low, vreinterpretq_s16_u8(vzip1q_u8(a, b)));
  s.high = vaddq_s16(s.high, vreinterpretq_s16_u8(vzip2q_u8(a, b)));
  return s;
}

static inline row_sums add_group(row_sums s, uint8x16_t codes, uint8x16x2_t first,
                                 uint8x16x2_t second) {
  s = add_pair(s, vandq_u8(codes, vdupq_n_u8(15)), first);
  return add_pair(s, vshrq_n_u8(codes, 4), second);
}

/// Adds 16 rows to their 32-bit sums.
static inline void flush(row_sums s, int32_t *sums) {
  vst1q_s32(sums, vaddw_s16(vld1q_s32(sums), vget_low_s16(s.low)));
  vst1q_s32(sums + 4, vaddw_high_s16(vld1q_s32(sums + 4), s.low));
  vst1q_s32(sums + 8, vaddw_s16(vld1q_s32(sums + 8), vget_low_s16(s.high)));
  vst1q_s32(sums + 12, vaddw_high_s16(vld1q_s32(sums + 12), s.high));
}

static void sweep(const uint8_t *codes, const uint8_t *tables, size_t blocks,
                  int32_t sums[TK_L2_ROWS]) {
  for (size_t r = 0; r < TK_L2_ROWS; r++) {
    sums[r] = 0;
  }
  for (size_t b = 0; b < blocks; b += TK_LUT_BLOCKS) {
    const size_t groups = (blocks - b < TK_LUT_BLOCKS ? 1 : TK_LUT_BLOCKS) * TK_LUT_GROUPS;
    row_sums s = {vdupq_n_s16(0), vdupq_n_s16(0)};
    row_sums t = s;
    for (size_t g = 0; g < groups; g++, codes += TK_L2_ROWS, tables += 2 * TK_LUT_TABLE) {
      const uint8x16x2_t first = {{vld1q_u8(tables), vld1q_u8(tables + 16)}};
      const uint8x16x2_t second = {{vld1q_u8(tables + 32), vld1q_u8(tables + 48)}};
      s = add_group(s, vld1q_u8(codes), first, second);
      t = add_group(t, vld1q_u8(codes + 16), first, second);
    }
    flush(s, sums);
    flush(t, sums + 16);
  }
}

static void gemv_l2(const tk_matrix *w, const int8_t *q, int32_t sum, size_t block_begin,
                    size_t block_end, size_t row_begin, size_t row_end, int32_t *y) {
  static const tk_lut_steps steps = {build, sweep};
  (void)sum;
  tk_lut_gemv(&steps, w, q, block_begin, block_end, row_begin, row_end, y);
}

const tk_gemv_kernels tk_gemv_l2_neon = {gemv_l2};

#endif
