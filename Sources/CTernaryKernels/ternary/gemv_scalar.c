// GEMV in plain C, of every layout: the specification that every instruction set equals. It decodes
// trits and adds or subtracts activations, with none of the tricks of the fast kernels (products
// with codes, look-ups, sums of activations, 16-bit sums), so that a mistake in those cannot hide
// here too.

#include "ternary/ternary.h"

static void gemv(const tk_matrix *w, const int8_t *q, int32_t sum, size_t block_begin,
                 size_t block_end, size_t row_begin, size_t row_end, int32_t *y) {
  (void)sum;
  const tk_layout_description d = tk_describe(w->layout);
  for (size_t r = row_begin; r < row_end; r++) {
    const uint8_t *lane = tk_row(w->layout, w, r);
    int32_t total = 0;
    for (size_t b = block_begin; b < block_end; b++) {
      int8_t trits[TK_MOST_COLUMNS];
      d.unpack(lane + b * d.bytes, trits);
      for (size_t c = 0; c < d.columns; c++) {
        total += tk_term(trits[c], q[b * d.columns + c]);
      }
    }
    y[r - row_begin] = total;
  }
}

const tk_gemv_kernels tk_gemv_scalar = {gemv};
