// Private to the ternary half of CTernaryKernels: constants of the packed layouts, the T5 code, and
// the GEMM driver that the instruction sets share.
//
// A packed matrix is a sequence of tiles of 4 rows, a tile a sequence of blocks of columns, a block
// 32 bytes of row 0, of row 1, of row 2, of row 3. GEMV so reads one sequential stream, and a
// block's activations are loaded once for four rows.
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
//
// Kernels multiply unsigned codes trit + 1 and subtract the sum of the activations at the end:
// sum((t + 1) q) - sum(q) = sum(t q). With |q| <= 127 and columns <= TK_MAX_COLUMNS = 2^23 the
// first sum is at most 2 * 127 * 2^23 = 2130706432 < 2^31.

#ifndef TK_TERNARY_H
#define TK_TERNARY_H

#include "kernels.h"

enum {
  TK_BLOCK_BYTES = 32,                           ///< Bytes of one row in one block.
  TK_TILE_BYTES = TK_TILE_ROWS * TK_BLOCK_BYTES, ///< Bytes of one tile in one block.
  TK_T2_COLUMNS = 128,
  TK_T5_COLUMNS = 160,
  TK_T5_ZERO = 0x04, ///< Code of five zero trits.
  TK_L2_ROWS = 32,   ///< Rows of a panel, and bytes of a group of 4 columns.
  TK_L2_COLUMNS = 128,
  TK_L2_BYTES = TK_L2_COLUMNS / 4 * TK_L2_ROWS, ///< Bytes of one panel in one block.

  // GEMM works on panels of unpacked codes: 8 rows x 2048 columns = 16 KiB, half of the smallest
  // level 1 cache in use, beside three activation rows of 2 KiB each. 2048 columns are also as many
  // as 16-bit sums can take (see gemm_avx2.c).
  TK_PANEL_ROWS = 8,
  TK_PANEL_COLUMNS = 2048,
  // Activation rows swept per panel: 128 x 2 KiB = 256 KiB, which stays in a level 2 cache.
  TK_PANEL_TOKENS = 128,
  TK_MAX_TOKENS = 10,     ///< The most tokens an instruction set multiplies at once.
  TK_MAX_PANEL_ROWS = 32, ///< The most rows an instruction set multiplies at once.
  TK_MAX_PANEL_BYTES = TK_MAX_PANEL_ROWS * TK_PANEL_COLUMNS,
};

/// Blocks that cover `columns` columns.
static inline size_t tk_block_count(tk_layout layout, size_t columns) {
  size_t block = layout == TK_LAYOUT_T5 ? TK_T5_COLUMNS : TK_T2_COLUMNS;
  return (columns + block - 1) / block;
}

/// Where row `row` of an L2 matrix begins: group g is g * TK_L2_ROWS further.
static inline const uint8_t *tk_l2_row(const tk_matrix *w, size_t row) {
  size_t panel = tk_block_count(TK_LAYOUT_L2, w->columns) * TK_L2_BYTES;
  return w->data + row / TK_L2_ROWS * panel + row % TK_L2_ROWS;
}

/// Of T2 and T5, the 32 bytes of row `row` in column block 0; block b is b * TK_TILE_BYTES further.
static inline const uint8_t *tk_packed_row(const tk_matrix *w, size_t row) {
  size_t tile = tk_block_count(w->layout, w->columns) * TK_TILE_BYTES;
  return w->data + row / TK_TILE_ROWS * tile + row % TK_TILE_ROWS * TK_BLOCK_BYTES;
}

/// What activations with this largest magnitude are multiplied by: torch's `127 / a`, which is a
/// reciprocal, then a product, each rounded. Rounding once flips int8 ties against transformers.
static inline float tk_activation_scale(float largest) { return (1.0f / largest) * 127.0f; }

/// Codes 128 or 160 trits in 32 bytes of T2 or T5.
void tk_pack_block(tk_layout layout, const int8_t *trits, uint8_t *bytes);
/// Decodes the 32 bytes of one row in one block of T2 or T5 into 128 or 160 trits, in column order.
void tk_unpack_block(tk_layout layout, const uint8_t *bytes, int8_t *trits);
/// Decodes one row in one block of L2, which begins at `lane`, into 128 trits.
void tk_unpack_l2(const uint8_t *lane, int8_t *trits);

/// What one instruction set brings to GEMM; tk_gemm_panels does the rest. Most keep the codes of a
/// row together and multiply one tile at a time; those with wider tiles set the last two members.
typedef struct tk_gemm_steps {
  /// Of T2 and T5, writes the codes trit + 1 of one tile's `blocks` blocks, in column order: row r
  /// of the tile starts at codes + r * TK_PANEL_COLUMNS.
  void (*unpack)(tk_layout layout, const uint8_t *tile, size_t blocks, uint8_t *codes);
  /// out[t * rows + r] = sum of codes[r][c] * q[t * q_stride + c] over c in [0, columns); columns
  /// is a multiple of 32 up to TK_PANEL_COLUMNS, t in [0, tokens), r in [0, rows).
  void (*multiply)(const uint8_t *codes, size_t columns, const int8_t *q, size_t q_stride,
                   size_t tokens, int32_t *out);
  /// The most tokens `multiply` takes, at most TK_MAX_TOKENS.
  size_t tokens;
  /// Rows that `multiply` takes: TK_TILE_ROWS, or with `unpack_panel` up to TK_MAX_PANEL_ROWS.
  size_t rows;
  /// Instead of `unpack`: writes the codes of `tiles` tiles, each tile_stride bytes after the one
  /// before, in whatever order `multiply` reads. `tiles` is less than `rows` needs at the end of a
  /// matrix, where all other codes may be anything.
  void (*unpack_panel)(tk_layout layout, const uint8_t *tile, size_t tile_stride, size_t tiles,
                       size_t blocks, uint8_t *codes);
} tk_gemm_steps;

/// tk_gemm by `steps`.
void tk_gemm_panels(const tk_gemm_steps *steps, const tk_matrix *w, const int8_t *q,
                    size_t q_stride, const int32_t *sums, size_t batch, size_t row_begin,
                    size_t row_end, int32_t *y, size_t y_stride, void *scratch);

#endif
