// The scans of a head stored as Q8_0 or Q4_0, with AVX2.
//
// Q8_0: vpmaddubsw takes the magnitudes of codes, up to 128, times the state's with the codes'
// signs (vpsignb; the state is in [-127, 127], so that its negation is too): at most 2 * 128 * 127
// = 32512 a 16-bit lane. With codes that 128 was added to it could be 64770, which saturates.
//
// Q4_0: codes in [0, 15] as they are; the four products of a 16-bit lane are at most 4 * 15 * 127 =
// 7620.

#if defined(__x86_64__)

#include "head/head_q_0_avx2.h"

#pragma clang fp contract(off)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

static inline __m256i add_pairs(__m256i p) { return _mm256_madd_epi16(p, _mm256_set1_epi16(1)); }

static inline __m256i dot_signed(__m256i codes, __m256i x) {
  return add_pairs(_mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(x, codes)));
}

static inline __m256i sums_q8_0(const uint8_t *a, const uint8_t *b, const tk_head_q_0_term *s) {
  return _mm256_add_epi32(dot_signed(tk_head_load_pair(a, b), s->x0),
                          dot_signed(tk_head_load_pair(a + 16, b + 16), s->x1));
}

static inline __m256i sums_q4_0(const uint8_t *a, const uint8_t *b, const tk_head_q_0_term *s) {
  const tk_head_q_0_codes u = tk_head_q4_0_codes(a, b);
  const __m256i p0 = _mm256_maddubs_epi16(u.first, s->x0);
  const __m256i p1 = _mm256_maddubs_epi16(u.second, s->x1);
  return _mm256_add_epi32(add_pairs(_mm256_add_epi16(p0, p1)), s->offset);
}

static void scan_q8_0(const tk_head *h, const void *q, float scale, size_t row_begin,
                      size_t row_end, float *scores) {
  tk_head_scan_q_0(h, q, scale, row_begin, row_end, scores, TK_HEAD_Q8_0_BYTES, sums_q8_0);
}

static void scan_q4_0(const tk_head *h, const void *q, float scale, size_t row_begin,
                      size_t row_end, float *scores) {
  tk_head_scan_q_0(h, q, scale, row_begin, row_end, scores, TK_HEAD_Q4_0_BYTES, sums_q4_0);
}

const tk_head_kernels tk_head_q8_0_avx2 = {scan_q8_0};
const tk_head_kernels tk_head_q4_0_avx2 = {scan_q4_0};

#pragma clang attribute pop

#endif
