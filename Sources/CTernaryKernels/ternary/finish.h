// Private: the end of a tile of a ternary GEMM, inlined into the activation kernels of each
// instruction set, whose vectors the compiler makes of it. Integers are exact and every float is
// rounded once, so that all have the same bits.

#ifndef TK_FINISH_H
#define TK_FINISH_H

#include "ternary/ternary.h"

#include <string.h>

#pragma clang fp contract(off)

/// One token's rows; `rows`, `first` and `last` are constants where this is inlined.
static inline __attribute__((always_inline)) void
tk_finish_rows(const int32_t *restrict out, size_t rows, bool first, bool last, int32_t sum,
               float scale, const float *restrict beta, size_t beta_stride, int32_t *restrict y) {
  const double factor = last && beta_stride == 0 ? (double)*beta / (double)scale : 0;
  for (size_t r = 0; r < rows; r++) {
    const int32_t value = first ? out[r] - sum : y[r] + out[r];
    if (!last) {
      y[r] = value;
      continue;
    }
    const double f = beta_stride == 0 ? factor : (double)beta[r] / (double)scale;
    const float result = (float)((double)value * f);
    memcpy(y + r, &result, sizeof result);
  }
}

/// All tokens; `tile`, `rows` and `beta_stride` are constants where this is inlined.
static inline __attribute__((always_inline)) void tk_finish_tokens(const int32_t *out, size_t tile,
                                                                   size_t rows, size_t beta_stride,
                                                                   const tk_tile_end *end,
                                                                   int32_t *y, size_t y_stride) {
  const bool first = end->sums != NULL, last = end->scales != NULL;
  for (size_t t = 0; t < end->tokens; t++, out += tile, y += y_stride) {
    if (first && last) {
      tk_finish_rows(out, rows, true, true, end->sums[t], end->scales[t], end->beta, beta_stride,
                     y);
    } else if (first) {
      tk_finish_rows(out, rows, true, false, end->sums[t], 0, NULL, 0, y);
    } else if (last) {
      tk_finish_rows(out, rows, false, true, 0, end->scales[t], end->beta, beta_stride, y);
    } else {
      tk_finish_rows(out, rows, false, false, 0, 0, NULL, 0, y);
    }
  }
}

static inline __attribute__((always_inline)) void tk_finish_whole(const int32_t *out, size_t tile,
                                                                  const tk_tile_end *end,
                                                                  int32_t *y, size_t y_stride) {
  if (end->rows != tile) {
    tk_finish_tokens(out, tile, end->rows, end->beta_stride, end, y, y_stride);
  } else if (end->beta_stride == 0) {
    tk_finish_tokens(out, tile, tile, 0, end, y, y_stride);
  } else {
    tk_finish_tokens(out, tile, tile, 1, end, y, y_stride);
  }
}

/// `finish` of an instruction set whose tiles have `usual` rows, a constant, or those of the set
/// below.
static inline __attribute__((always_inline)) void tk_finish_tile(const int32_t *out, size_t tile,
                                                                 size_t usual,
                                                                 const tk_tile_end *end, int32_t *y,
                                                                 size_t y_stride) {
  if (tile == usual) {
    tk_finish_whole(out, usual, end, y, y_stride);
  } else {
    tk_finish_whole(out, tile, end, y, y_stride);
  }
}

#endif
