// One query head against the KV cache, in the float order of CTernaryKernels.h: the specification
// of the vector files.

#include "float.h"

#pragma clang fp contract(off)

static inline float element(tk_cache_rows rows, size_t position, size_t i) {
  const size_t index = position * rows.stride + i;
  switch (rows.type) {
  case TK_CACHE_F16:
    return tk_half_to_float(((const uint16_t *)rows.data)[index]);
  case TK_CACHE_INT8:
    return (float)((const int8_t *)rows.data)[index] * rows.scales[position];
  default:
    return ((const float *)rows.data)[index];
  }
}

static void attention(const float *query, tk_cache_rows keys, tk_cache_rows values,
                      size_t positions, size_t head_dim, float scale, float *scores, float *out) {
  for (size_t p = 0; p < positions; p++) {
    float lanes[TK_FLOAT_LANES] = {0};
    for (size_t i = 0; i < head_dim; i++) {
      float *lane = &lanes[i % TK_FLOAT_LANES];
      *lane = __builtin_fmaf(query[i], element(keys, p, i), *lane);
    }
    scores[p] = tk_lane_sum(lanes) * scale;
  }
  const float total = tk_exponentials_scalar(scores, positions);
  for (size_t i = 0; i < head_dim; i++) {
    float sum = 0.0f;
    for (size_t p = 0; p < positions; p++) {
      sum = __builtin_fmaf(scores[p], element(values, p, i), sum);
    }
    out[i] = sum / total;
  }
}

void tk_attention_f32_scalar(const float *query, const void *keys, const void *values,
                             size_t stride, size_t positions, size_t head_dim, float scale,
                             float *scores, float *out) {
  attention(query, tk_float_rows(keys, stride), tk_float_rows(values, stride), positions, head_dim,
            scale, scores, out);
}

void tk_attention_f16_scalar(const float *query, const void *keys, const void *values,
                             size_t stride, size_t positions, size_t head_dim, float scale,
                             float *scores, float *out) {
  attention(query, tk_half_rows(keys, stride), tk_half_rows(values, stride), positions, head_dim,
            scale, scores, out);
}

void tk_attention_int8_scalar(const float *query, const int8_t *keys, const float *key_scales,
                              const int8_t *values, const float *value_scales, size_t stride,
                              size_t positions, size_t head_dim, float scale, float *scores,
                              float *out) {
  attention(query, tk_int8_rows(keys, key_scales, stride),
            tk_int8_rows(values, value_scales, stride), positions, head_dim, scale, scores, out);
}
