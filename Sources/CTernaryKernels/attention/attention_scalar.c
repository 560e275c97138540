// The steps of attention over the KV cache, in the float order of CTernaryKernels.h: the
// specification of the vector files.

#include "attention/attention.h"
#include "float/float.h"

#pragma clang fp contract(off)

static inline float element(const tk_cache *rows, size_t position, size_t i) {
  const size_t index = position * rows->stride + i;
  switch (rows->type) {
  case TK_CACHE_F16:
    return tk_half_to_float(((const uint16_t *)rows->data)[index]);
  case TK_CACHE_INT8:
    return (float)((const int8_t *)rows->data)[index] * rows->scales[position];
  case TK_CACHE_F32:
    return ((const float *)rows->data)[index];
  }
  __builtin_trap(); // there is no such type
}

static void attention_scores(const tk_score_block *b) {
  for (size_t h = 0; h < b->heads; h++) {
    const float *query = b->queries + h * b->head_dim;
    for (size_t p = b->begin; p < b->end; p++) {
      float lanes[TK_FLOAT_LANES] = {0};
      for (size_t i = 0; i < b->head_dim; i++) {
        float *lane = &lanes[i % TK_FLOAT_LANES];
        *lane = __builtin_fmaf(query[i], element(&b->keys, p, i), *lane);
      }
      b->scores[h * b->stride + p] = tk_lane_sum(lanes) * b->scale;
    }
  }
}

static void attention_values(const tk_value_block *b) {
  for (size_t h = 0; h < b->heads; h++) {
    for (size_t i = b->dim_begin; i < b->dim_end; i++) {
      float *out = &b->out[h * b->head_dim + i];
      float sum = b->begin > 0 ? *out : 0.0f;
      for (size_t p = b->begin; p < b->end; p++) {
        sum = __builtin_fmaf(b->weights[h * b->stride + p], element(&b->values, p, i), sum);
      }
      *out = b->end == b->positions ? sum / b->totals[h] : sum;
    }
  }
}

const tk_attention_kernels tk_attention_scalar = {attention_scores, attention_values};
