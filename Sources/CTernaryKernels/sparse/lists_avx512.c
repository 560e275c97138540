// Lists of what is not zero with AVX-512: vpcompressd moves the places that a mask names to the
// start of a vector. It goes to a register first: with memory as its destination it is microcode on
// Zen 4, many times slower. Whole vectors are stored, which tk_list_size() has room for: before
// place i, a multiple of 16, there are at most i elements, and i + 16 <= tk_list_size(n) for n > i.

#if defined(__x86_64__)

#include "sparse/sparse.h"

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,popcnt"))), \
                             apply_to = function)

/// Writes those of the places i .. i + 15 that `mask` names; returns the end of the list.
static inline int32_t *append16(int32_t *list, size_t i, __mmask16 mask) {
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  __m512i places = _mm512_add_epi32(_mm512_set1_epi32((int32_t)i), lanes);
  _mm512_storeu_si512(list, _mm512_maskz_compress_epi32(mask, places));
  return list + __builtin_popcount(mask);
}

static size_t active(const float *x, size_t n, int32_t *list) {
  int32_t *end = list;
  for (size_t i = 0; i < n; i += 16) {
    const __mmask16 present = (__mmask16)(n - i < 16 ? (1u << (n - i)) - 1 : 0xFFFF);
    const __m512 v = _mm512_maskz_loadu_ps(present, x + i);
    // Not less or equal: NaN is kept.
    end = append16(end, i, _mm512_mask_cmp_ps_mask(present, v, _mm512_setzero_ps(), _CMP_NLE_UQ));
  }
  return (size_t)(end - list);
}

static size_t nonzero(const int8_t *q, size_t n, int32_t *list) {
  int32_t *end = list;
  for (size_t i = 0; i < n; i += 64) {
    const __m512i v = _mm512_loadu_si512(q + i);
    uint64_t mask = _mm512_test_epi8_mask(v, v);
    if (n - i < 64) {
      mask &= ((uint64_t)1 << (n - i)) - 1;
    }
    for (size_t place = i; mask != 0; mask >>= 16, place += 16) {
      end = append16(end, place, (__mmask16)mask);
    }
  }
  return (size_t)(end - list);
}

const tk_list_kernels tk_lists_avx512 = {active, nonzero};

#pragma clang attribute pop

#endif
