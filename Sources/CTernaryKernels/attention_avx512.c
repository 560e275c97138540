// AVX-512 attention of one query head against the KV cache.
//
// Scores: eight positions at once, one vector of lanes each, so that eight chains of fma hide its
// latency; the order within a position stays that of the scalar file.
// Values: 128 floats of `out` stay in eight registers while the positions pass by in order.

#if defined(__x86_64__)

#include "float_avx512.h"

#pragma clang fp contract(off)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,"           \
                                                   "avx2,fma,f16c"))),                             \
                             apply_to = function)

enum { POSITIONS = 8 };

/// 16 elements of the cache as float32, or the first eight and zeros; `type` and `lanes` are
/// constants where this is inlined.
static inline __attribute__((always_inline)) __m512 load_cache(const void *p, size_t i,
                                                               tk_cache_type type, size_t lanes) {
  if (type == TK_CACHE_F16) {
    const uint16_t *half = (const uint16_t *)p + i;
    return _mm512_cvtph_ps(lanes == 16
                               ? _mm256_loadu_si256((const __m256i *)half)
                               : _mm256_zextsi128_si256(_mm_loadu_si128((const __m128i *)half)));
  }
  const float *x = (const float *)p + i;
  return lanes == 16 ? _mm512_loadu_ps(x) : _mm512_zextps256_ps512(_mm256_loadu_ps(x));
}

/// scores[p] = dot(query, keys[p]) * scale. Positions past the last repeat it: their scores fall in
/// the padding of `scores`.
static inline __attribute__((always_inline)) void score(const float *query, const void *keys,
                                                        tk_cache_type type, size_t stride,
                                                        size_t positions, size_t head_dim,
                                                        float scale, float *scores) {
  for (size_t p = 0; p < positions; p += POSITIONS) {
    size_t key[POSITIONS];
    __m512 lanes[POSITIONS];
    for (size_t r = 0; r < POSITIONS; r++) {
      key[r] = (p + r < positions ? p + r : positions - 1) * stride;
      lanes[r] = _mm512_setzero_ps();
    }
    size_t i = 0;
    for (; i + 16 <= head_dim; i += 16) {
      const __m512 q = _mm512_loadu_ps(query + i);
      for (size_t r = 0; r < POSITIONS; r++) {
        lanes[r] = _mm512_fmadd_ps(q, load_cache(keys, key[r] + i, type, 16), lanes[r]);
      }
    }
    if (i < head_dim) {
      // Only the lower lanes take part: adding 0 to an upper lane of -0 would change it.
      const __m512 q = _mm512_zextps256_ps512(_mm256_loadu_ps(query + i));
      for (size_t r = 0; r < POSITIONS; r++) {
        const __m512 k = load_cache(keys, key[r] + i, type, 8);
        lanes[r] = _mm512_mask3_fmadd_ps(q, k, lanes[r], 0x00FF);
      }
    }
    const __m128 factor = _mm_set1_ps(scale);
    _mm_storeu_ps(scores + p, _mm_mul_ps(tk_lane_sums4_512(lanes), factor));
    _mm_storeu_ps(scores + p + 4, _mm_mul_ps(tk_lane_sums4_512(lanes + 4), factor));
  }
}

/// out[first ..< first + lanes * vectors] = sum over p of scores[p] * values[p * stride ...];
/// `vectors` is a constant of at most 8.
static inline __attribute__((always_inline)) void
add_values(const float *scores, const void *values, tk_cache_type type, size_t stride, size_t first,
           size_t positions, size_t vectors, size_t lanes, float total, float *out) {
  __m512 sum[8];
  for (size_t v = 0; v < vectors; v++) {
    sum[v] = _mm512_setzero_ps();
  }
  for (size_t p = 0; p < positions; p++) {
    const __m512 s = _mm512_set1_ps(scores[p]);
    for (size_t v = 0; v < vectors; v++) {
      const __m512 value = load_cache(values, p * stride + first + 16 * v, type, lanes);
      sum[v] = _mm512_fmadd_ps(s, value, sum[v]);
    }
  }
  for (size_t v = 0; v < vectors; v++) {
    tk_store16(out + first + 16 * v, lanes, _mm512_div_ps(sum[v], _mm512_set1_ps(total)));
  }
}

static inline __attribute__((always_inline)) void attention(const float *query, const void *keys,
                                                            const void *values, tk_cache_type type,
                                                            size_t stride, size_t positions,
                                                            size_t head_dim, float scale,
                                                            float *scores, float *out) {
  score(query, keys, type, stride, positions, head_dim, scale, scores);
  const float total = tk_exponentials_avx512(scores, positions);
  size_t i = 0;
  for (; i + 128 <= head_dim; i += 128) {
    add_values(scores, values, type, stride, i, positions, 8, 16, total, out);
  }
  for (; i + 64 <= head_dim; i += 64) {
    add_values(scores, values, type, stride, i, positions, 4, 16, total, out);
  }
  for (; i + 16 <= head_dim; i += 16) {
    add_values(scores, values, type, stride, i, positions, 1, 16, total, out);
  }
  if (i < head_dim) {
    add_values(scores, values, type, stride, i, positions, 1, 8, total, out);
  }
}

void tk_attention_f32_avx512(const float *query, const void *keys, const void *values,
                             size_t stride, size_t positions, size_t head_dim, float scale,
                             float *scores, float *out) {
  attention(query, keys, values, TK_CACHE_F32, stride, positions, head_dim, scale, scores, out);
}

void tk_attention_f16_avx512(const float *query, const void *keys, const void *values,
                             size_t stride, size_t positions, size_t head_dim, float scale,
                             float *scores, float *out) {
  attention(query, keys, values, TK_CACHE_F16, stride, positions, head_dim, scale, scores, out);
}

#pragma clang attribute pop

#endif
