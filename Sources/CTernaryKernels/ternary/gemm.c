// GEMM by panels, the part that all instruction sets share.
//
// For a range of columns (at most 2048) and of tokens (128), the codes of 8 rows at a time are
// unpacked into `scratch` and serve all those tokens, a few at a time:
//
//   columns range > tokens range > 8 rows (unpack) > a few tokens > 4 rows (multiply)
//
// Instruction sets with more registers take 32 rows for both steps, and wider ranges; their 80 KiB
// of codes come from level 2, which is enough where each serves ten tokens.
//
// The 16 KiB of codes and the few activation rows stay in level 1, the 128 activation rows in
// level 2; unpacking costs a few instructions per 32 codes and is shared by up to 128 tokens.

#include "ternary/ternary.h"

/// The most columns of a panel, and activation rows that are swept with it.
typedef struct extent {
  size_t columns, tokens;
} extent;

static extent extent_of(const tk_gemm_kernels *k) {
  return k->rows == TK_MAX_PANEL_ROWS ? (extent){TK_WIDE_PANEL_COLUMNS, TK_WIDE_PANEL_TOKENS}
                                      : (extent){TK_PANEL_COLUMNS, TK_PANEL_TOKENS};
}

/// A range of columns of one panel: what the inner loops need to know.
typedef struct panel {
  const uint8_t *codes;
  size_t columns; ///< Whole blocks, including padding.
  size_t rows;    ///< Rows to write, at least one.
  bool first;     ///< Whether y is still unwritten.
} panel;

/// Adds one tile's products to y, or starts y with them minus the sums of the activations. `tile`
/// is a constant where this is inlined, and so is `rows` of a whole tile.
static inline __attribute__((always_inline)) void add_rows(const int32_t *restrict out, size_t tile,
                                                           const int32_t *restrict sums,
                                                           size_t tokens, size_t rows, bool first,
                                                           int32_t *restrict y, size_t y_stride) {
  for (size_t t = 0; t < tokens; t++, out += tile, y += y_stride) {
    if (first) {
      for (size_t r = 0; r < rows; r++) {
        y[r] = out[r] - sums[t];
      }
    } else {
      for (size_t r = 0; r < rows; r++) {
        y[r] += out[r];
      }
    }
  }
}

static inline __attribute__((always_inline)) void add_tile(const int32_t *restrict out, size_t tile,
                                                           const int32_t *restrict sums,
                                                           size_t tokens, size_t rows, bool first,
                                                           int32_t *restrict y, size_t y_stride) {
  if (rows == tile) {
    add_rows(out, tile, sums, tokens, tile, first, y, y_stride);
  } else {
    add_rows(out, tile, sums, tokens, rows, first, y, y_stride);
  }
}

void tk_gemm_unpack_l2(const uint8_t *tile, size_t blocks, uint8_t *codes) {
  for (size_t r = 0; r < TK_TILE_ROWS; r++, codes += TK_PANEL_COLUMNS) {
    const uint8_t *lane = tile + r;
    for (size_t g = 0; g < blocks * (TK_L2_COLUMNS / 4); g++) {
      uint32_t byte = lane[g * TK_L2_ROWS];
      uint32_t four = (byte | byte << 6 | byte << 12 | byte << 18) & 0x03030303;
      codes[4 * g] = (uint8_t)four;
      codes[4 * g + 1] = (uint8_t)(four >> 8);
      codes[4 * g + 2] = (uint8_t)(four >> 16);
      codes[4 * g + 3] = (uint8_t)(four >> 24);
    }
  }
}

/// `tile` is k->rows, a constant where this is inlined if that is TK_TILE_ROWS.
static inline __attribute__((always_inline)) void
sweep(const tk_gemm_kernels *k, size_t tile, const panel *p, const int8_t *q, size_t q_stride,
      const int32_t *sums, size_t tokens, int32_t *y, size_t y_stride) {
  int32_t out[TK_MAX_TOKENS * TK_MAX_PANEL_ROWS];
  for (size_t t = 0; t < tokens; t += k->tokens) {
    size_t group = tokens - t < k->tokens ? tokens - t : k->tokens;
    for (size_t r = 0; r < p->rows; r += tile) {
      size_t rows = p->rows - r < tile ? p->rows - r : tile;
      k->multiply(p->codes + r * TK_PANEL_COLUMNS, p->columns, q + t * q_stride, q_stride, group,
                  out);
      add_tile(out, tile, sums + t, group, rows, p->first, y + t * y_stride + r, y_stride);
    }
  }
}

/// Codes of `rows` rows from `row` on, of `blocks` blocks from `block` on.
static void unpack(const tk_gemm_kernels *k, const tk_matrix *w, size_t row, size_t rows,
                   size_t block, size_t blocks, uint8_t *codes) {
  const size_t offset = block * tk_describe(w->layout).bytes;
  if (k->unpack_panel) {
    const size_t stride = tk_block_count(w->layout, w->columns) * TK_TILE_BYTES;
    k->unpack_panel(tk_packed_row(w, row) + offset, stride,
                    (rows + TK_TILE_ROWS - 1) / TK_TILE_ROWS, blocks, codes);
    return;
  }
  for (size_t i = 0; i < rows; i += TK_TILE_ROWS) {
    k->unpack(tk_row(w->layout, w, row + i) + offset, blocks, codes + i * TK_PANEL_COLUMNS);
  }
}

void tk_gemm_panels(const tk_gemm_kernels *k, const tk_matrix *w, const int8_t *q, size_t q_stride,
                    const int32_t *sums, size_t batch, size_t row_begin, size_t row_end, int32_t *y,
                    size_t y_stride, void *scratch) {
  if (k->product) {
    k->product(w, q, q_stride, sums, batch, row_begin, row_end, y, y_stride, scratch);
    return;
  }
  size_t width = tk_describe(w->layout).columns;
  size_t blocks = tk_block_count(w->layout, w->columns);
  extent extent = extent_of(k);
  size_t most = extent.columns / width;
  size_t ranges = (blocks + most - 1) / most;
  size_t step = ranges > 0 ? (blocks + ranges - 1) / ranges : 0; // ranges of about equal size
  size_t height = k->unpack_panel ? k->rows : TK_PANEL_ROWS;
  for (size_t b = 0; b < blocks; b += step) {
    size_t count = blocks - b < step ? blocks - b : step;
    for (size_t t = 0; t < batch; t += extent.tokens) {
      size_t tokens = batch - t < extent.tokens ? batch - t : extent.tokens;
      for (size_t r = row_begin; r < row_end; r += height) {
        panel p = {scratch, count * width, row_end - r < height ? row_end - r : height, b == 0};
        unpack(k, w, r, p.rows, b, count, scratch);
        const int8_t *x = q + t * q_stride + b * width;
        int32_t *out = y + t * y_stride + r - row_begin;
        if (k->rows == TK_TILE_ROWS) {
          sweep(k, TK_TILE_ROWS, &p, x, q_stride, sums + t, tokens, out, y_stride);
        } else {
          sweep(k, k->rows, &p, x, q_stride, sums + t, tokens, out, y_stride);
        }
      }
    }
  }
}
