// Activations to int8 and sums to float with AVX2: the operations of activations_scalar.c, eight
// lanes at a time. Maximum, rounding and integer sums do not depend on order, so results are the
// same.

#if defined(__x86_64__)

#include "ternary/finish.h"
#include "ternary/ternary_avx2.h"

#include <string.h>

#pragma clang fp contract(off)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

enum { ROUND_MAGIC_BITS = 0x4B400000 }; // 12582912.0f; its low bits count integers

/// The bits of eight magnitudes.
static inline __m256i magnitudes8(const float *x) {
  const __m256i bits = _mm256_loadu_si256((const __m256i *)x);
  return _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff));
}

/// The bits of max|x| and 1e-5, whose order is that of the floats with NaN last.
static inline uint32_t largest_magnitude(const float *x, size_t n) {
  __m256i a = _mm256_set1_epi32(TK_LEAST_MAGNITUDE_BITS), b = a;
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    a = _mm256_max_epi32(magnitudes8(x + i), a);
    b = _mm256_max_epi32(magnitudes8(x + i + 8), b);
  }
  for (; i < n; i += 8) {
    float rest[8] = {0};
    memcpy(rest, x + i, (n - i < 8 ? n - i : 8) * sizeof *rest);
    a = _mm256_max_epi32(magnitudes8(rest), a);
  }
  a = _mm256_max_epi32(a, b);
  __m128i four = _mm_max_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4E));
  return (uint32_t)_mm_cvtsi128_si32(_mm_max_epi32(four, _mm_shuffle_epi32(four, 0xB1)));
}

/// Eight values as 32-bit integers in [-127, 127]; NaN becomes 127 as in scalar.
static inline __m256i quantize8(__m256 x, __m256 scale) {
  const __m256 top = _mm256_set1_ps(127.0f), bottom = _mm256_set1_ps(-127.0f);
  __m256 v = _mm256_max_ps(_mm256_min_ps(_mm256_mul_ps(x, scale), top), bottom);
  v = _mm256_add_ps(v, _mm256_castsi256_ps(_mm256_set1_epi32(ROUND_MAGIC_BITS)));
  return _mm256_sub_epi32(_mm256_castps_si256(v), _mm256_set1_epi32(ROUND_MAGIC_BITS));
}

static inline int32_t total8(__m256i v) {
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xB1)));
}

/// Quantises up to 32 values through buffers, for the end of a row.
static inline int32_t quantize_tail(const float *x, size_t n, float scale, int8_t *q) {
  float in[8] = {0};
  int32_t out[8], total = 0;
  for (size_t i = 0; i < n; i += 8) {
    size_t count = n - i < 8 ? n - i : 8;
    memcpy(in, x + i, count * sizeof *in);
    _mm256_storeu_si256((__m256i *)out, quantize8(_mm256_loadu_ps(in), _mm256_set1_ps(scale)));
    for (size_t j = 0; j < count; j++) {
      q[i + j] = (int8_t)out[j];
      total += out[j];
    }
  }
  return total;
}

static float quantize(const float *x, size_t n, int8_t *q, int32_t *sum) {
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7); // undoes the packs' halves
  float scale = tk_activation_scale(largest_magnitude(x, n));
  __m256 s = _mm256_set1_ps(scale);
  __m256i total = _mm256_setzero_si256();
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    __m256i a = quantize8(_mm256_loadu_ps(x + i), s);
    __m256i b = quantize8(_mm256_loadu_ps(x + i + 8), s);
    __m256i c = quantize8(_mm256_loadu_ps(x + i + 16), s);
    __m256i d = quantize8(_mm256_loadu_ps(x + i + 24), s);
    __m256i ab = _mm256_packs_epi32(a, b), cd = _mm256_packs_epi32(c, d);
    total = _mm256_add_epi32(total, tk_widen(_mm256_add_epi16(ab, cd)));
    __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(ab, cd), order);
    _mm256_storeu_si256((__m256i *)(q + i), bytes);
  }
  *sum = total8(total) + quantize_tail(x + i, n - i, scale, q + i);
  memset(q + n, 0, TK_ACTIVATION_PADDING);
  return scale;
}

static void dequantize(const int32_t *acc, size_t n, float scale, const float *beta,
                       size_t beta_stride, float *y) {
  const __m256d s = _mm256_set1_pd((double)scale);
  __m256d factor = _mm256_setzero_pd();
  if (n > 0 && beta_stride == 0) {
    factor = _mm256_div_pd(_mm256_set1_pd((double)*beta), s);
  }
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    if (beta_stride != 0) {
      factor = _mm256_div_pd(_mm256_cvtps_pd(_mm_loadu_ps(beta + i)), s);
    }
    const __m256d v = _mm256_cvtepi32_pd(_mm_loadu_si128((const __m128i *)(acc + i)));
    _mm_storeu_ps(y + i, _mm256_cvtpd_ps(_mm256_mul_pd(v, factor)));
  }
  tk_activations_scalar.dequantize(acc + i, n - i, scale, beta + i * beta_stride, beta_stride,
                                   y + i);
}

static void finish(const int32_t *out, size_t tile, const tk_tile_end *end, int32_t *y,
                   size_t y_stride) {
  tk_finish_tile(out, tile, TK_TILE_ROWS, end, y, y_stride);
}

const tk_activation_kernels tk_activations_avx2 = {quantize, dequantize, finish};

#pragma clang attribute pop

#endif
