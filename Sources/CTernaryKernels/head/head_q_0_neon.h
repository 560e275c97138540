// What the NEON scans of a head stored as Q8_0 or Q4_0 share: everything but the sums of products.
// Four rows at a time, whose sums pairwise additions put into one vector.

#ifndef TK_HEAD_Q_0_NEON_H
#define TK_HEAD_Q_0_NEON_H

#include "float/float_neon.h"
#include "head/head.h"

#pragma clang fp contract(off)

enum { TK_HEAD_Q_0_ROWS = 4 };

/// The products of the codes of one row, columns 0-15 and 16-31 of a block, with the state: summed
/// up to four lanes.
typedef int32x4_t tk_head_q_0_dot(int8x16_t first, int8x16_t second, int8x16_t x0, int8x16_t x1);

/// d of the same block of four rows.
static inline float32x4_t tk_head_q_0_d(const uint8_t *const rows[TK_HEAD_Q_0_ROWS],
                                        size_t offset) {
  uint16_t half[TK_HEAD_Q_0_ROWS];
  for (size_t r = 0; r < TK_HEAD_Q_0_ROWS; r++) {
    memcpy(&half[r], rows[r] + offset, sizeof half[r]);
  }
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(half)));
}

/// One row's sum in one block, in four lanes; Q4_0 with codes that are 8 too large.
static inline __attribute__((always_inline)) int32x4_t tk_head_q_0_sum(tk_head_type type,
                                                                       const uint8_t *codes,
                                                                       const int8_t *q,
                                                                       tk_head_q_0_dot *dot) {
  const uint8x16_t bytes = vld1q_u8(codes);
  int8x16_t first, second;
  if (type == TK_HEAD_Q4_0) {
    first = vreinterpretq_s8_u8(vandq_u8(bytes, vdupq_n_u8(15)));
    second = vreinterpretq_s8_u8(vshrq_n_u8(bytes, 4));
  } else {
    first = vreinterpretq_s8_u8(bytes);
    second = vreinterpretq_s8_u8(vld1q_u8(codes + 16));
  }
  return dot(first, second, vld1q_s8(q), vld1q_s8(q + 16));
}

/// Scans a head of `type`, a constant where this is inlined; so is `dot`.
static inline __attribute__((always_inline)) void
tk_head_scan_q_0(tk_head_type type, const tk_head *h, const void *q, float scale, size_t row_begin,
                 size_t row_end, float *scores, tk_head_q_0_dot *dot) {
  const size_t bytes = tk_head_q_0_bytes(type);
  const tk_head_q_0_state s = tk_head_q_0_state_at((void *)(uintptr_t)q, h->columns);
  for (size_t first = row_begin; first < row_end; first += TK_HEAD_Q_0_ROWS) {
    const uint8_t *rows[TK_HEAD_Q_0_ROWS]; // the last of the range again past its end
    for (size_t r = 0; r < TK_HEAD_Q_0_ROWS; r++) {
      rows[r] = tk_head_q_0_row(h, first + r < row_end ? first + r : row_end - 1);
    }
    float32x4_t total = vdupq_n_f32(0.0f);
    for (size_t t = 0; t < s.count; t++) {
      const size_t offset = s.blocks[t] * bytes;
      tk_prefetch_rows(rows, TK_HEAD_Q_0_ROWS, offset, bytes);
      int32x4_t sums[TK_HEAD_Q_0_ROWS];
      for (size_t r = 0; r < TK_HEAD_Q_0_ROWS; r++) {
        const uint8_t *codes = rows[r] + offset + TK_HEAD_Q_0_CODES;
        sums[r] = tk_head_q_0_sum(type, codes, s.q + t * TK_HEAD_BLOCK, dot);
      }
      int32x4_t sum = vpaddq_s32(vpaddq_s32(sums[0], sums[1]), vpaddq_s32(sums[2], sums[3]));
      if (type == TK_HEAD_Q4_0) {
        sum = vaddq_s32(sum, vdupq_n_s32(s.offsets[t]));
      }
      const float32x4_t d = vmulq_n_f32(tk_head_q_0_d(rows, offset), s.scales[t]);
      total = vfmaq_f32(total, vcvtq_f32_s32(sum), d);
    }
    tk_store4(scores + (first - row_begin), row_end - first, vmulq_n_f32(total, scale));
  }
}

#endif
