// The public calls that only choose a kernel of a set.

#include "kernels.h"

float tk_quantize(const tk_kernels *k, const float *x, size_t n, int8_t *q, int32_t *sum) {
  return tk_activations_of(k)->quantize(x, n, q, sum);
}

void tk_dequantize(const tk_kernels *k, const int32_t *acc, size_t n, float scale,
                   const float *beta, size_t beta_stride, float *y) {
  tk_activations_of(k)->dequantize(acc, n, scale, beta, beta_stride, y);
}

void tk_gemv(const tk_kernels *k, const tk_matrix *w, const int8_t *q, int32_t sum,
             size_t block_begin, size_t block_end, size_t row_begin, size_t row_end, int32_t *y) {
  tk_gemv_of(k, w->layout)->gemv(w, q, sum, block_begin, block_end, row_begin, row_end, y);
}

/// The GEMM of the highest set at or below `k` that is meant for so many activation rows.
static const tk_gemm_kernels *gemm_for(const tk_kernels *k, tk_layout layout, size_t batch) {
  while (batch < tk_gemm_of(k, layout)->least_batch) {
    k = k->below;
  }
  return tk_gemm_of(k, layout);
}

/// tk_gemm_scaled, or tk_gemm where there is no `scaling`.
static void gemm(const tk_kernels *k, const tk_matrix *w, const int8_t *q, size_t q_stride,
                 const int32_t *sums, const tk_scaling *scaling, size_t batch, size_t row_begin,
                 size_t row_end, int32_t *y, size_t y_stride, void *scratch) {
  const tk_layout layout = w->layout;
  const tk_gemm_kernels *panels = gemm_for(k, layout, batch);
  if (batch <= tk_describe(layout).gemv_batch) {
    const tk_gemv_kernels *gemv = tk_gemv_of(k, layout);
    const size_t blocks = tk_block_count(layout, w->columns);
    for (size_t t = 0; t < batch; t++) {
      gemv->gemv(w, q + t * q_stride, sums[t], 0, blocks, row_begin, row_end, y + t * y_stride);
    }
  } else if (batch <= panels->small_batch) {
    tk_gemm_small_of(k, layout)->gemm(w, q, q_stride, sums, batch, row_begin, row_end, y, y_stride);
  } else {
    tk_gemm_panels(panels, tk_activations_of(k), w, q, q_stride, sums, scaling, batch, row_begin,
                   row_end, y, y_stride, scratch);
    return;
  }
  if (scaling) {
    tk_scale_tokens(tk_activations_of(k), scaling, batch, row_end - row_begin, y, y_stride);
  }
}

void tk_gemm(const tk_kernels *k, const tk_matrix *w, const int8_t *q, size_t q_stride,
             const int32_t *sums, size_t batch, size_t row_begin, size_t row_end, int32_t *y,
             size_t y_stride, void *scratch) {
  gemm(k, w, q, q_stride, sums, NULL, batch, row_begin, row_end, y, y_stride, scratch);
}

void tk_gemm_scaled(const tk_kernels *k, const tk_matrix *w, const int8_t *q, size_t q_stride,
                    const int32_t *sums, const tk_scaling *scaling, size_t batch, size_t row_begin,
                    size_t row_end, float *y, size_t y_stride, void *scratch) {
  gemm(k, w, q, q_stride, sums, scaling, batch, row_begin, row_end, (int32_t *)y, y_stride,
       scratch);
}

size_t tk_gemm_sweep(const tk_kernels *k, const tk_matrix *w, size_t batch, size_t threads) {
  return tk_gemm_panels_sweep(tk_gemm_of(k, w->layout), batch, threads);
}

size_t tk_gemm_panel_rows(const tk_kernels *k, const tk_matrix *w, size_t batch, size_t threads) {
  const tk_gemm_kernels *panels = gemm_for(k, w->layout, batch);
  const bool takes_none =
      batch <= tk_describe(w->layout).gemv_batch || batch <= panels->small_batch;
  return takes_none ? TK_TILE_ROWS : tk_gemm_panels_rows(panels, w->rows, batch, threads);
}

size_t tk_gemm_scratch_size(const tk_kernels *k, const tk_matrix *w) {
  const tk_gemm_kernels *panels = tk_gemm_of(k, w->layout);
  const size_t size = panels->product ? panels->product->scratch_size(w) : 0;
  // Smaller batches may go to a set below, and need a panel of codes.
  return size > TK_MAX_PANEL_BYTES ? size : TK_MAX_PANEL_BYTES;
}

size_t tk_active(const tk_kernels *k, const float *x, size_t n, int32_t *list) {
  return tk_lists_of(k)->active(x, n, list);
}

size_t tk_nonzero(const tk_kernels *k, const int8_t *q, size_t n, int32_t *list) {
  return tk_lists_of(k)->nonzero(q, n, list);
}

void tk_gemv_rows(const tk_kernels *k, const tk_strands *w, const int8_t *q, int32_t sum,
                  const int32_t *_Nullable list, size_t begin, size_t end, int32_t *y) {
  tk_sparse_of(k, w->layout)->gemv_rows(w, q, sum, list, begin, end, y);
}

void tk_gemv_columns(const tk_kernels *k, const tk_strands *w, const int8_t *q, int32_t sum,
                     const int32_t *_Nullable list, size_t count, size_t row_begin, size_t row_end,
                     int32_t *y) {
  tk_sparse_of(k, w->layout)->gemv_columns(w, q, sum, list, count, row_begin, row_end, y);
}

void tk_tile_columns(const tk_kernels *k, const tk_strands *w, size_t row_begin, size_t row_end,
                     uint8_t *tiles) {
  tk_tile_columns_by(tk_split_of(k), w, row_begin, row_end, tiles);
}

uint64_t tk_int8_peak(const tk_kernels *k, size_t rounds) {
  return tk_limits_of(k)->int8_peak(rounds);
}

float tk_rms_norm(const tk_kernels *k, const float *x, const float *weight, size_t n, float eps,
                  float *y) {
  return tk_floats_of(k)->rms_norm(x, weight, n, eps, y);
}

void tk_rope(const tk_kernels *k, float *x, const float *cos, const float *sin, size_t heads,
             size_t head_dim) {
  tk_floats_of(k)->rope(x, cos, sin, heads, head_dim);
}

void tk_add(const tk_kernels *k, const float *x, size_t n, float *y) {
  tk_floats_of(k)->add(x, n, y);
}

void tk_relu2_mul(const tk_kernels *k, const float *gate, const float *up, size_t n, float *out) {
  tk_floats_of(k)->relu2_mul(gate, up, n, out);
}

void tk_silu_mul(const tk_kernels *k, const float *gate, const float *up, size_t n, float *out) {
  tk_floats_of(k)->silu_mul(gate, up, n, out);
}

void tk_gelu_mul(const tk_kernels *k, const float *gate, const float *up, size_t n, float *out) {
  tk_floats_of(k)->gelu_mul(gate, up, n, out);
}

void tk_exp(const tk_kernels *k, const float *x, size_t n, float *y) {
  tk_floats_of(k)->exp(x, n, y);
}

void tk_softmax(const tk_kernels *k, float *x, size_t n) { tk_floats_of(k)->softmax(x, n); }

void tk_f32_to_f16(const tk_kernels *k, const float *x, size_t n, uint16_t *y) {
  tk_floats_of(k)->f32_to_f16(x, n, y);
}

void tk_f16_to_f32(const tk_kernels *k, const uint16_t *x, size_t n, float *y) {
  tk_floats_of(k)->f16_to_f32(x, n, y);
}

void tk_dense_gemv(const tk_kernels *k, tk_type type, const void *data, size_t columns,
                   const float *x, size_t row_begin, size_t row_end, float *y) {
  tk_dense_of(k)->gemv(type, data, columns, x, row_begin, row_end, y);
}

void tk_head_scan(const tk_kernels *k, const tk_head *h, const void *q, float scale,
                  size_t row_begin, size_t row_end, float *scores) {
  tk_head_of(k, h->type)->scan(h, q, scale, row_begin, row_end, scores);
}
