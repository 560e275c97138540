// Attention over the KV cache: which heads and positions the kernels take together. Heads go in
// fours, which share every key and value that is loaded; the fours of a group take turns over
// blocks of positions. The kernels take eights of dimensions: a head of another size goes through a
// copy with zeros behind it.

#include "kernels.h"

#include <string.h>

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

static size_t whole_eights(size_t n) { return (n + 7) / 8 * 8; }

static void ragged_scores(const tk_kernels *k, const tk_cache *keys, const float *queries,
                          size_t count, size_t head_dim, float scale, size_t begin, size_t end,
                          float *scores, size_t score_stride) {
  float padded[TK_ATTENTION_HEADS * TK_RAGGED_HEAD_DIM];
  const size_t size = whole_eights(head_dim);
  for (size_t h = 0; h < count; h += TK_ATTENTION_HEADS) {
    const size_t heads = smaller(count - h, TK_ATTENTION_HEADS);
    for (size_t i = 0; i < heads; i++) {
      memcpy(padded + i * size, queries + (h + i) * head_dim, head_dim * sizeof *padded);
      memset(padded + i * size + head_dim, 0, (size - head_dim) * sizeof *padded);
    }
    tk_attention_scores(k, keys, padded, heads, size, scale, begin, end, scores + h * score_stride,
                        score_stride);
  }
}

static void ragged_values(const tk_kernels *k, const tk_cache *values, const float *weights,
                          size_t weight_stride, const float *totals, size_t count, size_t positions,
                          size_t head_dim, size_t dim_begin, size_t dim_end, float *out) {
  float padded[TK_ATTENTION_HEADS * TK_RAGGED_HEAD_DIM];
  const size_t size = whole_eights(head_dim);
  for (size_t h = 0; h < count; h += TK_ATTENTION_HEADS) {
    const size_t heads = smaller(count - h, TK_ATTENTION_HEADS);
    tk_attention_values(k, values, weights + h * weight_stride, weight_stride, totals + h, heads,
                        positions, size, dim_begin, whole_eights(dim_end), padded);
    for (size_t i = 0; i < heads; i++) {
      memcpy(out + (h + i) * head_dim + dim_begin, padded + i * size + dim_begin,
             (dim_end - dim_begin) * sizeof *padded);
    }
  }
}

void tk_attention_scores(const tk_kernels *k, const tk_cache *keys, const float *queries,
                         size_t count, size_t head_dim, float scale, size_t begin, size_t end,
                         float *scores, size_t score_stride) {
  if (head_dim % 8 != 0) {
    ragged_scores(k, keys, queries, count, head_dim, scale, begin, end, scores, score_stride);
    return;
  }
  const tk_attention_kernels *kernels = tk_attention_of(k);
  // Four heads read every key once, whatever the block.
  const size_t length = count <= TK_ATTENTION_HEADS ? end - begin : TK_ATTENTION_BLOCK;
  for (size_t p = begin; p < end; p += length) {
    for (size_t h = 0; h < count; h += TK_ATTENTION_HEADS) {
      const tk_score_block block = {.keys = *keys,
                                    .queries = queries + h * head_dim,
                                    .heads = smaller(count - h, TK_ATTENTION_HEADS),
                                    .head_dim = head_dim,
                                    .scale = scale,
                                    .begin = p,
                                    .end = p + smaller(end - p, length),
                                    .scores = scores + h * score_stride,
                                    .stride = score_stride};
      kernels->scores(&block);
    }
  }
}

float tk_attention_weights(const tk_kernels *k, float *x, size_t positions) {
  return tk_floats_of(k)->exponentials(x, positions);
}

void tk_attention_values(const tk_kernels *k, const tk_cache *values, const float *weights,
                         size_t weight_stride, const float *totals, size_t count, size_t positions,
                         size_t head_dim, size_t dim_begin, size_t dim_end, float *out) {
  if (head_dim % 8 != 0) {
    ragged_values(k, values, weights, weight_stride, totals, count, positions, head_dim, dim_begin,
                  dim_end, out);
    return;
  }
  const tk_attention_kernels *kernels = tk_attention_of(k);
  // A head alone takes as many dimensions at once as fit its registers: it reads long runs.
  const size_t length = count == 1 ? positions : TK_ATTENTION_BLOCK;
  size_t begin = 0;
  do { // once even for no positions, whose sum is 0
    const size_t end = begin + smaller(positions - begin, length);
    for (size_t h = 0; h < count; h += TK_ATTENTION_HEADS) {
      const tk_value_block block = {.values = *values,
                                    .weights = weights + h * weight_stride,
                                    .stride = weight_stride,
                                    .totals = totals + h,
                                    .heads = smaller(count - h, TK_ATTENTION_HEADS),
                                    .head_dim = head_dim,
                                    .begin = begin,
                                    .end = end,
                                    .positions = positions,
                                    .dim_begin = dim_begin,
                                    .dim_end = dim_end,
                                    .out = out + h * head_dim};
      kernels->values(&block);
    }
    begin = end;
  } while (begin < positions);
}
