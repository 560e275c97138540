// The scans of a head stored as Q8_0 or Q4_0, with NEON: two products with codes of at most 128 fit
// a 16-bit lane (2 * 128 * 127 = 32512).

#if defined(__aarch64__)

#include "head/head_q_0_neon.h"

#pragma clang fp contract(off)

static inline int16x8_t dot16(int8x16_t codes, int8x16_t x) {
  return vmlal_high_s8(vmull_s8(vget_low_s8(codes), vget_low_s8(x)), codes, x);
}

static inline int32x4_t dot(int8x16_t first, int8x16_t second, int8x16_t x0, int8x16_t x1) {
  return vpadalq_s16(vpaddlq_s16(dot16(first, x0)), dot16(second, x1));
}

static void scan_q8_0(const tk_head *h, const void *q, float scale, size_t row_begin,
                      size_t row_end, float *scores) {
  tk_head_scan_q_0(TK_HEAD_Q8_0, h, q, scale, row_begin, row_end, scores, dot);
}

static void scan_q4_0(const tk_head *h, const void *q, float scale, size_t row_begin,
                      size_t row_end, float *scores) {
  tk_head_scan_q_0(TK_HEAD_Q4_0, h, q, scale, row_begin, row_end, scores, dot);
}

const tk_head_kernels tk_head_q8_0_neon = {scan_q8_0};
const tk_head_kernels tk_head_q4_0_neon = {scan_q4_0};

#endif
