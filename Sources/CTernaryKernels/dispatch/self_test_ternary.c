// The ternary half of tk_self_test: every kernel once against scalar, on a matrix small enough for
// the stack and large enough to fill and flush the 16-bit sums of both layouts.
//
// Some virtual machines announce instructions that they do not run correctly; a kernel set is used
// only after it has agreed with scalar.

#include "dispatch/self_test.h"

#include <string.h>

enum {
  ROWS = 7, // one whole tile and one with a padding row
  // 9 T5 blocks, the last one of 10 columns, or 11 T2 blocks: past the flush after 8.
  COLUMNS = 8 * TK_T5_COLUMNS + 10,
  TOKENS = 12, // whole and partial groups of 2, 3, 4 and 10 tokens
  STRIDE = COLUMNS + TK_ACTIVATION_PADDING,
  PACKED = 11 * TK_L2_BYTES, // the largest of the layouts

  // For kernels that take 16 or 32 rows and tokens at a time: whole groups and some more. Of
  // columns 3 blocks, which of T5 are seven and a half groups of 64.
  WIDE_ROWS = 32 + 5,
  WIDE_COLUMNS = 2 * TK_T5_COLUMNS + 10,
  WIDE_TOKENS = 32 + 3,
  WIDE_STRIDE = WIDE_COLUMNS + TK_ACTIVATION_PADDING,

  MOST_SUMS = WIDE_TOKENS * WIDE_ROWS,
  MOST_ACTIVATIONS = WIDE_TOKENS * WIDE_STRIDE,
};

_Static_assert(TOKENS *ROWS <= MOST_SUMS && TOKENS * STRIDE <= MOST_ACTIVATIONS,
               "there is room for either shape");

typedef struct inputs {
  _Alignas(64) uint8_t packed[PACKED];
  size_t rows, columns, tokens, stride;
  int8_t q[MOST_ACTIVATIONS];
  int32_t sums[WIDE_TOKENS];
} inputs;

/// A small generator (Numerical Recipes' constants); the high bits are good enough here.
static uint32_t next(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 16;
}

static bool same_quantize(const tk_activation_kernels *k, const tk_activation_kernels *scalar) {
  float x[COLUMNS], expected_y[COLUMNS], y[COLUMNS];
  int8_t expected_q[STRIDE], q[STRIDE];
  int32_t expected_sum, sum, acc[COLUMNS];
  uint32_t state = 1;
  for (size_t i = 0; i < COLUMNS; i++) {
    x[i] = ((float)(next(&state) % 509) - 254.0f) * 0.5f; // scale 1: every other value is a tie
    acc[i] = (int32_t)(next(&state) << 14) - (1 << 29);   // more than float's 24 bits
  }
  x[5] = 127.0f;
  float expected_scale = scalar->quantize(x, COLUMNS, expected_q, &expected_sum);
  float scale = k->quantize(x, COLUMNS, q, &sum);
  scalar->dequantize(acc, COLUMNS, 3.7f, x, 1, expected_y);
  k->dequantize(acc, COLUMNS, 3.7f, x, 1, y);
  return memcmp(&scale, &expected_scale, sizeof scale) == 0 && sum == expected_sum &&
         memcmp(q, expected_q, sizeof q) == 0 && memcmp(y, expected_y, sizeof y) == 0;
}

/// Ends of tiles of every height, whole and not: the first columns or more, the last or not.
static bool same_finish(const tk_activation_kernels *k, const tk_activation_kernels *scalar) {
  enum { FINISHED = 3, STEP = 40 };
  static const size_t tiles[] = {TK_TILE_ROWS, TK_PANEL_ROWS, TK_MAX_PANEL_ROWS};
  int32_t out[FINISHED * TK_MAX_PANEL_ROWS], sums[FINISHED] = {-7, 0, 12345};
  const float scales[FINISHED] = {3.7f, 0.013f, 127};
  float beta[TK_MAX_PANEL_ROWS];
  uint32_t state = 3;
  for (size_t i = 0; i < FINISHED * TK_MAX_PANEL_ROWS; i++) {
    out[i] = (int32_t)(next(&state) << 13) - (1 << 28);
    beta[i % TK_MAX_PANEL_ROWS] = (float)out[i] / 3;
  }
  for (size_t i = 0; i < 3 * 16; i++) {
    const size_t tile = tiles[i / 16];
    const tk_tile_end end = {.rows = tile - (i & 1),
                             .tokens = FINISHED,
                             .sums = i & 2 ? sums : NULL,
                             .scales = i & 4 ? scales : NULL,
                             .beta = beta,
                             .beta_stride = i & 8 ? 1 : 0};
    int32_t expected[FINISHED * STEP], y[FINISHED * STEP];
    for (size_t j = 0; j < FINISHED * STEP; j++) {
      expected[j] = y[j] = (int32_t)(next(&state) << 12);
    }
    scalar->finish(out, tile, &end, expected, STEP);
    k->finish(out, tile, &end, y, STEP);
    if (memcmp(y, expected, sizeof y) != 0) {
      return false;
    }
  }
  return true;
}

/// Token 0 and row 0 are the largest values there are, the rest is random. `in` has its shape.
static tk_matrix fill(inputs *in, tk_layout layout) {
  if (tk_packed_size(layout, in->rows, in->columns) > PACKED) {
    __builtin_trap(); // a new layout needs more
  }
  uint32_t state = 2;
  for (size_t tile = 0; tile < in->rows; tile += TK_TILE_ROWS) {
    int8_t trits[TK_TILE_ROWS * COLUMNS];
    size_t end = tile + TK_TILE_ROWS < in->rows ? tile + TK_TILE_ROWS : in->rows;
    for (size_t i = 0; i < (end - tile) * in->columns; i++) {
      trits[i] = tile == 0 && i < in->columns ? 1 : (int8_t)(next(&state) % 3) - 1;
    }
    tk_pack(layout, trits, in->rows, in->columns, tile, end, in->packed);
  }
  memset(in->q, 0, sizeof in->q);
  for (size_t t = 0; t < in->tokens; t++) {
    in->sums[t] = 0;
    for (size_t c = 0; c < in->columns; c++) {
      int value = t == 0 ? 127 : (int)(next(&state) % 255) - 127;
      in->q[t * in->stride + c] = (int8_t)value;
      in->sums[t] += value;
    }
  }
  return (tk_matrix){in->packed, in->rows, in->columns, layout};
}

static bool same_gemv(const tk_gemv_kernels *k, const tk_gemv_kernels *scalar, const tk_matrix *w,
                      const inputs *in) {
  int32_t expected[ROWS], y[ROWS];
  size_t blocks = tk_block_count(w->layout, w->columns);
  for (size_t t = 0; t < 2; t++) {
    const int8_t *q = in->q + t * in->stride;
    scalar->gemv(w, q, in->sums[t], 0, blocks, 0, ROWS, expected);
    k->gemv(w, q, in->sums[t], 0, blocks, 0, ROWS, y);
    if (memcmp(y, expected, sizeof y) != 0) {
      return false;
    }
  }
  return true;
}

/// One batch by panels, and again to floats, against the sums that scalar found.
static bool same_panels(const tk_kernels *k, const tk_kernels *scalar, const tk_matrix *w,
                        const inputs *in, size_t batch, const int32_t *expected, void *scratch) {
  const tk_gemm_kernels *panels = tk_gemm_of(k, w->layout);
  const tk_activation_kernels *activations = tk_activations_of(k);
  float scales[WIDE_TOKENS], beta[WIDE_ROWS];
  for (size_t t = 0; t < batch; t++) {
    scales[t] = 3.7f + (float)t;
  }
  for (size_t r = 0; r < w->rows; r++) {
    beta[r] = 0.3f - (float)r;
  }
  const tk_scaling scaling = {scales, beta, batch % 2};
  int32_t y[MOST_SUMS], scaled[MOST_SUMS];
  const size_t size = batch * w->rows * sizeof *y;
  tk_gemm_panels(panels, activations, w, in->q, in->stride, in->sums, NULL, batch, 0, w->rows, y,
                 w->rows, scratch);
  if (memcmp(y, expected, size) != 0) {
    return false;
  }
  tk_gemm_panels(panels, activations, w, in->q, in->stride, in->sums, &scaling, batch, 0, w->rows,
                 scaled, w->rows, scratch);
  tk_scale_tokens(tk_activations_of(scalar), &scaling, batch, w->rows, y, w->rows);
  return memcmp(scaled, y, size) == 0;
}

/// What a set computes in an order of its own of a batch.
static bool same_product(const tk_kernels *k, const tk_matrix *w, const inputs *in, size_t batch,
                         const int32_t *expected, void *scratch) {
  const tk_gemm_kernels *panels = tk_gemm_of(k, w->layout);
  int32_t y[MOST_SUMS];
  const size_t done = panels->product->multiply(panels, w, in->q, in->stride, in->sums, batch, 0,
                                                w->rows, y, w->rows, scratch);
  return memcmp(y, expected, done * w->rows * sizeof *y) == 0;
}

/// Small batches by both kernels, if they take them: which is faster is another matter.
static bool same_gemm(const tk_kernels *k, const tk_kernels *scalar, const tk_matrix *w,
                      const inputs *in) {
  _Alignas(64) uint8_t scratch[TK_MAX_PANEL_BYTES];
  if (tk_gemm_scratch_size(k, w) > sizeof scratch) {
    __builtin_trap(); // a new kernel needs more
  }
  const tk_gemm_small_kernels *small = tk_gemm_small_of(k, w->layout);
  const tk_gemm_kernels *panels = tk_gemm_of(k, w->layout);
  // Every small batch has code of its own in most instruction sets.
  static const size_t batches[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, TOKENS, 16, 19, 32, WIDE_TOKENS};
  int32_t expected[MOST_SUMS], y[MOST_SUMS];
  tk_gemm_small_of(scalar, w->layout)
      ->gemm(w, in->q, in->stride, in->sums, in->tokens, 0, w->rows, expected, w->rows);
  for (size_t i = 0; i < sizeof batches / sizeof *batches && batches[i] <= in->tokens; i++) {
    const size_t size = batches[i] * w->rows * sizeof *y;
    if (batches[i] <= TK_SMALL_BATCH) {
      small->gemm(w, in->q, in->stride, in->sums, batches[i], 0, w->rows, y, w->rows);
      if (memcmp(y, expected, size) != 0) {
        return false;
      }
    }
    if (panels->product && !same_product(k, w, in, batches[i], expected, scratch)) {
      return false;
    }
    if ((panels->multiply || panels->product) &&
        !same_panels(k, scalar, w, in, batches[i], expected, scratch)) {
      return false;
    }
  }
  return true;
}

/// Whether a set multiplies more rows at a time than the first shape has.
static bool is_wide(const tk_gemm_kernels *panels) {
  return panels->product || panels->unpack_panel;
}

static const char *gemv_name(tk_layout layout) {
  switch (layout) {
  case TK_LAYOUT_T2:
    return "gemv of T2";
  case TK_LAYOUT_T5:
    return "gemv of T5";
  case TK_LAYOUT_L2:
    return "gemv of L2";
  }
  return "gemv";
}

static const char *gemm_name(tk_layout layout) {
  switch (layout) {
  case TK_LAYOUT_T2:
    return "gemm of T2";
  case TK_LAYOUT_T5:
    return "gemm of T5";
  case TK_LAYOUT_L2:
    return "gemm of L2";
  }
  return "gemm";
}

const char *tk_self_test_ternary(const tk_kernels *k, const tk_kernels *scalar) {
  if (!same_finish(tk_activations_of(k), tk_activations_of(scalar))) {
    return "ends of tiles";
  }
  if (!same_quantize(tk_activations_of(k), tk_activations_of(scalar))) {
    return "quantize or dequantize";
  }
  for (tk_layout layout = 0; layout < TK_LAYOUT_COUNT; layout++) {
    inputs in = {.rows = ROWS, .columns = COLUMNS, .tokens = TOKENS, .stride = STRIDE};
    tk_matrix w = fill(&in, layout);
    if (!same_gemv(tk_gemv_of(k, layout), tk_gemv_of(scalar, layout), &w, &in)) {
      return gemv_name(layout);
    }
    if (!same_gemm(k, scalar, &w, &in)) {
      return gemm_name(layout);
    }
    if (is_wide(tk_gemm_of(k, layout))) {
      in.rows = WIDE_ROWS;
      in.columns = WIDE_COLUMNS;
      in.tokens = WIDE_TOKENS;
      in.stride = WIDE_STRIDE;
      w = fill(&in, layout);
      if (!same_gemm(k, scalar, &w, &in)) {
        return gemm_name(layout);
      }
    }
  }
  return NULL;
}
