// NEON attention of one query head against the KV cache.
//
// Scores: four positions at once, four vectors of lanes each, so that sixteen chains of fma hide
// its latency; the order within a position stays that of the scalar file. Values: 64 floats of
// `out` stay in sixteen registers while the positions pass by in order.

#if defined(__aarch64__)

#include "float_neon.h"

#pragma clang fp contract(off)

/// Four elements of the cache as float32; `type` is a constant where this is inlined.
static inline __attribute__((always_inline)) float32x4_t load_cache(const void *p, size_t i,
                                                                    tk_cache_type type) {
  if (type == TK_CACHE_F16) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)p + i)));
  }
  return vld1q_f32((const float *)p + i);
}

/// Adds elements i ..< i + 4 * vectors of four positions to their lanes.
static inline __attribute__((always_inline)) void
add_products(const float *query, const void *keys, tk_cache_type type, const size_t key[4],
             size_t i, size_t vectors, float32x4_t lanes[4][4]) {
  for (size_t v = 0; v < vectors; v++) {
    const float32x4_t q = vld1q_f32(query + i + 4 * v);
    for (size_t r = 0; r < 4; r++) {
      lanes[r][v] = vfmaq_f32(lanes[r][v], q, load_cache(keys, key[r] + i + 4 * v, type));
    }
  }
}

/// scores[p] = dot(query, keys[p]) * scale. Positions past the last repeat it: their scores fall in
/// the padding of `scores`.
static inline __attribute__((always_inline)) void score(const float *query, const void *keys,
                                                        tk_cache_type type, size_t stride,
                                                        size_t positions, size_t head_dim,
                                                        float scale, float *scores) {
  for (size_t p = 0; p < positions; p += 4) {
    size_t key[4];
    float32x4_t lanes[4][4];
    for (size_t r = 0; r < 4; r++) {
      key[r] = (p + r < positions ? p + r : positions - 1) * stride;
      for (size_t v = 0; v < 4; v++) {
        lanes[r][v] = vdupq_n_f32(0);
      }
    }
    size_t i = 0;
    for (; i + 16 <= head_dim; i += 16) {
      add_products(query, keys, type, key, i, 4, lanes);
    }
    if (i < head_dim) {
      add_products(query, keys, type, key, i, 2, lanes);
    }
    vst1q_f32(scores + p, vmulq_n_f32(tk_lane_sums4(lanes), scale));
  }
}

/// out[0 ..< 4 * vectors] = sum over p of scores[p] * values[p * stride ...]; `vectors` is a
/// constant of at most 16.
static inline __attribute__((always_inline)) void
add_values(const float *scores, const void *values, tk_cache_type type, size_t stride, size_t first,
           size_t positions, size_t vectors, float total, float *out) {
  float32x4_t sum[16];
  for (size_t v = 0; v < vectors; v++) {
    sum[v] = vdupq_n_f32(0);
  }
  for (size_t p = 0; p < positions; p++) {
    const float32x4_t s = vdupq_n_f32(scores[p]);
    for (size_t v = 0; v < vectors; v++) {
      sum[v] = vfmaq_f32(sum[v], s, load_cache(values, p * stride + first + 4 * v, type));
    }
  }
  for (size_t v = 0; v < vectors; v++) {
    vst1q_f32(out + first + 4 * v, vdivq_f32(sum[v], vdupq_n_f32(total)));
  }
}

static inline __attribute__((always_inline)) void attention(const float *query, const void *keys,
                                                            const void *values, tk_cache_type type,
                                                            size_t stride, size_t positions,
                                                            size_t head_dim, float scale,
                                                            float *scores, float *out) {
  score(query, keys, type, stride, positions, head_dim, scale, scores);
  const float total = tk_exponentials_neon(scores, positions);
  size_t i = 0;
  for (; i + 64 <= head_dim; i += 64) {
    add_values(scores, values, type, stride, i, positions, 16, total, out);
  }
  for (; i + 32 <= head_dim; i += 32) {
    add_values(scores, values, type, stride, i, positions, 8, total, out);
  }
  for (; i < head_dim; i += 8) {
    add_values(scores, values, type, stride, i, positions, 2, total, out);
  }
}

void tk_attention_f32_neon(const float *query, const void *keys, const void *values, size_t stride,
                           size_t positions, size_t head_dim, float scale, float *scores,
                           float *out) {
  attention(query, keys, values, TK_CACHE_F32, stride, positions, head_dim, scale, scores, out);
}

void tk_attention_f16_neon(const float *query, const void *keys, const void *values, size_t stride,
                           size_t positions, size_t head_dim, float scale, float *scores,
                           float *out) {
  attention(query, keys, values, TK_CACHE_F16, stride, positions, head_dim, scale, scores, out);
}

#endif
