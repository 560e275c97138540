// Private: the family of kernels for dense matrices as files store them.

#ifndef TK_DENSE_H
#define TK_DENSE_H

#include "CTernaryKernels.h"
#include "limits/prefetch.h"

/// tk_dense_gemv; scalar takes every type, and the others what tk_can_dense_gemv() says.
typedef void tk_dense_gemv_function(tk_type type, const void *data, size_t columns, const float *x,
                                    size_t row_begin, size_t row_end, float *y);

typedef struct tk_dense_kernels {
  tk_dense_gemv_function *gemv;
} tk_dense_kernels;

extern const tk_dense_kernels tk_dense_scalar, tk_dense_avx2, tk_dense_avx512, tk_dense_neon;

/// The part of tk_dense_avx2 for Q4_0.
tk_dense_gemv_function tk_dense_gemv_q4_0_avx2;

#endif
