// One query head against the KV cache, in the float order of CTernaryKernels.h: the specification
// of the vector files.

#include "float.h"

#pragma clang fp contract(off)

static inline float element(const void *p, size_t i, tk_cache_type type) {
  return type == TK_CACHE_F16 ? tk_half_to_float(((const uint16_t *)p)[i]) : ((const float *)p)[i];
}

static void attention(const float *query, const void *keys, const void *values, tk_cache_type type,
                      size_t stride, size_t positions, size_t head_dim, float scale, float *scores,
                      float *out) {
  for (size_t p = 0; p < positions; p++) {
    float lanes[TK_FLOAT_LANES] = {0};
    for (size_t i = 0; i < head_dim; i++) {
      float *lane = &lanes[i % TK_FLOAT_LANES];
      *lane = __builtin_fmaf(query[i], element(keys, p * stride + i, type), *lane);
    }
    scores[p] = tk_lane_sum(lanes) * scale;
  }
  const float total = tk_exponentials_scalar(scores, positions);
  for (size_t i = 0; i < head_dim; i++) {
    float sum = 0.0f;
    for (size_t p = 0; p < positions; p++) {
      sum = __builtin_fmaf(scores[p], element(values, p * stride + i, type), sum);
    }
    out[i] = sum / total;
  }
}

void tk_attention_f32_scalar(const float *query, const void *keys, const void *values,
                             size_t stride, size_t positions, size_t head_dim, float scale,
                             float *scores, float *out) {
  attention(query, keys, values, TK_CACHE_F32, stride, positions, head_dim, scale, scores, out);
}

void tk_attention_f16_scalar(const float *query, const void *keys, const void *values,
                             size_t stride, size_t positions, size_t head_dim, float scale,
                             float *scores, float *out) {
  attention(query, keys, values, TK_CACHE_F16, stride, positions, head_dim, scale, scores, out);
}
