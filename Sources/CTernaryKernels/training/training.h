// Private: the family of training kernels, float32 products and gradients. Every instruction set
// compiles the same source, training_generic.h, with vectors of its own width.

#ifndef TK_TRAINING_H
#define TK_TRAINING_H

#include <string.h>

#include "CTernaryKernels.h"

#pragma clang fp contract(off)

/// Shapes and ranges are those of the public calls.
typedef struct tk_training_kernels {
  void (*pack_factor)(const tk_factor *f, size_t depth_begin, size_t depth_end, float *packed);
  void (*product)(const tk_product *p, size_t row_begin, size_t row_end, float *scratch);
  void (*dot_products)(const float *x, size_t x_stride, size_t tokens, const float *w,
                       size_t columns, size_t row_begin, size_t row_end, float *y, size_t y_stride);
  void (*rms_norm_backward)(const float *x, const float *weight, const float *dy, size_t n,
                            float eps, float *dx, float *d_weight);
  void (*relu2_mul_backward)(const float *gate, const float *up, const float *dy, size_t n,
                             float *d_gate, float *d_up);
  void (*softmax_backward)(const float *p, float *dp, size_t n, float scale);
  float (*maximum)(const float *x, size_t n);
  void (*scale)(float *x, size_t n, float factor);
  double (*sum_of_squares)(const float *x, size_t n);
  void (*adamw)(const tk_adamw *step, const float *gradient, size_t n, float *weights, float *mean,
                float *square);
} tk_training_kernels;

extern const tk_training_kernels tk_training_scalar, tk_training_avx2, tk_training_avx512,
    tk_training_neon;

#endif
