// Private: how packed matrices lie in memory. A layout is described in one place, tk_describe();
// its codes are packed and unpacked in layout.c.
//
// To add one: its name in CTernaryKernels.h, its picture and its case of tk_describe() here, its
// codes in layout.c, and its rows of the scalar set in dispatch.c, which every other set borrows
// until it has kernels of its own (kernels.h). The compiler then lists the switches that lack it.
//
// A packed matrix is a sequence of tiles of 4 rows, a tile a sequence of blocks of columns, a block
// 32 bytes of row 0, of row 1, of row 2, of row 3. That way GEMV reads one sequential stream, and
// a block's activations are loaded once for four rows.
//
//   tile 0 | block 0: row 0 (32 B), row 1, row 2, row 3 | block 1: row 0, ... | ...
//   tile 1 | ...
//
// T2, 128 columns in 32 bytes: byte j = u[j] | u[32+j] << 2 | u[64+j] << 4 | u[96+j] << 6, u =
// trit+1.
//
// T5, 160 columns in 32 bytes: byte j codes the five trits t0..t4 of columns j, 32+j, 64+j, 96+j,
// 128+j so that two 4-bit look-ups undo it. Let l = t0 + 3 t1 + 9 t2, in [-13, 13]. If l < 0, all
// five trits are negated and s = 1, else s = 0. Now l is in [0, 13]; h = (t3 + 1) + 3 (t4 + 1) in
// [0, 8]:
//
//   bit        7   6  5  4   3   2  1  0
//   h <= 7     s   L3 L2 L1  L0  H2 H1 H0      l in bits 6-3, h in bits 2-0
//   h == 8     s   1  1  1   L3  L2 L1 L0      l never reaches 14, so 111 in bits 6-4 is free
//
// 3^5 = 243 of the 256 bytes occur. Five zeros are 0x04, so padding is not all zero bits.
//
// L2, for the look-ups of lut_*.c: panels of 32 rows with a row in each byte lane, 4 columns a
// byte. A row of a panel begins at its lane and goes on every 32 bytes, so that rows can be packed
// alone:
//
//   panel 0 | group 0 (columns 0-3): row 0, row 1, ... row 31 | group 1 (columns 4-7): ... | ...
//   byte = u[0] | u[1] << 2 | u[2] << 4 | u[3] << 6, u = trit + 1

#ifndef TK_LAYOUT_H
#define TK_LAYOUT_H

#include "CTernaryKernels.h"

enum {
  TK_BLOCK_BYTES = 32,                           ///< Bytes of one row in one block.
  TK_TILE_BYTES = TK_TILE_ROWS * TK_BLOCK_BYTES, ///< Bytes of one tile in one block.
  TK_T2_COLUMNS = 128,
  TK_T5_COLUMNS = 160,
  TK_L2_COLUMNS = 128,
  TK_MOST_COLUMNS = TK_T5_COLUMNS, ///< Columns of a block in the layout that has most.
  TK_L2_ROWS = 32,                 ///< Rows of a panel, and bytes of a group of 4 columns.
  TK_L2_BYTES = TK_L2_COLUMNS / 4 * TK_L2_ROWS, ///< Bytes of one panel in one block.
};

/// Codes the trits of one row in one block, which begins at `lane`.
typedef void tk_pack_function(const int8_t *trits, uint8_t *lane);
/// The inverse, in column order.
typedef void tk_unpack_function(const uint8_t *lane, int8_t *trits);

tk_pack_function tk_pack_t2, tk_pack_t5, tk_pack_l2;
tk_unpack_function tk_unpack_t2, tk_unpack_t5, tk_unpack_l2;

/// Everything that code for all layouts needs to know of one.
typedef struct tk_layout_description {
  const char *name;
  size_t columns;  ///< Of a block.
  size_t rows;     ///< Of a tile or panel: they lie together, and a matrix is padded to them.
  size_t row_step; ///< Bytes from one of these rows to the next.
  size_t bytes;    ///< Of these rows in one block.
  uint8_t zero;    ///< A byte of zero trits.
  /// Activation rows up to which GEMM is one GEMV for each of them.
  size_t gemv_batch;
  tk_pack_function *pack;
  tk_unpack_function *unpack;
} tk_layout_description;

/// Members are constants where `layout` is one.
static inline tk_layout_description tk_describe(tk_layout layout) {
  switch (layout) {
  case TK_LAYOUT_T2:
    return (tk_layout_description){
        .name = "T2",
        .columns = TK_T2_COLUMNS,
        .rows = TK_TILE_ROWS,
        .row_step = TK_BLOCK_BYTES,
        .bytes = TK_TILE_BYTES,
        .zero = 0x55,
        .pack = tk_pack_t2,
        .unpack = tk_unpack_t2,
    };
  case TK_LAYOUT_T5:
    return (tk_layout_description){
        .name = "T5",
        .columns = TK_T5_COLUMNS,
        .rows = TK_TILE_ROWS,
        .row_step = TK_BLOCK_BYTES,
        .bytes = TK_TILE_BYTES,
        .zero = 0x04,
        .pack = tk_pack_t5,
        .unpack = tk_unpack_t5,
    };
  case TK_LAYOUT_L2:
    return (tk_layout_description){
        .name = "L2",
        .columns = TK_L2_COLUMNS,
        .rows = TK_L2_ROWS,
        .row_step = 1,
        .bytes = TK_L2_BYTES,
        .zero = 0x55,
        .gemv_batch = 16, // what it costs to take its bytes apart for GEMM
        .pack = tk_pack_l2,
        .unpack = tk_unpack_l2,
    };
  }
  __builtin_trap(); // there is no such layout
}

/// Blocks that cover `columns` columns.
static inline size_t tk_block_count(tk_layout layout, size_t columns) {
  const size_t block = tk_describe(layout).columns;
  return (columns + block - 1) / block;
}

/// Where row `row` of a matrix in `layout` begins: block b is b times `bytes` further.
static inline const uint8_t *tk_row(tk_layout layout, const tk_matrix *w, size_t row) {
  const tk_layout_description d = tk_describe(layout);
  const size_t together = tk_block_count(layout, w->columns) * d.bytes;
  return w->data + row / d.rows * together + row % d.rows * d.row_step;
}

/// tk_row of a layout in tiles, whichever it is.
static inline const uint8_t *tk_packed_row(const tk_matrix *w, size_t row) {
  const size_t tile = tk_block_count(w->layout, w->columns) * TK_TILE_BYTES;
  return w->data + row / TK_TILE_ROWS * tile + row % TK_TILE_ROWS * TK_BLOCK_BYTES;
}

#endif
