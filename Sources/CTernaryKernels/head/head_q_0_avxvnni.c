// The scans of a head stored as Q8_0 or Q4_0, with AVX-VNNI: vpdpbusd of codes as bytes without a
// sign.

#if defined(__x86_64__)

#include "head/head_q_0_avx2.h"
#include "ternary/ternary_avxvnni.h"

#pragma clang fp contract(off)
#pragma clang attribute push(__attribute__((target(TK_TARGET_AVXVNNI))), apply_to = function)

static inline __m256i dot(tk_head_q_0_codes u, const tk_head_q_0_term *s) {
  return tk_dot256(tk_dot256(s->offset, u.first, s->x0), u.second, s->x1);
}

static inline __m256i sums_q8_0(const uint8_t *a, const uint8_t *b, const tk_head_q_0_term *s) {
  return dot(tk_head_q8_0_codes(a, b), s);
}

static inline __m256i sums_q4_0(const uint8_t *a, const uint8_t *b, const tk_head_q_0_term *s) {
  return dot(tk_head_q4_0_codes(a, b), s);
}

static void scan_q8_0(const tk_head *h, const void *q, float scale, size_t row_begin,
                      size_t row_end, float *scores) {
  tk_head_scan_q_0(h, q, scale, row_begin, row_end, scores, TK_HEAD_Q8_0_BYTES, sums_q8_0);
}

static void scan_q4_0(const tk_head *h, const void *q, float scale, size_t row_begin,
                      size_t row_end, float *scores) {
  tk_head_scan_q_0(h, q, scale, row_begin, row_end, scores, TK_HEAD_Q4_0_BYTES, sums_q4_0);
}

const tk_head_kernels tk_head_q8_0_avxvnni = {scan_q8_0};
const tk_head_kernels tk_head_q4_0_avxvnni = {scan_q4_0};

#pragma clang attribute pop

#endif
