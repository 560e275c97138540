// Activations to int8 and sums to float with AVX-512: the operations of activations_scalar.c,
// sixteen lanes at a time. Maximum, rounding and integer sums do not depend on order, so results
// are the same.

#if defined(__x86_64__)

#include "ternary/finish.h"

#include <immintrin.h>
#include <string.h>

#pragma clang fp contract(off)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,"           \
                                                   "avx2,fma,f16c"))),                             \
                             apply_to = function)

enum { ROUND_MAGIC_BITS = 0x4B400000 }; // 12582912.0f; its low bits count integers

static inline __mmask16 first16(size_t count) {
  return (__mmask16)(count < 16 ? (1u << count) - 1 : 0xFFFF);
}

/// The bits of max|x| and 1e-5, whose order is that of the floats with NaN last.
static inline uint32_t largest_magnitude(const float *x, size_t n) {
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  __m512i a = _mm512_set1_epi32(TK_LEAST_MAGNITUDE_BITS), b = a;
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    a = _mm512_max_epi32(_mm512_and_si512(_mm512_loadu_si512(x + i), magnitude), a);
    b = _mm512_max_epi32(_mm512_and_si512(_mm512_loadu_si512(x + i + 16), magnitude), b);
  }
  for (; i < n; i += 16) {
    const __m512i rest = _mm512_maskz_loadu_epi32(first16(n - i), x + i);
    a = _mm512_max_epi32(_mm512_and_si512(rest, magnitude), a);
  }
  return (uint32_t)_mm512_reduce_max_epi32(_mm512_max_epi32(a, b));
}

/// 16 values as 32-bit integers in [-127, 127]; NaN becomes 127 as in scalar.
static inline __m512i quantize16(__m512 x, __m512 scale) {
  const __m512 top = _mm512_set1_ps(127.0f), bottom = _mm512_set1_ps(-127.0f);
  __m512 v = _mm512_max_ps(_mm512_min_ps(_mm512_mul_ps(x, scale), top), bottom);
  v = _mm512_add_ps(v, _mm512_castsi512_ps(_mm512_set1_epi32(ROUND_MAGIC_BITS)));
  return _mm512_sub_epi32(_mm512_castps_si512(v), _mm512_set1_epi32(ROUND_MAGIC_BITS));
}

static inline int32_t total16(__m512i v) {
  __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xB1)));
}

static float quantize(const float *x, size_t n, int8_t *q, int32_t *sum) {
  float scale = tk_activation_scale(largest_magnitude(x, n));
  const __m512 s = _mm512_set1_ps(scale);
  __m512i total = _mm512_setzero_si512();
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    __m512i v = quantize16(_mm512_loadu_ps(x + i), s);
    total = _mm512_add_epi32(total, v);
    _mm_storeu_si128((__m128i *)(q + i), _mm512_cvtepi32_epi8(v));
  }
  if (i < n) {
    __mmask16 present = first16(n - i);
    __m512i v = quantize16(_mm512_maskz_loadu_ps(present, x + i), s);
    total = _mm512_mask_add_epi32(total, present, total, v);
    _mm_mask_storeu_epi8(q + i, present, _mm512_cvtepi32_epi8(v));
  }
  *sum = total16(total);
  memset(q + n, 0, TK_ACTIVATION_PADDING);
  return scale;
}

static void dequantize(const int32_t *acc, size_t n, float scale, const float *beta,
                       size_t beta_stride, float *y) {
  const __m512d s = _mm512_set1_pd((double)scale);
  __m512d factor = _mm512_setzero_pd();
  if (n > 0 && beta_stride == 0) {
    factor = _mm512_div_pd(_mm512_set1_pd((double)*beta), s);
  }
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    if (beta_stride != 0) {
      factor = _mm512_div_pd(_mm512_cvtps_pd(_mm256_loadu_ps(beta + i)), s);
    }
    const __m512d v = _mm512_cvtepi32_pd(_mm256_loadu_si256((const __m256i *)(acc + i)));
    _mm256_storeu_ps(y + i, _mm512_cvtpd_ps(_mm512_mul_pd(v, factor)));
  }
  tk_activations_scalar.dequantize(acc + i, n - i, scale, beta + i * beta_stride, beta_stride,
                                   y + i);
}

static void finish(const int32_t *out, size_t tile, const tk_tile_end *end, int32_t *y,
                   size_t y_stride) {
  tk_finish_tile(out, tile, TK_MAX_PANEL_ROWS, end, y, y_stride);
}

const tk_activation_kernels tk_activations_avx512 = {quantize, dequantize, finish};

#pragma clang attribute pop

#endif
