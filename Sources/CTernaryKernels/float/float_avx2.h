// Private to the AVX2 float kernels: partial loads and stores, and the tree over 16 lanes. Lanes 0
// to 7 are one vector, 8 to 15 another.

#ifndef TK_FLOAT_AVX2_H
#define TK_FLOAT_AVX2_H

#include <immintrin.h>

#include "float/float.h"

#pragma clang fp contract(off)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

/// All ones in lanes below `count`.
static inline __m256i tk_first_lanes(size_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count < 8 ? (int)count : 8),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/// The first `count` of eight floats, 0 in the other lanes, whose memory is not touched.
static inline __m256 tk_load8(const float *p, size_t count) {
  return count >= 8 ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, tk_first_lanes(count));
}

/// Stores the first `count` of eight lanes.
static inline void tk_store8(float *p, size_t count, __m256 v) {
  if (count >= 8) {
    _mm256_storeu_ps(p, v);
  } else {
    _mm256_maskstore_ps(p, tk_first_lanes(count), v);
  }
}

static inline __m128 tk_fold8(__m256 low, __m256 high) {
  const __m256 s = _mm256_add_ps(low, high);
  return _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
}

/// tk_lane_sum of the 16 lanes in two vectors.
static inline float tk_lane_sum16(__m256 low, __m256 high) {
  __m128 s = tk_fold8(low, high);
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

/// Four tk_lane_sum at once: sum r is over lanes low[r], high[r].
static inline __m128 tk_lane_sums4(const __m256 low[4], const __m256 high[4]) {
  __m128 a = tk_fold8(low[0], high[0]);
  __m128 b = tk_fold8(low[1], high[1]);
  __m128 c = tk_fold8(low[2], high[2]);
  __m128 d = tk_fold8(low[3], high[3]);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  return _mm_add_ps(_mm_add_ps(a, c), _mm_add_ps(b, d));
}

#pragma clang attribute pop

#endif
