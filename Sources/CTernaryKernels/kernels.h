// Private to CTernaryKernels: the kernel table. A new instruction set is one row of the grid in
// dispatch.c, a new kernel one column here.

#ifndef TK_KERNELS_H
#define TK_KERNELS_H

#include "CTernaryKernels.h"

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

  // Float: one fixed order.
  void (*rms_norm)(const float *x, const float *weight, size_t n, float eps, float *y);
  void (*rope)(float *x, const float *cos, const float *sin, size_t heads, size_t head_dim);
  void (*add)(const float *x, size_t n, float *y);
  void (*relu2_mul)(const float *gate, const float *up, size_t n, float *out);
  void (*silu_mul)(const float *gate, const float *up, size_t n, float *out);
  void (*exp)(const float *x, size_t n, float *y);
  void (*softmax)(float *x, size_t n);
  void (*f32_to_f16)(const float *x, size_t n, uint16_t *y);
  void (*f16_to_f32)(const uint16_t *x, size_t n, float *y);
  void (*attention[2])(const float *query, const void *keys, const void *values, size_t stride,
                       size_t positions, size_t head_dim, float scale, float *scores, float *out);
  void (*dense_gemv)(tk_type type, const void *data, size_t columns, const float *x,
                     size_t row_begin, size_t row_end, float *y);
};

#endif
