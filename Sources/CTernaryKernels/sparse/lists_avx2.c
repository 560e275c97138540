// Lists of what is not zero, with AVX2: a mask of each vector's lanes, then its places moved
// together by a table of all masks of four.

#if defined(__x86_64__)

#include "sparse/sparse.h"
#include "ternary/ternary_avx2.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

/// Writes those of the places i .. i + 3 that `mask` names; returns the end of the list.
static inline int32_t *append4(int32_t *list, int32_t i, unsigned mask) {
  __m128i places = _mm_add_epi32(_mm_set1_epi32(i), _mm_setr_epi32(0, 1, 2, 3));
  __m128i order = _mm_loadu_si128((const __m128i *)tk_compact_lanes[mask]);
  _mm_storeu_si128((__m128i *)list, _mm_shuffle_epi8(places, order));
  return list + __builtin_popcount(mask);
}

static size_t active(const float *x, size_t n, int32_t *list) {
  int32_t *end = list;
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    __m256 idle = _mm256_cmp_ps(_mm256_loadu_ps(x + i), _mm256_setzero_ps(), _CMP_LE_OQ);
    unsigned mask = ~(unsigned)_mm256_movemask_ps(idle);
    end = append4(end, (int32_t)i, mask & 15);
    end = append4(end, (int32_t)i + 4, mask >> 4 & 15);
  }
  for (; i < n; i++) {
    if (!(x[i] <= 0.0f)) {
      *end++ = (int32_t)i;
    }
  }
  return (size_t)(end - list);
}

static size_t nonzero(const int8_t *q, size_t n, int32_t *list) {
  int32_t *end = list;
  for (size_t i = 0; i < n; i += 32) {
    __m256i zero = _mm256_cmpeq_epi8(tk_load(q + i), _mm256_setzero_si256());
    uint32_t mask = ~(uint32_t)_mm256_movemask_epi8(zero);
    if (n - i < 32) {
      mask &= (1u << (n - i)) - 1;
    }
    for (size_t place = i; mask != 0; mask >>= 4, place += 4) {
      end = append4(end, (int32_t)place, mask & 15);
    }
  }
  return (size_t)(end - list);
}

const tk_list_kernels tk_lists_avx2 = {active, nonzero};

#pragma clang attribute pop

#endif
