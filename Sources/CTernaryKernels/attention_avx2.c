// AVX2 attention of one query head against the KV cache.
//
// Scores: four positions at once, two vectors of lanes each, so that eight chains of fma hide its
// latency; the order within a position stays that of the scalar file.
// Values: 64 floats of `out` stay in eight registers while the positions pass by in order.

#if defined(__x86_64__)

#include "float_avx2.h"

#pragma clang fp contract(off)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

/// The scale of a position in all lanes; 1 where the cache has none, which is then not read.
static inline __attribute__((always_inline)) __m256 position_scale(tk_cache_rows rows,
                                                                   size_t position) {
  return rows.type == TK_CACHE_INT8 ? _mm256_broadcast_ss(rows.scales + position)
                                    : _mm256_set1_ps(1.0f);
}

/// Eight elements of the cache as float32; `rows.type` is a constant where this is inlined.
static inline __attribute__((always_inline)) __m256 load_cache(tk_cache_rows rows, size_t i,
                                                               __m256 scale) {
  if (rows.type == TK_CACHE_F16) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)((const uint16_t *)rows.data + i)));
  }
  if (rows.type == TK_CACHE_INT8) {
    const __m128i q = _mm_loadl_epi64((const __m128i *)((const int8_t *)rows.data + i));
    return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(q)), scale);
  }
  return _mm256_loadu_ps((const float *)rows.data + i);
}

/// scores[p] = dot(query, keys[p]) * scale. Positions past the last repeat it: their scores fall in
/// the padding of `scores`.
static inline __attribute__((always_inline)) void score(const float *query, tk_cache_rows keys,
                                                        size_t positions, size_t head_dim,
                                                        float scale, float *scores) {
  for (size_t p = 0; p < positions; p += 4) {
    size_t key[4];
    __m256 low[4];
    __m256 high[4];
    __m256 unit[4];
    for (size_t r = 0; r < 4; r++) {
      const size_t position = p + r < positions ? p + r : positions - 1;
      key[r] = position * keys.stride;
      unit[r] = position_scale(keys, position);
      low[r] = high[r] = _mm256_setzero_ps();
    }
    size_t i = 0;
    for (; i + 16 <= head_dim; i += 16) {
      const __m256 q0 = _mm256_loadu_ps(query + i);
      const __m256 q1 = _mm256_loadu_ps(query + i + 8);
      for (size_t r = 0; r < 4; r++) {
        low[r] = _mm256_fmadd_ps(q0, load_cache(keys, key[r] + i, unit[r]), low[r]);
        high[r] = _mm256_fmadd_ps(q1, load_cache(keys, key[r] + i + 8, unit[r]), high[r]);
      }
    }
    if (i < head_dim) {
      const __m256 q0 = _mm256_loadu_ps(query + i);
      for (size_t r = 0; r < 4; r++) {
        low[r] = _mm256_fmadd_ps(q0, load_cache(keys, key[r] + i, unit[r]), low[r]);
      }
    }
    _mm_storeu_ps(scores + p, _mm_mul_ps(tk_lane_sums4(low, high), _mm_set1_ps(scale)));
  }
}

/// out[0 ..< 8 * vectors] = sum over p of scores[p] * values[p * stride ...]; `vectors` is a
/// constant of at most 8.
static inline __attribute__((always_inline)) void add_values(const float *scores,
                                                             tk_cache_rows values, size_t first,
                                                             size_t positions, size_t vectors,
                                                             float total, float *out) {
  __m256 sum[8];
  for (size_t v = 0; v < vectors; v++) {
    sum[v] = _mm256_setzero_ps();
  }
  for (size_t p = 0; p < positions; p++) {
    const __m256 s = _mm256_broadcast_ss(scores + p);
    const __m256 unit = position_scale(values, p);
    for (size_t v = 0; v < vectors; v++) {
      sum[v] =
          _mm256_fmadd_ps(s, load_cache(values, p * values.stride + first + 8 * v, unit), sum[v]);
    }
  }
  for (size_t v = 0; v < vectors; v++) {
    _mm256_storeu_ps(out + first + 8 * v, _mm256_div_ps(sum[v], _mm256_set1_ps(total)));
  }
}

static inline __attribute__((always_inline)) void attention(const float *query, tk_cache_rows keys,
                                                            tk_cache_rows values, size_t positions,
                                                            size_t head_dim, float scale,
                                                            float *scores, float *out) {
  score(query, keys, positions, head_dim, scale, scores);
  const float total = tk_exponentials_avx2(scores, positions);
  size_t i = 0;
  for (; i + 64 <= head_dim; i += 64) {
    add_values(scores, values, i, positions, 8, total, out);
  }
  for (; i + 32 <= head_dim; i += 32) {
    add_values(scores, values, i, positions, 4, total, out);
  }
  for (; i < head_dim; i += 8) {
    add_values(scores, values, i, positions, 1, total, out);
  }
}

void tk_attention_f32_avx2(const float *query, const void *keys, const void *values, size_t stride,
                           size_t positions, size_t head_dim, float scale, float *scores,
                           float *out) {
  attention(query, tk_float_rows(keys, stride), tk_float_rows(values, stride), positions, head_dim,
            scale, scores, out);
}

void tk_attention_f16_avx2(const float *query, const void *keys, const void *values, size_t stride,
                           size_t positions, size_t head_dim, float scale, float *scores,
                           float *out) {
  attention(query, tk_half_rows(keys, stride), tk_half_rows(values, stride), positions, head_dim,
            scale, scores, out);
}

void tk_attention_int8_avx2(const float *query, const int8_t *keys, const float *key_scales,
                            const int8_t *values, const float *value_scales, size_t stride,
                            size_t positions, size_t head_dim, float scale, float *scores,
                            float *out) {
  attention(query, tk_int8_rows(keys, key_scales, stride),
            tk_int8_rows(values, value_scales, stride), positions, head_dim, scale, scores, out);
}

#pragma clang attribute pop

#endif
