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

  // GEMM works on panels of unpacked codes: 8 rows x 2048 columns = 16 KiB, half of the smallest
  // level 1 cache in use, beside three activation rows of 2 KiB each. 2048 columns are also as many
  // as 16-bit sums can take (see gemm_avx2.c).
  TK_PANEL_ROWS = 8,
  TK_PANEL_COLUMNS = 2048,
  // Activation rows swept per panel: 128 x 2 KiB = 256 KiB, which stays in a level 2 cache.
  TK_PANEL_TOKENS = 128,
  TK_MAX_TOKENS = 4, ///< The most tokens an instruction set multiplies at once.
};

/// Blocks that cover `columns` columns.
static inline size_t tk_block_count(tk_layout layout, size_t columns) {
  size_t block = layout == TK_LAYOUT_T5 ? TK_T5_COLUMNS : TK_T2_COLUMNS;
  return (columns + block - 1) / block;
}

/// The 32 bytes of row `row` in column block 0; block b is b * TK_TILE_BYTES further.
static inline const uint8_t *tk_packed_row(const tk_matrix *w, size_t row) {
  size_t tile = tk_block_count(w->layout, w->columns) * TK_TILE_BYTES;
  return w->data + row / TK_TILE_ROWS * tile + row % TK_TILE_ROWS * TK_BLOCK_BYTES;
}

/// What activations with this largest magnitude are multiplied by: torch's `127 / a`, which is a
/// reciprocal, then a product, each rounded. Rounding once flips int8 ties against transformers.
static inline float tk_activation_scale(float largest) { return (1.0f / largest) * 127.0f; }

/// Codes 128 or 160 trits in 32 bytes.
void tk_pack_block(tk_layout layout, const int8_t *trits, uint8_t *bytes);
/// Decodes the 32 bytes of one row in one block into 128 or 160 trits, in column order.
void tk_unpack_block(tk_layout layout, const uint8_t *bytes, int8_t *trits);

/// What one instruction set brings to GEMM; tk_gemm_panels does the rest.
typedef struct tk_gemm_steps {
  /// Writes the codes trit + 1 of one tile's `blocks` blocks, in column order: row r of the tile
  /// starts at codes + r * TK_PANEL_COLUMNS.
  void (*unpack)(tk_layout layout, const uint8_t *tile, size_t blocks, uint8_t *codes);
  /// out[t * TK_TILE_ROWS + r] = sum of codes[r][c] * q[t * q_stride + c] over c in [0, columns);
  /// columns is a multiple of 32 up to TK_PANEL_COLUMNS, t in [0, tokens).
  void (*multiply)(const uint8_t *codes, size_t columns, const int8_t *q, size_t q_stride,
                   size_t tokens, int32_t *out);
  /// The most tokens `multiply` takes, at most TK_MAX_TOKENS.
  size_t tokens;
} tk_gemm_steps;

/// tk_gemm by `steps`.
void tk_gemm_panels(const tk_gemm_steps *steps, const tk_matrix *w, const int8_t *q,
                    size_t q_stride, const int32_t *sums, size_t batch, size_t row_begin,
                    size_t row_end, int32_t *y, size_t y_stride, void *scratch);

#endif
