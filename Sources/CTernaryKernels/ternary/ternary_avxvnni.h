// Private helpers of the AVX-VNNI ternary kernels (AVX2 with vpdpbusd and vpdpwssd on 32 bytes);
// include only inside `#if defined(__x86_64__)`.

#ifndef TK_TERNARY_AVXVNNI_H
#define TK_TERNARY_AVXVNNI_H

#include "ternary/ternary_avx2.h"

// With TK_EMULATE_AVXVNNI these kernels run on every CPU with AVX2, so that they can be checked
// where its instructions are missing; then they are slow.
#if defined(TK_EMULATE_AVXVNNI)
#define TK_TARGET_AVXVNNI "avx2,fma,f16c"
#else
#define TK_TARGET_AVXVNNI "avx2,avxvnni,fma,f16c"
#endif

#pragma clang attribute push(__attribute__((target(TK_TARGET_AVXVNNI))), apply_to = function)

/// acc + the products of unsigned codes and activations, four to a lane.
static inline __m256i tk_dot256(__m256i acc, __m256i codes, __m256i x) {
#if defined(TK_EMULATE_AVXVNNI)
  // Even and odd bytes apart, so that no 16-bit sum saturates.
  const __m256i even = _mm256_set1_epi16(0x00FF);
  __m256i a = _mm256_maddubs_epi16(_mm256_and_si256(codes, even), x);
  __m256i b = _mm256_maddubs_epi16(_mm256_andnot_si256(even, codes), x);
  return _mm256_add_epi32(acc, _mm256_add_epi32(tk_widen(a), tk_widen(b)));
#else
  return _mm256_dpbusd_avx_epi32(acc, codes, x);
#endif
}

/// acc + the products of 16-bit lanes, two to a 32-bit lane.
static inline __m256i tk_dot256_int16(__m256i acc, __m256i a, __m256i b) {
#if defined(TK_EMULATE_AVXVNNI)
  return _mm256_add_epi32(acc, _mm256_madd_epi16(a, b));
#else
  return _mm256_dpwssd_avx_epi32(acc, a, b);
#endif
}

#pragma clang attribute pop

#endif
