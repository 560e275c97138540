// Private to the GEMV by look-ups of activation sums, the idea of T-MAC and of bitnet.cpp's TL1:
// two trits t, u choose one of the sums t q[c] + u q[c + 1], which are made once for all rows.
//
// The 4-bit code of a pair of columns (L2 in layout.h) is the index into 16 sums of int16, of
// which 9 occur. Byte shuffles look up bytes, so a table is 16 low bytes, then 16 high bytes; what
// they give is interleaved to int16 and added, a row in each lane. Everything is exact:
//
// a sum is at most 2 * 127 = 254, and 128 pairs (two blocks) 128 * 254 = 32512 <= 32767; then
// 16-bit sums are added to 32-bit ones, which T2's bound in ternary.h covers.
//
// Tables are made for a range of columns, then swept by all rows of the call: 4 blocks are 256
// pairs of 32 bytes, 8 KiB, which stays in level 1 beside the codes.

#ifndef TK_LUT_H
#define TK_LUT_H

#include "ternary/ternary.h"

enum {
  TK_LUT_RANGE = 4,  ///< Blocks of columns whose tables are made at a time.
  TK_LUT_BLOCKS = 2, ///< Blocks that 16-bit sums can take, see above.
  TK_LUT_TABLE = 32, ///< Bytes of the table of a pair of columns.
  TK_LUT_GROUPS = TK_L2_COLUMNS / 4,
};

/// Adds the 32 sums of the panel that begins with row `panel` to those of y that are in [row_begin,
/// row_end).
static inline void tk_lut_add(const int32_t sums[TK_L2_ROWS], size_t panel, size_t row_begin,
                              size_t row_end, int32_t *y) {
  size_t begin = panel < row_begin ? row_begin : panel;
  size_t end = panel + TK_L2_ROWS < row_end ? panel + TK_L2_ROWS : row_end;
  for (size_t r = begin; r < end; r++) {
    y[r - row_begin] += sums[r - panel];
  }
}

/// What one instruction set brings; tk_lut_gemv does the rest.
typedef struct tk_lut_steps {
  /// Makes the tables of `pairs` pairs of columns.
  void (*build)(const int8_t *q, size_t pairs, uint8_t *tables);
  /// The sums of one panel over `blocks` blocks, at most TK_LUT_RANGE; `codes` is its group 0.
  void (*sweep)(const uint8_t *codes, const uint8_t *tables, size_t blocks,
                int32_t sums[TK_L2_ROWS]);
} tk_lut_steps;

/// tk_gemv by `steps`. Panels that the row range only cuts are computed and partly dropped.
static inline void tk_lut_gemv(const tk_lut_steps *steps, const tk_matrix *w, const int8_t *q,
                               size_t block_begin, size_t block_end, size_t row_begin,
                               size_t row_end, int32_t *y) {
  _Alignas(64) uint8_t tables[TK_LUT_RANGE * TK_L2_COLUMNS / 2 * TK_LUT_TABLE];
  for (size_t r = row_begin; r < row_end; r++) {
    y[r - row_begin] = 0;
  }
  for (size_t b = block_begin; b < block_end; b += TK_LUT_RANGE) {
    size_t blocks = block_end - b < TK_LUT_RANGE ? block_end - b : TK_LUT_RANGE;
    steps->build(q + b * TK_L2_COLUMNS, blocks * TK_L2_COLUMNS / 2, tables);
    for (size_t p = row_begin / TK_L2_ROWS * TK_L2_ROWS; p < row_end; p += TK_L2_ROWS) {
      _Alignas(64) int32_t sums[TK_L2_ROWS];
      steps->sweep(tk_row(TK_LAYOUT_L2, w, p) + b * TK_L2_BYTES, tables, blocks, sums);
      tk_lut_add(sums, p, row_begin, row_end, y);
    }
  }
}

#endif
