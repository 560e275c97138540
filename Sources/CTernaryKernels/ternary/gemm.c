// GEMM by panels, the part that all instruction sets share. A set that has a product of its own
// uses it first: AMX for everything, AVX2 for as many rows and tokens as its look-ups pay for.
//
// For a range of columns (at most 2048) and of tokens (128), the codes of 8 rows at a time are
// unpacked into `scratch` and serve all those tokens, a few at a time:
//
//   columns range > tokens range > 8 rows (unpack) > a few tokens > 4 rows (multiply)
//
// Instruction sets with more registers take 32 rows for both steps, and wider ranges; their 80 KiB
// of codes come from level 2, which is enough where each serves ten tokens.
//
// While one panel is multiplied the packed codes of the next are asked for. The end of a tile,
// which subtracts, adds and scales its sums, is the activation kernels' (finish.h).
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

/// Packed codes in memory: `count` tiles, `stride` bytes apart, of which `lines` cache lines count.
typedef struct tiles {
  const uint8_t *first;
  size_t count, stride, lines;
  size_t line; ///< Of the first tile, that comes next.
} tiles;

/// A range of columns of one panel: what the inner loops need to know.
typedef struct panel {
  const uint8_t *codes;
  size_t columns; ///< Whole blocks, including padding.
  size_t rows;    ///< Rows to write, at least one.
  bool first;     ///< Whether y is still unwritten.
  bool last;      ///< Whether no columns follow.
  tiles next;     ///< Those of the next panel.
} panel;

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

/// Asks for the next `count` lines of some tiles, one tile after the other, and leaves what
/// follows. Spread over the multiplications of one panel, the codes of the next come from memory
/// while nobody waits for them.
static void prefetch(tiles *next, size_t count) {
  for (; count > 0 && next->count > 0; count--) {
    __builtin_prefetch(next->first + next->line * 64, 0, 3);
    if (++next->line == next->lines && --next->count > 0) {
      next->first += next->stride;
      next->line = 0;
    }
  }
}

/// What a product does with its sums.
typedef struct ending {
  const tk_activation_kernels *activations;
  const int32_t *sums;
  const tk_scaling *scaling; ///< NULL where y stays int32.
} ending;

/// One panel with `tokens` tokens, those from `token` on; `row` is its first, of those of y.
static void sweep(const tk_gemm_kernels *k, const panel *p, const ending *e, size_t row,
                  size_t token, const int8_t *q, size_t q_stride, size_t tokens, int32_t *y,
                  size_t y_stride) {
  int32_t out[TK_MAX_TOKENS * TK_MAX_PANEL_ROWS];
  const tk_scaling *scaling = p->last ? e->scaling : NULL;
  tk_tile_end end = {0};
  tiles next = p->next;
  const size_t groups = (tokens + k->tokens - 1) / k->tokens;
  const size_t step = (next.count * next.lines + groups - 1) / groups;
  for (size_t t = 0; t < tokens; t += k->tokens) {
    end.tokens = tokens - t < k->tokens ? tokens - t : k->tokens;
    end.sums = p->first ? e->sums + token + t : NULL;
    end.scales = scaling ? scaling->scales + token + t : NULL;
    end.beta_stride = scaling ? scaling->beta_stride : 0;
    prefetch(&next, step);
    for (size_t r = 0; r < p->rows; r += k->rows) {
      end.rows = p->rows - r < k->rows ? p->rows - r : k->rows;
      end.beta = scaling ? scaling->beta + (row + r) * scaling->beta_stride : NULL;
      k->multiply(p->codes + r * TK_PANEL_COLUMNS, p->columns, q + t * q_stride, q_stride,
                  end.tokens, out);
      e->activations->finish(out, k->rows, &end, y + t * y_stride + r, y_stride);
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

/// Up to `rows` rows from `row` on, of `blocks` blocks from `block` on; none of a layout without
/// tiles. They are most likely multiplied next, even where they are another call's.
static tiles next_tiles(const tk_matrix *w, size_t row, size_t rows, size_t block, size_t blocks) {
  if (row >= w->rows || tk_describe(w->layout).rows != TK_TILE_ROWS) {
    return (tiles){0};
  }
  const size_t left = w->rows - row < rows ? w->rows - row : rows;
  return (tiles){
      tk_packed_row(w, row) + block * TK_TILE_BYTES, (left + TK_TILE_ROWS - 1) / TK_TILE_ROWS,
      tk_block_count(w->layout, w->columns) * TK_TILE_BYTES, blocks * TK_TILE_BYTES / 64, 0};
}

void tk_scale_tokens(const tk_activation_kernels *activations, const tk_scaling *scaling,
                     size_t tokens, size_t rows, int32_t *y, size_t y_stride) {
  for (size_t t = 0; t < tokens; t++, y += y_stride) {
    activations->dequantize(y, rows, scaling->scales[t], scaling->beta, scaling->beta_stride,
                            (float *)y);
  }
}

static bool is_product_best(const tk_gemm_kernels *k, size_t rows, size_t batch) {
  return k->product && rows >= k->product->least_rows && batch >= k->product->least_tokens;
}

size_t tk_gemm_panels_sweep(const tk_gemm_kernels *k, size_t batch, size_t threads) {
  if (!k->product) {
    return extent_of(k).tokens;
  }
  // What is made for some tokens serves all rows: threads share tokens, if these are enough.
  const size_t most = k->product->tokens, each = (batch + threads - 1) / threads;
  return each < k->product->least_tokens || each > most || most == SIZE_MAX ? most : each;
}

size_t tk_gemm_panels_rows(const tk_gemm_kernels *k, size_t rows, size_t batch, size_t threads) {
  if (is_product_best(k, rows, batch)) {
    // No more than a thread's share, but as many as pay.
    const size_t share = (rows + threads * TK_MAX_PANEL_ROWS - 1) / (threads * TK_MAX_PANEL_ROWS);
    const size_t each = share * TK_MAX_PANEL_ROWS;
    const size_t wanted = each < k->product->least_rows ? k->product->least_rows : each;
    return wanted < k->product->rows ? wanted : k->product->rows;
  }
  return k->unpack_panel ? k->rows : TK_PANEL_ROWS;
}

void tk_gemm_panels(const tk_gemm_kernels *k, const tk_activation_kernels *activations,
                    const tk_matrix *w, const int8_t *q, size_t q_stride, const int32_t *sums,
                    const tk_scaling *scaling, size_t batch, size_t row_begin, size_t row_end,
                    int32_t *y, size_t y_stride, void *scratch) {
  size_t done = 0;
  if (is_product_best(k, row_end - row_begin, batch)) {
    done = k->product->multiply(k, w, q, q_stride, sums, batch, row_begin, row_end, y, y_stride,
                                scratch);
    if (scaling) {
      tk_scale_tokens(activations, scaling, done, row_end - row_begin, y, y_stride);
    }
    if (done == batch) {
      return;
    }
  }
  const ending ending = {activations, sums, scaling};
  size_t width = tk_describe(w->layout).columns;
  size_t blocks = tk_block_count(w->layout, w->columns);
  extent extent = extent_of(k);
  size_t most = extent.columns / width;
  size_t ranges = (blocks + most - 1) / most;
  size_t step = ranges > 0 ? (blocks + ranges - 1) / ranges : 0; // ranges of about equal size
  size_t height = k->unpack_panel ? k->rows : TK_PANEL_ROWS;
  for (size_t b = 0; b < blocks; b += step) {
    size_t count = blocks - b < step ? blocks - b : step;
    for (size_t t = done; t < batch; t += extent.tokens) {
      size_t tokens = batch - t < extent.tokens ? batch - t : extent.tokens;
      for (size_t r = row_begin; r < row_end; r += height) {
        size_t rows = row_end - r < height ? row_end - r : height;
        panel p = {scratch, count * width,       rows,
                   b == 0,  b + count == blocks, next_tiles(w, r + height, height, b, count)};
        unpack(k, w, r, p.rows, b, count, scratch);
        sweep(k, &p, &ending, r - row_begin, t, q + t * q_stride + b * width, q_stride, tokens,
              y + t * y_stride + r - row_begin, y_stride);
      }
    }
  }
}
