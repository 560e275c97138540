// The scans of a head stored as Q8_0 or Q4_0, with the dot product extension.

#if defined(__aarch64__)

#include "head/head_q_0_neon.h"

#pragma clang fp contract(off)
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

static inline int32x4_t dot(int8x16_t first, int8x16_t second, int8x16_t x0, int8x16_t x1) {
  return vdotq_s32(vdotq_s32(vdupq_n_s32(0), first, x0), second, x1);
}

static void scan_q8_0(const tk_head *h, const void *q, float scale, size_t row_begin,
                      size_t row_end, float *scores) {
  tk_head_scan_q_0(TK_HEAD_Q8_0, h, q, scale, row_begin, row_end, scores, dot);
}

static void scan_q4_0(const tk_head *h, const void *q, float scale, size_t row_begin,
                      size_t row_end, float *scores) {
  tk_head_scan_q_0(TK_HEAD_Q4_0, h, q, scale, row_begin, row_end, scores, dot);
}

const tk_head_kernels tk_head_q8_0_neon_dotprod = {scan_q8_0};
const tk_head_kernels tk_head_q4_0_neon_dotprod = {scan_q4_0};

#pragma clang attribute pop

#endif
