// The scan of a head stored as Q6_K, with NEON: integer products of the codes as they lie in the
// file with a state in int8. 16 signed codes times 16 bytes of it in two multiplications (at most
// 2 * 32 * 127 a 16-bit lane), whose sums are multiplied by the group's scale.

#if defined(__aarch64__)

#include "float/float_neon.h"
#include "head/head.h"

#pragma clang fp contract(off)

static inline int32x4_t dot16(int8x16_t a, int8x16_t b) {
  const int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b));
  return vpaddlq_s16(vmlal_s8(low, vget_high_s8(a), vget_high_s8(b)));
}

static void scan_q6_k(const tk_head *h, const void *q, float scale, size_t row_begin,
                      size_t row_end, float *scores) {
  const tk_head_q6_k_state s = tk_head_q6_k_state_at((void *)(uintptr_t)q, h->columns);
  const size_t ahead = tk_bytes_ahead();
  for (size_t row = row_begin; row < row_end; row++) {
    const uint8_t *block = tk_head_q6_k_row(h, row);
    float total = 0.0f;
    for (size_t c = 0; c < h->columns; c += TK_HEAD_Q6_K_COLUMNS, block += TK_HEAD_Q6_K_BYTES) {
      tk_prefetch_lines(block, ahead, TK_HEAD_Q6_K_BYTES);
      const int16_t *multipliers = s.multipliers + c / TK_HEAD_Q6_K_GROUP;
      int32x4_t sum = vdupq_n_s32(0);
      for (size_t g = 0; g < TK_HEAD_Q6_K_GROUPS; g++) {
        const int8x16_t codes = tk_codes_q6_k(block, g * 16);
        const int32_t stored = (int8_t)block[TK_HEAD_Q6_K_SCALES + g];
        const int32_t group = stored * multipliers[tk_head_q6_k_place(g)];
        sum = vmlaq_n_s32(sum, dot16(codes, vld1q_s8(s.q + c + g * 16)), group);
      }
      const float d = tk_head_half(block + TK_HEAD_Q6_K_D);
      const float block_scale = s.scales[c / TK_HEAD_Q6_K_COLUMNS];
      total = __builtin_fmaf((float)vaddvq_s32(sum), d * block_scale, total);
    }
    scores[row - row_begin] = total * scale;
  }
}

const tk_head_kernels tk_head_q6_k_neon = {scan_q6_k};

#endif
