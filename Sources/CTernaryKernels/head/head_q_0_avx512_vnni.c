// The scans of a head stored as Q8_0 or Q4_0, with AVX-512 VNNI: vpdpbusd on 256 bits, of codes as
// bytes without a sign. 512 bits would need more moves to put rows together than they save.

#if defined(__x86_64__)

#include "head/head_q_0_avx2.h"

#pragma clang fp contract(off)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,"           \
                                                   "avx512vnni,avx2,fma,f16c"))),                  \
                             apply_to = function)

static inline __m256i dot(tk_head_q_0_codes u, const tk_head_q_0_term *s) {
  return _mm256_dpbusd_epi32(_mm256_dpbusd_epi32(s->offset, u.first, s->x0), u.second, s->x1);
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

const tk_head_kernels tk_head_q8_0_avx512_vnni = {scan_q8_0};
const tk_head_kernels tk_head_q4_0_avx512_vnni = {scan_q4_0};

#pragma clang attribute pop

#endif
