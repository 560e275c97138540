// GEMM in plain C, of every layout: the specification that every instruction set equals, as plain
// as gemv_scalar.c.

#include "ternary/ternary.h"

#include <string.h>

static void gemm(const tk_matrix *w, const int8_t *q, size_t q_stride, const int32_t *sums,
                 size_t batch, size_t row_begin, size_t row_end, int32_t *y, size_t y_stride) {
  (void)sums;
  const tk_layout_description d = tk_describe(w->layout);
  for (size_t t = 0; t < batch; t++) {
    memset(y + t * y_stride, 0, (row_end - row_begin) * sizeof *y);
  }
  for (size_t r = row_begin; r < row_end; r++) {
    const uint8_t *lane = tk_row(w->layout, w, r);
    for (size_t begin = 0; begin < w->columns; begin += d.columns, lane += d.bytes) {
      int8_t trits[TK_MOST_COLUMNS];
      d.unpack(lane, trits);
      for (size_t t = 0; t < batch; t++) {
        int32_t total = 0;
        for (size_t c = 0; c < d.columns; c++) {
          total += tk_term(trits[c], q[t * q_stride + begin + c]);
        }
        y[t * y_stride + r - row_begin] += total;
      }
    }
  }
}

const tk_gemm_small_kernels tk_gemm_small_scalar = {gemm};

/// No batch is so large that panels are wanted.
const tk_gemm_kernels tk_gemm_scalar = {.small_batch = SIZE_MAX};
