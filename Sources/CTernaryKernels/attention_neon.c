// NEON attention of one query head against the KV cache.
//
// Scores: four positions at once, four vectors of lanes each, so that sixteen chains of fma hide
// its latency; the order within a position stays that of the scalar file. Values: 64 floats of
// `out` stay in sixteen registers while the positions pass by in order.

#if defined(__aarch64__)

#include "float_neon.h"

#pragma clang fp contract(off)

/// The scale of a position in all lanes; 1 where the cache has none, which is then not read.
static inline __attribute__((always_inline)) float32x4_t position_scale(tk_cache_rows rows,
                                                                        size_t position) {
  return vdupq_n_f32(rows.type == TK_CACHE_INT8 ? rows.scales[position] : 1.0f);
}

/// Four elements of the cache as float32; `rows.type` is a constant where this is inlined.
static inline __attribute__((always_inline)) float32x4_t load_cache(tk_cache_rows rows, size_t i,
                                                                    float32x4_t scale) {
  if (rows.type == TK_CACHE_F16) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)rows.data + i)));
  }
  if (rows.type == TK_CACHE_INT8) {
    int32_t four;
    memcpy(&four, (const int8_t *)rows.data + i, sizeof four);
    const int8x8_t q = vreinterpret_s8_s32(vdup_n_s32(four));
    return vmulq_f32(vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(q)))), scale);
  }
  return vld1q_f32((const float *)rows.data + i);
}

/// Adds elements i ..< i + 4 * vectors of four positions to their lanes.
static inline __attribute__((always_inline)) void
add_products(const float *query, tk_cache_rows keys, const size_t key[4], const float32x4_t unit[4],
             size_t i, size_t vectors, float32x4_t lanes[4][4]) {
  for (size_t v = 0; v < vectors; v++) {
    const float32x4_t q = vld1q_f32(query + i + 4 * v);
    for (size_t r = 0; r < 4; r++) {
      lanes[r][v] = vfmaq_f32(lanes[r][v], q, load_cache(keys, key[r] + i + 4 * v, unit[r]));
    }
  }
}

/// scores[p] = dot(query, keys[p]) * scale. Positions past the last repeat it: their scores fall in
/// the padding of `scores`.
static inline __attribute__((always_inline)) void score(const float *query, tk_cache_rows keys,
                                                        size_t positions, size_t head_dim,
                                                        float scale, float *scores) {
  for (size_t p = 0; p < positions; p += 4) {
    size_t key[4];
    float32x4_t unit[4];
    float32x4_t lanes[4][4];
    for (size_t r = 0; r < 4; r++) {
      const size_t position = p + r < positions ? p + r : positions - 1;
      key[r] = position * keys.stride;
      unit[r] = position_scale(keys, position);
      for (size_t v = 0; v < 4; v++) {
        lanes[r][v] = vdupq_n_f32(0);
      }
    }
    size_t i = 0;
    for (; i + 16 <= head_dim; i += 16) {
      add_products(query, keys, key, unit, i, 4, lanes);
    }
    if (i < head_dim) {
      add_products(query, keys, key, unit, i, 2, lanes);
    }
    vst1q_f32(scores + p, vmulq_n_f32(tk_lane_sums4(lanes), scale));
  }
}

/// out[0 ..< 4 * vectors] = sum over p of scores[p] * values[p * stride ...]; `vectors` is a
/// constant of at most 16.
static inline __attribute__((always_inline)) void add_values(const float *scores,
                                                             tk_cache_rows values, size_t first,
                                                             size_t positions, size_t vectors,
                                                             float total, float *out) {
  float32x4_t sum[16];
  for (size_t v = 0; v < vectors; v++) {
    sum[v] = vdupq_n_f32(0);
  }
  for (size_t p = 0; p < positions; p++) {
    const float32x4_t s = vdupq_n_f32(scores[p]);
    const float32x4_t unit = position_scale(values, p);
    for (size_t v = 0; v < vectors; v++) {
      sum[v] = vfmaq_f32(sum[v], s, load_cache(values, p * values.stride + first + 4 * v, unit));
    }
  }
  for (size_t v = 0; v < vectors; v++) {
    vst1q_f32(out + first + 4 * v, vdivq_f32(sum[v], vdupq_n_f32(total)));
  }
}

static inline __attribute__((always_inline)) void attention(const float *query, tk_cache_rows keys,
                                                            tk_cache_rows values, size_t positions,
                                                            size_t head_dim, float scale,
                                                            float *scores, float *out) {
  score(query, keys, positions, head_dim, scale, scores);
  const float total = tk_exponentials_neon(scores, positions);
  size_t i = 0;
  for (; i + 64 <= head_dim; i += 64) {
    add_values(scores, values, i, positions, 16, total, out);
  }
  for (; i + 32 <= head_dim; i += 32) {
    add_values(scores, values, i, positions, 8, total, out);
  }
  for (; i < head_dim; i += 8) {
    add_values(scores, values, i, positions, 2, total, out);
  }
}

void tk_attention_f32_neon(const float *query, const void *keys, const void *values, size_t stride,
                           size_t positions, size_t head_dim, float scale, float *scores,
                           float *out) {
  attention(query, tk_float_rows(keys, stride), tk_float_rows(values, stride), positions, head_dim,
            scale, scores, out);
}

void tk_attention_f16_neon(const float *query, const void *keys, const void *values, size_t stride,
                           size_t positions, size_t head_dim, float scale, float *scores,
                           float *out) {
  attention(query, tk_half_rows(keys, stride), tk_half_rows(values, stride), positions, head_dim,
            scale, scores, out);
}

void tk_attention_int8_neon(const float *query, const int8_t *keys, const float *key_scales,
                            const int8_t *values, const float *value_scales, size_t stride,
                            size_t positions, size_t head_dim, float scale, float *scores,
                            float *out) {
  attention(query, tk_int8_rows(keys, key_scales, stride),
            tk_int8_rows(values, value_scales, stride), positions, head_dim, scale, scores, out);
}

#endif
