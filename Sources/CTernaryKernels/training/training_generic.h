// Private: the training kernels, written once. A file of an instruction set sets its target and the
// size of its tiles, then includes this. Vectors are always 16 floats, the virtual lanes of "Float
// order"; the compiler makes of one as many registers as it takes. Every operation is exact or
// rounded as IEEE says, and none is reordered, so that all sets give the same bits.
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

#include "training/training.h"

typedef float v16 __attribute__((vector_size(64)));
typedef int32_t i16 __attribute__((vector_size(64)));

enum { LANES = 16, PANEL = TK_FACTOR_PANEL };

/// The first `count` of 16 floats, 0 in the other lanes, whose memory is not touched.
static inline __attribute__((always_inline)) void load(v16 *v, const float *p, size_t count) {
  if (count >= LANES) {
    memcpy(v, p, sizeof *v);
  } else {
    float part[LANES] = {0};
    memcpy(part, p, count * sizeof *p);
    memcpy(v, part, sizeof *v);
  }
}

static inline __attribute__((always_inline)) void store(float *p, size_t count, const v16 *v) {
  memcpy(p, v, (count < LANES ? count : LANES) * sizeof *p);
}

static inline __attribute__((always_inline)) void fma16(const v16 *a, const v16 *b, v16 *c) {
  *c = __builtin_elementwise_fma(*a, *b, *c);
}

/// The tree over 16 lanes.
static inline __attribute__((always_inline)) float lane_sum(const v16 *v) {
  float s[LANES];
  memcpy(s, v, sizeof s);
  for (size_t width = 8; width > 0; width /= 2) {
    for (size_t l = 0; l < width; l++) {
      s[l] += s[l + width];
    }
  }
  return s[0];
}

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
        memcpy(y + (token + t) * y_stride + row, sums[t], rows * sizeof *y);
      }
    }
  }
}

// ---------------------------------------------------------------------------------------------
// Gradients
// ---------------------------------------------------------------------------------------------

static void rms_norm_backward(const float *x, const float *weight, const float *dy, size_t n,
                              float eps, float *dx, float *d_weight) {
  v16 squares = {}, dots = {};
  for (size_t i = 0; i < n; i += LANES) {
    v16 a, w, d;
    load(&a, x + i, n - i);
    load(&w, weight + i, n - i);
    load(&d, dy + i, n - i);
    d *= w;
    fma16(&a, &a, &squares);
    fma16(&a, &d, &dots);
  }
  const float r = 1.0f / __builtin_sqrtf(lane_sum(&squares) / (float)n + eps);
  const float along = lane_sum(&dots) * r * r / (float)n;
  for (size_t i = 0; i < n; i += LANES) {
    v16 a, w, d, gradient, weights;
    load(&a, x + i, n - i);
    load(&w, weight + i, n - i);
    load(&d, dy + i, n - i);
    load(&gradient, dx + i, n - i);
    load(&weights, d_weight + i, n - i);
    weights += d * (a * r);
    gradient += (d * w - a * along) * r;
    store(dx + i, n - i, &gradient);
    store(d_weight + i, n - i, &weights);
  }
}

static void relu2_mul_backward(const float *gate, const float *up, const float *dy, size_t n,
                               float *d_gate, float *d_up) {
  for (size_t i = 0; i < n; i += LANES) {
    v16 g, u, d;
    load(&g, gate + i, n - i);
    load(&u, up + i, n - i);
    load(&d, dy + i, n - i);
    g = (v16)((i16)g & (g > 0.0f));
    const v16 du = d * (g * g);
    const v16 dg = d * u * (g + g);
    store(d_gate + i, n - i, &dg);
    store(d_up + i, n - i, &du);
  }
}

static void softmax_backward(const float *p, float *dp, size_t n, float scale) {
  v16 lanes = {};
  for (size_t i = 0; i < n; i += LANES) {
    v16 a, b;
    load(&a, p + i, n - i);
    load(&b, dp + i, n - i);
    fma16(&a, &b, &lanes);
  }
  const float mean = lane_sum(&lanes);
  for (size_t i = 0; i < n; i += LANES) {
    v16 a, b;
    load(&a, p + i, n - i);
    load(&b, dp + i, n - i);
    b = a * (b - mean) * scale;
    store(dp + i, n - i, &b);
  }
}

static float maximum(const float *x, size_t n) {
  v16 largest = (v16){} - __builtin_inff();
  for (size_t i = 0; i < n; i += LANES) {
    v16 a;
    if (n - i >= LANES) {
      load(&a, x + i, LANES);
    } else {
      a = (v16){} + x[i];
      memcpy(&a, x + i, (n - i) * sizeof *x);
    }
    const i16 larger = a > largest;
    largest = (v16)(((i16)a & larger) | ((i16)largest & ~larger));
  }
  float result = largest[0];
  for (size_t l = 1; l < LANES; l++) {
    result = largest[l] > result ? largest[l] : result;
  }
  return result;
}

static void scale(float *x, size_t n, float factor) {
  for (size_t i = 0; i < n; i++) {
    x[i] *= factor;
  }
}

/// Lanes of double, since millions are added.
static double sum_of_squares(const float *x, size_t n) {
  double lanes[LANES] = {0};
  for (size_t i = 0; i + LANES <= n; i += LANES) {
    for (size_t l = 0; l < LANES; l++) {
      lanes[l] += (double)x[i + l] * (double)x[i + l];
    }
  }
  for (size_t i = n / LANES * LANES, l = 0; i < n; i++, l++) {
    lanes[l] += (double)x[i] * (double)x[i];
  }
  double sum = 0;
  for (size_t l = 0; l < LANES; l++) {
    sum += lanes[l];
  }
  return sum;
}

static void adamw(const tk_adamw *step, const float *gradient, size_t n, float *weights,
                  float *mean, float *square) {
  const float keep_mean = step->beta1, keep_square = step->beta2;
  for (size_t i = 0; i < n; i += LANES) {
    v16 g, w, m, s;
    load(&g, gradient + i, n - i);
    load(&w, weights + i, n - i);
    load(&m, mean + i, n - i);
    load(&s, square + i, n - i);
    g *= step->gradient_factor;
    w *= step->decay;
    m = m * keep_mean + g * (1.0f - keep_mean);
    s = s * keep_square + g * g * (1.0f - keep_square);
    const v16 root = __builtin_elementwise_sqrt(s);
    w -= step->rate * m / (root * step->root_factor + step->epsilon);
    store(weights + i, n - i, &w);
    store(mean + i, n - i, &m);
    store(square + i, n - i, &s);
  }
}

#define TK_TRAINING_TABLE                                                                          \
  {pack_factor,      product, dot_products, rms_norm_backward, relu2_mul_backward,                 \
   softmax_backward, maximum, scale,        sum_of_squares,    adamw}
