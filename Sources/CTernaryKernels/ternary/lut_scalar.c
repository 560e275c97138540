// GEMV of the L2 layout in plain C: no look-ups, so that a mistake in them cannot hide here too.

#include "ternary/ternary.h"

void tk_gemv_l2_scalar(const tk_matrix *w, const int8_t *q, int32_t sum, size_t block_begin,
                       size_t block_end, size_t row_begin, size_t row_end, int32_t *y) {
  (void)sum;
  for (size_t r = row_begin; r < row_end; r++) {
    int32_t total = 0;
    for (size_t b = block_begin; b < block_end; b++) {
      int8_t trits[TK_L2_COLUMNS];
      tk_unpack_l2(tk_l2_row(w, r) + b * TK_L2_BYTES, trits);
      for (size_t c = 0; c < TK_L2_COLUMNS; c++)
        total += trits[c] * q[b * TK_L2_COLUMNS + c];
    }
    y[r - row_begin] = total;
  }
}
