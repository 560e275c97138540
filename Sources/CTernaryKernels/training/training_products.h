// Private: products in float32, a part of training_generic.h.
//
// The product C[M, N] (+)= A[M, K] B[K, N] follows Goto: B is packed in panels of 32 columns,
//
//   panel 0: b[0][0..31] b[1][0..31] ... b[K - 1][0..31], panel 1: b[0][32..63] ...
//
// and a tile of TILE_ROWS rows and one panel's columns stays in registers while it goes down K. Of
// K at most 256 are done at a time: that much of a panel, 32 KB, stays in level 1 for all rows of a
// block. An element of C is one chain of fused multiply-adds in the order of K, starting from 0 or
// from what C held: how work is cut into blocks, tiles and calls changes no bit.
//
// TILE_ROWS x TILE_VECTORS accumulators are in registers; a set defines both.

// ---------------------------------------------------------------------------------------------
// Packing
// ---------------------------------------------------------------------------------------------

/// `count` elements of row `k`, from `column` on, as floats; zeros behind them.
static inline __attribute__((always_inline)) void
pack_row(const tk_factor *f, size_t k, size_t column, size_t count, float *out) {
  const size_t start = k * f->stride + column;
  if (f->source == TK_SOURCE_F32) {
    const float *x = (const float *)f->data + start;
    for (size_t i = 0; i < count; i++) {
      out[i] = x[i];
    }
  } else if (f->source == TK_SOURCE_INT8) {
    const int8_t *x = (const int8_t *)f->data + start;
    const float inverse = 1.0f / f->scales[k];
    for (size_t i = 0; i < count; i++) {
      out[i] = (float)x[i] * inverse;
    }
  } else {
    // The steps of tk_ternarize and tk_scale_trits.
    const float *x = (const float *)f->data + start;
    const float g = f->factors[k], beta = f->scales[k], magic = 12582912.0f;
    for (size_t i = 0; i < count; i++) {
      float v = x[i] * g;
      v = v < 1.0f ? v : 1.0f;
      v = v > -1.0f ? v : -1.0f;
      out[i] = ((v + magic) - magic) * beta;
    }
  }
  for (size_t i = count; i < PANEL; i++) {
    out[i] = 0.0f;
  }
}

static void pack_factor(const tk_factor *f, size_t depth_begin, size_t depth_end, float *packed) {
  for (size_t column = 0; column < f->columns; column += PANEL) {
    float *panel = packed + column * f->depth;
    const size_t count = f->columns - column < PANEL ? f->columns - column : PANEL;
    if (f->source == TK_SOURCE_F32_TRANSPOSED) {
      const float *x = (const float *)f->data + column * f->stride;
      for (size_t k = depth_begin; k < depth_end; k++) {
        for (size_t i = 0; i < PANEL; i++) {
          panel[k * PANEL + i] = i < count ? x[i * f->stride + k] : 0.0f;
        }
      }
    } else if (count == PANEL) {
      for (size_t k = depth_begin; k < depth_end; k++) {
        pack_row(f, k, column, PANEL, panel + k * PANEL);
      }
    } else {
      for (size_t k = depth_begin; k < depth_end; k++) {
        pack_row(f, k, column, count, panel + k * PANEL);
      }
    }
  }
}

// ---------------------------------------------------------------------------------------------
// Products
// ---------------------------------------------------------------------------------------------

enum { BLOCK_ROWS = 128, BLOCK_DEPTH = 256, TILE_COLUMNS = TILE_VECTORS * LANES };
_Static_assert(BLOCK_ROWS *BLOCK_DEPTH + TILE_ROWS * BLOCK_DEPTH <= TK_PRODUCT_SCRATCH,
               "blocks of a transposed A fit");

/// One tile: row i of A begins at a + i * row_step, from one k to the next it is depth_step.
static inline __attribute__((always_inline)) void
tile(const float *a, size_t row_step, size_t depth_step, const float *b, size_t depth, float *c,
     size_t c_stride, size_t rows, size_t columns, bool accumulate) {
  v16 acc[TILE_ROWS][TILE_VECTORS];
  const bool whole = rows == TILE_ROWS && columns >= TILE_COLUMNS;
  float part[TILE_ROWS][TILE_COLUMNS];
  if (!accumulate) {
    memset(acc, 0, sizeof acc);
  } else if (whole) {
    for (size_t i = 0; i < TILE_ROWS; i++) {
      memcpy(acc[i], c + i * c_stride, sizeof acc[i]);
    }
  } else {
    memset(part, 0, sizeof part);
    for (size_t i = 0; i < rows; i++) {
      memcpy(part[i], c + i * c_stride, columns * sizeof *c);
    }
    memcpy(acc, part, sizeof acc);
  }
  // Rows past the last repeat it.
  const float *row[TILE_ROWS];
  for (size_t i = 0; i < TILE_ROWS; i++) {
    row[i] = a + (i < rows ? i : rows - 1) * row_step;
  }
  for (size_t k = 0; k < depth; k++) {
    v16 panel[TILE_VECTORS];
    memcpy(panel, b + k * PANEL, sizeof panel);
#pragma clang loop unroll(full)
    for (size_t i = 0; i < TILE_ROWS; i++) {
      const v16 x = (v16){} + row[i][k * depth_step];
#pragma clang loop unroll(full)
      for (size_t j = 0; j < TILE_VECTORS; j++) {
        acc[i][j] = __builtin_elementwise_fma(x, panel[j], acc[i][j]);
      }
    }
  }
  if (whole) {
    for (size_t i = 0; i < TILE_ROWS; i++) {
      memcpy(c + i * c_stride, acc[i], sizeof acc[i]);
    }
  } else {
    memcpy(part, acc, sizeof acc);
    for (size_t i = 0; i < rows; i++) {
      memcpy(c + i * c_stride, part[i], columns * sizeof *c);
    }
  }
}

/// Rows [row, row + rows) and depths [depth, depth + count) of a transposed A, in strips of
/// TILE_ROWS.
static void pack_strips(const tk_product *p, size_t row, size_t rows, size_t depth, size_t count,
                        float *strips) {
  for (size_t k = 0; k < count; k++) {
    const float *x = p->a + (depth + k) * p->a_stride + row;
    size_t i = 0;
    for (; i + TILE_ROWS <= rows; i += TILE_ROWS) {
      memcpy(strips + i * count + k * TILE_ROWS, x + i, TILE_ROWS * sizeof *x);
    }
    if (i < rows) {
      memcpy(strips + i * count + k * TILE_ROWS, x + i, (rows - i) * sizeof *x);
    }
  }
}

static inline __attribute__((always_inline)) void block(const tk_product *p, size_t row,
                                                        size_t rows, size_t depth, size_t count,
                                                        const float *a, size_t strip_step,
                                                        size_t row_step, size_t depth_step) {
  const bool accumulate = p->accumulate || depth > 0;
  for (size_t column = 0; column < p->columns; column += TILE_COLUMNS) {
    const float *b = p->b + column / PANEL * PANEL * p->b_depth + depth * PANEL + column % PANEL;
    const size_t columns = p->columns - column < TILE_COLUMNS ? p->columns - column : TILE_COLUMNS;
    for (size_t i = 0; i < rows; i += TILE_ROWS) {
      const size_t rest = rows - i < TILE_ROWS ? rows - i : TILE_ROWS;
      tile(a + i * strip_step, row_step, depth_step, b, count,
           p->c + (row + i) * p->c_stride + column, p->c_stride, rest, columns, accumulate);
    }
  }
}

static void product(const tk_product *p, size_t row_begin, size_t row_end, float *scratch) {
  for (size_t row = row_begin; row < row_end; row += BLOCK_ROWS) {
    const size_t rows = row_end - row < BLOCK_ROWS ? row_end - row : BLOCK_ROWS;
    for (size_t depth = 0; depth < p->depth; depth += BLOCK_DEPTH) {
      const size_t count = p->depth - depth < BLOCK_DEPTH ? p->depth - depth : BLOCK_DEPTH;
      if (p->a_is_transposed) {
        pack_strips(p, row, rows, depth, count, scratch);
        block(p, row, rows, depth, count, scratch, count, 1, TILE_ROWS);
      } else {
        block(p, row, rows, depth, count, p->a + row * p->a_stride + depth, p->a_stride,
              p->a_stride, 1);
      }
    }
  }
}

// ---------------------------------------------------------------------------------------------
// Dot products in the 16-lane order
// ---------------------------------------------------------------------------------------------

enum { DOT = 4 }; ///< Tokens, and rows, of a tile.

/// The tree over the lanes of 16 vectors at once; v[0][i] gets the sum of v[i].
static inline __attribute__((always_inline)) void lane_sums(v16 v[LANES]) {
#pragma clang loop unroll(full)
  for (size_t i = 0; i < 8; i++) {
    const v16 a = v[2 * i], b = v[2 * i + 1];
    v[i] =
        __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
        __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  }
#pragma clang loop unroll(full)
  for (size_t i = 0; i < 4; i++) {
    const v16 a = v[2 * i], b = v[2 * i + 1];
    v[i] =
        __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
        __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
  }
#pragma clang loop unroll(full)
  for (size_t i = 0; i < 2; i++) {
    const v16 a = v[2 * i], b = v[2 * i + 1];
    v[i] =
        __builtin_shufflevector(a, b, 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29) +
        __builtin_shufflevector(a, b, 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31);
  }
  const v16 a = v[0], b = v[1];
  v[0] = __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30) +
         __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}

static void dot_products(const float *x, size_t x_stride, size_t tokens, const float *w,
                         size_t columns, size_t row_begin, size_t row_end, float *y,
                         size_t y_stride) {
  for (size_t row = row_begin; row < row_end; row += DOT) {
    for (size_t token = 0; token < tokens; token += DOT) {
      const float *xs[DOT], *ws[DOT];
      for (size_t i = 0; i < DOT; i++) {
        xs[i] = x + (token + i < tokens ? token + i : tokens - 1) * x_stride;
        ws[i] = w + (row + i < row_end ? row + i : row_end - 1) * columns;
      }
      v16 lanes[DOT * DOT];
      memset(lanes, 0, sizeof lanes);
      for (size_t c = 0; c < columns; c += LANES) {
        v16 b[DOT];
#pragma clang loop unroll(full)
        for (size_t i = 0; i < DOT; i++) {
          memcpy(&b[i], ws[i] + c, sizeof b[i]);
        }
#pragma clang loop unroll(full)
        for (size_t t = 0; t < DOT; t++) {
          v16 a;
          memcpy(&a, xs[t] + c, sizeof a);
#pragma clang loop unroll(full)
          for (size_t r = 0; r < DOT; r++) {
            // Weight first, then activation, as in tk_dense_gemv; a product has no order.
            lanes[t * DOT + r] = __builtin_elementwise_fma(b[r], a, lanes[t * DOT + r]);
          }
        }
      }
      lane_sums(lanes);
      float sums[DOT][DOT];
      memcpy(sums, &lanes[0], sizeof sums);
      const size_t rows = row_end - row < DOT ? row_end - row : DOT;
      for (size_t t = 0; t < DOT && token + t < tokens; t++) {
        float *out = y + (token + t) * y_stride + row;
        if (rows == DOT) {
          memcpy(out, sums[t], sizeof sums[t]);
        } else {
          memcpy(out, sums[t], rows * sizeof *y);
        }
      }
    }
  }
}
