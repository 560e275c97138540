// Private to CTernaryKernels: the kernel table. A new instruction set is one row of the grid in
// dispatch.c, a new kernel one column here.

#ifndef TK_KERNELS_H
#define TK_KERNELS_H

#include "CTernaryKernels.h"

enum {
  /// Query heads that attention kernels take at once.
  TK_ATTENTION_HEADS = 4,
  /// Positions of which attention kernels take all heads and dimensions before the next: 12 KiB of
  /// float16 where head_dim is 128, so that all but the first four heads, and all but the first few
  /// dimensions of values, find them in level 1. A multiple of every tile of positions.
  TK_ATTENTION_BLOCK = 48,
};

/// Part of tk_attention_scores: `heads` heads, 1 to TK_ATTENTION_HEADS, at positions [begin, end).
typedef struct tk_score_block {
  tk_cache keys;
  const float *queries;
  size_t heads, head_dim;
  float scale;
  size_t begin, end;
  float *scores;
  size_t stride;
} tk_score_block;

/// Part of tk_attention_values: `heads` heads, 1 to TK_ATTENTION_HEADS, at positions [begin, end)
/// of `positions`. Sums begin with 0 where `begin` is 0 and with `out` elsewhere; where `end` is
/// `positions` they are divided.
typedef struct tk_value_block {
  tk_cache values;
  const float *weights;
  size_t stride;
  const float *totals;
  size_t heads, head_dim;
  size_t begin, end, positions;
  size_t dim_begin, dim_end;
  float *out;
} tk_value_block;

struct tk_kernels {
  const char *name;

  // Ternary: exact integers. Shapes and ranges as in CTernaryKernels.h.
  float (*quantize)(const float *x, size_t n, int8_t *q, int32_t *sum);
  void (*dequantize)(const int32_t *acc, size_t n, float scale, const float *beta,
                     size_t beta_stride, float *y);
  void (*gemv[TK_LAYOUT_COUNT])(const tk_matrix *w, const int8_t *q, int32_t sum,
                                size_t block_begin, size_t block_end, size_t row_begin,
                                size_t row_end, int32_t *y);
  void (*gemm)(const tk_matrix *w, const int8_t *q, size_t q_stride, const int32_t *sums,
               size_t batch, size_t row_begin, size_t row_end, int32_t *y, size_t y_stride,
               void *scratch);

  // Products that skip zeros. Shapes and ranges as in CTernaryKernels.h.
  size_t (*active)(const float *x, size_t n, int32_t *list);
  size_t (*nonzero)(const int8_t *q, size_t n, int32_t *list);
  void (*gemv_rows)(const tk_strands *w, const int8_t *q, int32_t sum, const int32_t *list,
                    size_t begin, size_t end, int32_t *y);
  void (*gemv_columns)(const tk_strands *w, const int8_t *q, int32_t sum, const int32_t *list,
                       size_t count, size_t row_begin, size_t row_end, int32_t *y);
  /// Splits n bytes of T5, a multiple of 32, into 2-bit fields trit + 1: three trits in `low`, two
  /// in `high`.
  void (*split_t5)(const uint8_t *codes, size_t n, uint8_t *low, uint8_t *high);

  /// Multiplies and adds on registers only; returns how many products it made.
  uint64_t (*int8_peak)(size_t rounds);

  // Float: one fixed order.
  void (*rms_norm)(const float *x, const float *weight, size_t n, float eps, float *y);
  void (*rope)(float *x, const float *cos, const float *sin, size_t heads, size_t head_dim);
  void (*add)(const float *x, size_t n, float *y);
  void (*relu2_mul)(const float *gate, const float *up, size_t n, float *out);
  void (*silu_mul)(const float *gate, const float *up, size_t n, float *out);
  void (*gelu_mul)(const float *gate, const float *up, size_t n, float *out);
  void (*exp)(const float *x, size_t n, float *y);
  void (*softmax)(float *x, size_t n);
  void (*f32_to_f16)(const float *x, size_t n, uint16_t *y);
  void (*f16_to_f32)(const uint16_t *x, size_t n, float *y);
  void (*attention_scores)(const tk_score_block *b);
  /// tk_attention_weights; the softmax before its division.
  float (*exponentials)(float *x, size_t n);
  void (*attention_values)(const tk_value_block *b);
  void (*dense_gemv)(tk_type type, const void *data, size_t columns, const float *x,
                     size_t row_begin, size_t row_end, float *y);
  void (*head_scan[TK_HEAD_COUNT])(const tk_head *h, const void *q, float scale, size_t row_begin,
                                   size_t row_end, float *scores);
};

// The functions behind the columns are named tk_<column>_<isa>. A function type per column, then
// one declaration for every instruction set; files of other targets are empty.

typedef float tk_quantize_function(const float *x, size_t n, int8_t *q, int32_t *sum);
typedef void tk_dequantize_function(const int32_t *acc, size_t n, float scale, const float *beta,
                                    size_t beta_stride, float *y);
typedef void tk_gemv_function(const tk_matrix *w, const int8_t *q, int32_t sum, size_t block_begin,
                              size_t block_end, size_t row_begin, size_t row_end, int32_t *y);
typedef void tk_gemm_function(const tk_matrix *w, const int8_t *q, size_t q_stride,
                              const int32_t *sums, size_t batch, size_t row_begin, size_t row_end,
                              int32_t *y, size_t y_stride, void *scratch);
typedef size_t tk_active_function(const float *x, size_t n, int32_t *list);
typedef size_t tk_nonzero_function(const int8_t *q, size_t n, int32_t *list);
typedef void tk_gemv_rows_function(const tk_strands *w, const int8_t *q, int32_t sum,
                                   const int32_t *list, size_t begin, size_t end, int32_t *y);
typedef void tk_gemv_columns_function(const tk_strands *w, const int8_t *q, int32_t sum,
                                      const int32_t *list, size_t count, size_t row_begin,
                                      size_t row_end, int32_t *y);
typedef void tk_split_t5_function(const uint8_t *codes, size_t n, uint8_t *low, uint8_t *high);
typedef uint64_t tk_int8_peak_function(size_t rounds);
typedef void tk_rms_norm_function(const float *x, const float *weight, size_t n, float eps,
                                  float *y);
typedef void tk_rope_function(float *x, const float *cos, const float *sin, size_t heads,
                              size_t head_dim);
typedef void tk_map_function(const float *x, size_t n, float *y);
typedef void tk_gated_function(const float *gate, const float *up, size_t n, float *out);
typedef void tk_softmax_function(float *x, size_t n);
typedef void tk_f32_to_f16_function(const float *x, size_t n, uint16_t *y);
typedef void tk_f16_to_f32_function(const uint16_t *x, size_t n, float *y);
typedef void tk_attention_scores_function(const tk_score_block *b);
typedef float tk_exponentials_function(float *x, size_t n);
typedef void tk_attention_values_function(const tk_value_block *b);
typedef void tk_dense_gemv_function(tk_type type, const void *data, size_t columns, const float *x,
                                    size_t row_begin, size_t row_end, float *y);

typedef void tk_head_scan_function(const tk_head *h, const void *q, float scale, size_t row_begin,
                                   size_t row_end, float *scores);

tk_quantize_function tk_quantize_scalar, tk_quantize_avx2, tk_quantize_neon;
tk_dequantize_function tk_dequantize_scalar, tk_dequantize_avx2, tk_dequantize_neon;
tk_gemv_function tk_gemv_t2_scalar, tk_gemv_t2_avx2, tk_gemv_t2_neon, tk_gemv_t2_neon_dotprod;
tk_gemv_function tk_gemv_t5_scalar, tk_gemv_t5_avx2, tk_gemv_t5_neon, tk_gemv_t5_neon_dotprod;
tk_gemv_function tk_gemv_l2_scalar, tk_gemv_l2_avx2, tk_gemv_l2_neon;
tk_gemm_function tk_gemm_scalar, tk_gemm_avx2, tk_gemm_neon, tk_gemm_neon_dotprod;
tk_gemm_function tk_gemm_neon_i8mm;
tk_int8_peak_function tk_int8_peak_scalar, tk_int8_peak_avx2, tk_int8_peak_neon;
tk_int8_peak_function tk_int8_peak_neon_dotprod, tk_int8_peak_neon_i8mm;

tk_active_function tk_active_scalar, tk_active_avx2, tk_active_neon;
tk_nonzero_function tk_nonzero_scalar, tk_nonzero_avx2, tk_nonzero_neon;
tk_gemv_rows_function tk_gemv_rows_scalar, tk_gemv_rows_avx2, tk_gemv_rows_neon;
tk_gemv_rows_function tk_gemv_rows_neon_dotprod, tk_gemv_rows_avxvnni;
tk_gemv_columns_function tk_gemv_columns_scalar, tk_gemv_columns_avx2, tk_gemv_columns_neon;
tk_gemv_columns_function tk_gemv_columns_neon_dotprod, tk_gemv_columns_avxvnni;
tk_split_t5_function tk_split_t5_scalar, tk_split_t5_avx2, tk_split_t5_neon;

tk_rms_norm_function tk_rms_norm_scalar, tk_rms_norm_avx2, tk_rms_norm_neon;
tk_rope_function tk_rope_scalar, tk_rope_avx2, tk_rope_neon;
tk_map_function tk_add_scalar, tk_add_avx2, tk_add_neon;
tk_gated_function tk_relu2_mul_scalar, tk_relu2_mul_avx2, tk_relu2_mul_neon;
tk_gated_function tk_silu_mul_scalar, tk_silu_mul_avx2, tk_silu_mul_neon;
tk_gated_function tk_gelu_mul_scalar, tk_gelu_mul_avx2, tk_gelu_mul_neon;
tk_map_function tk_exp_scalar, tk_exp_avx2, tk_exp_neon;
tk_softmax_function tk_softmax_scalar, tk_softmax_avx2, tk_softmax_neon;
tk_f32_to_f16_function tk_f32_to_f16_scalar, tk_f32_to_f16_avx2, tk_f32_to_f16_neon;
tk_f16_to_f32_function tk_f16_to_f32_scalar, tk_f16_to_f32_avx2, tk_f16_to_f32_neon;
tk_exponentials_function tk_exponentials_scalar, tk_exponentials_avx2, tk_exponentials_neon;
tk_attention_scores_function tk_attention_scores_scalar, tk_attention_scores_avx2;
tk_attention_scores_function tk_attention_scores_neon;
tk_attention_values_function tk_attention_values_scalar, tk_attention_values_avx2;
tk_attention_values_function tk_attention_values_neon;
tk_dense_gemv_function tk_dense_gemv_scalar, tk_dense_gemv_avx2, tk_dense_gemv_neon;
tk_head_scan_function tk_head_int8_scalar, tk_head_int8_avx2, tk_head_int8_neon;
tk_head_scan_function tk_head_int8_neon_dotprod;
tk_head_scan_function tk_head_int4_scalar, tk_head_int4_avx2, tk_head_int4_neon;
tk_head_scan_function tk_head_int4_neon_dotprod;
tk_head_scan_function tk_head_q6_k_scalar, tk_head_q6_k_avx2, tk_head_q6_k_avx512_vnni;
tk_head_scan_function tk_head_q6_k_neon;
tk_head_scan_function tk_head_int8_avxvnni, tk_head_int4_avxvnni;

tk_quantize_function tk_quantize_avx512;
tk_dequantize_function tk_dequantize_avx512;
tk_gemv_function tk_gemv_t2_avxvnni, tk_gemv_t2_avx512_vnni;
tk_gemv_function tk_gemv_t5_avxvnni, tk_gemv_t5_avx512_vnni, tk_gemv_t5_avx512;
tk_gemm_function tk_gemm_avxvnni, tk_gemm_avx512_vnni, tk_gemm_avx512;
tk_gemv_function tk_gemv_l2_avx512;
tk_int8_peak_function tk_int8_peak_avxvnni, tk_int8_peak_avx512_vnni;

tk_active_function tk_active_avx512;
tk_nonzero_function tk_nonzero_avx512;
tk_gemv_rows_function tk_gemv_rows_avx512, tk_gemv_rows_avx512_vnni;
tk_gemv_columns_function tk_gemv_columns_avx512, tk_gemv_columns_avx512_vnni;
tk_split_t5_function tk_split_t5_avx512_vnni;

tk_rms_norm_function tk_rms_norm_avx512;
tk_rope_function tk_rope_avx512;
tk_map_function tk_add_avx512, tk_exp_avx512;
tk_gated_function tk_relu2_mul_avx512, tk_silu_mul_avx512, tk_gelu_mul_avx512;
tk_softmax_function tk_softmax_avx512;
tk_f32_to_f16_function tk_f32_to_f16_avx512;
tk_f16_to_f32_function tk_f16_to_f32_avx512;
tk_exponentials_function tk_exponentials_avx512;
tk_attention_scores_function tk_attention_scores_avx512;
tk_attention_values_function tk_attention_values_avx512;
tk_dense_gemv_function tk_dense_gemv_avx512;
tk_head_scan_function tk_head_int8_avx512_vnni, tk_head_int4_avx512_vnni;

// The part of tk_dense_gemv_avx2 for Q4_0.
tk_dense_gemv_function tk_dense_gemv_q4_0_avx2;

// The parts of tk_self_test: NULL, or the name of the first kernel that disagrees.
const char *tk_self_test_ternary(const tk_kernels *k);
const char *tk_self_test_float(const tk_kernels *k);
const char *tk_self_test_head(const tk_kernels *k);
const char *tk_self_test_sparse(const tk_kernels *k);

#endif
