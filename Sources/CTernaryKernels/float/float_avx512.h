// Private to the AVX-512 float kernels: partial loads and stores, and the tree over 16 lanes, which
// are one vector here. Include only inside `#if defined(__x86_64__)`.

#ifndef TK_FLOAT_AVX512_H
#define TK_FLOAT_AVX512_H

#include "float/float_avx2.h"

#pragma clang fp contract(off)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,"           \
                                                   "avx2,fma,f16c"))),                             \
                             apply_to = function)

/// Lanes below `count`.
static inline __mmask16 tk_first16(size_t count) {
  return (__mmask16)(count < 16 ? (1u << count) - 1 : 0xFFFF);
}

/// The first `count` of 16 floats, 0 in the other lanes, whose memory is not touched.
static inline __m512 tk_load16(const float *p, size_t count) {
  return count >= 16 ? _mm512_loadu_ps(p) : _mm512_maskz_loadu_ps(tk_first16(count), p);
}

/// Stores the first `count` of 16 lanes.
static inline void tk_store16(float *p, size_t count, __m512 v) {
  if (count >= 16) {
    _mm512_storeu_ps(p, v);
  } else {
    _mm512_mask_storeu_ps(p, tk_first16(count), v);
  }
}

/// tk_lane_sum of a vector.
static inline float tk_lane_sum512(__m512 v) {
  return tk_lane_sum16(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
}

/// Four tk_lane_sum at once.
static inline __m128 tk_lane_sums4_512(const __m512 v[4]) {
  __m256 low[4];
  __m256 high[4];
  for (int r = 0; r < 4; r++) {
    low[r] = _mm512_castps512_ps256(v[r]);
    high[r] = _mm512_extractf32x8_ps(v[r], 1);
  }
  return tk_lane_sums4(low, high);
}

/// 16 tk_lane_sum at once: lane i is the sum of v[i]. Each step adds halves of all vectors and puts
/// what is left of them together, which takes 45 instructions where four tk_lane_sums4_512 take
/// 108.
static inline __m512 tk_lane_sums16_512(const __m512 v[16]) {
  __m512 fours[4]; // Block b of fours[j] is what is left of v[4 b + j].
  for (int j = 0; j < 4; j++) {
    const __m512 a = v[j], b = v[4 + j], c = v[8 + j], d = v[12 + j];
    const __m512 ab =
        _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xEE));
    const __m512 cd =
        _mm512_add_ps(_mm512_shuffle_f32x4(c, d, 0x44), _mm512_shuffle_f32x4(c, d, 0xEE));
    fours[j] =
        _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xDD));
  }
  __m512 twos[2];
  for (int j = 0; j < 2; j++) {
    const __m512 a = fours[2 * j], b = fours[2 * j + 1];
    twos[j] = _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xEE));
  }
  return _mm512_add_ps(_mm512_shuffle_ps(twos[0], twos[1], 0x88),
                       _mm512_shuffle_ps(twos[0], twos[1], 0xDD));
}

#pragma clang attribute pop

#endif
