// tk_self_test of the kernels that skip zeros: every one once against scalar (self_test_ternary.c
// says why), on a matrix small enough for the stack.

#include "dispatch/self_test.h"

#include <string.h>

enum {
  ROWS = 330,   // three blocks, the last one not whole, in both layouts
  COLUMNS = 71, // two whole groups of columns and one that is not
  STRIDE = ROWS + TK_ACTIVATION_PADDING,
  PACKED = COLUMNS * 3 * TK_BLOCK_BYTES,
};

static uint32_t next(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 16;
}

static bool same_lists(const tk_list_kernels *k, const tk_list_kernels *scalar) {
  float x[ROWS];
  int8_t q[STRIDE] = {0};
  int32_t expected[ROWS + 16], list[ROWS + 16];
  uint32_t state = 1;
  for (size_t i = 0; i < ROWS; i++) {
    q[i] = (int8_t)((int)(next(&state) % 5) - 2);
    x[i] = i % 7 == 0 ? __builtin_nanf("") : (float)q[i] * -0.5f;
  }
  size_t count = scalar->active(x, ROWS, expected);
  if (k->active(x, ROWS, list) != count || memcmp(list, expected, count * sizeof *list) != 0) {
    return false;
  }
  count = scalar->nonzero(q, ROWS, expected);
  return k->nonzero(q, ROWS, list) == count && memcmp(list, expected, count * sizeof *list) == 0;
}

/// Lists of one or two whole quads of columns, of less, and of nothing.
static bool same_short_lists(const tk_sparse_kernels *k, const tk_sparse_kernels *scalar,
                             const tk_strands *w, const int8_t *q) {
  static const int32_t list[] = {0, 7, 8, 40, 41, 42, 69, COLUMNS - 1};
  int32_t expected[ROWS], y[ROWS], sum = 0;
  for (size_t count = 0; count <= sizeof list / sizeof *list; count++) {
    scalar->gemv_columns(w, q, sum, list, count, 0, ROWS, expected);
    k->gemv_columns(w, q, sum, list, count, 0, ROWS, y);
    if (memcmp(y, expected, sizeof y) != 0) {
      return false;
    }
    sum += count < sizeof list / sizeof *list ? q[list[count]] : 0;
  }
  return true;
}

/// By rows `w` is [COLUMNS, ROWS], by columns [ROWS, COLUMNS]: the same strands. The first pass has
/// the largest activations there are, and strand 0 only ones.
static bool same_products(const tk_sparse_kernels *k, const tk_sparse_kernels *scalar,
                          const tk_strands *w) {
  int32_t expected[ROWS] = {0}, y[ROWS] = {0}, list[COLUMNS];
  size_t count = 0;
  for (size_t i = 0; i < COLUMNS; i++) {
    if (i % 3 != 1) {
      list[count++] = (int32_t)i;
    }
  }
  uint32_t state = 2;
  for (int pass = 0; pass < 2; pass++) {
    int8_t q[STRIDE] = {0};
    int32_t sum = 0, listed = 0, strands = 0;
    for (size_t i = 0; i < ROWS; i++) {
      q[i] = pass == 0 ? 127 : (int8_t)((int)(next(&state) % 255) - 127);
      sum += q[i];
      listed += i < COLUMNS && i % 3 != 1 ? q[i] : 0;
      strands += i < COLUMNS ? q[i] : 0;
    }
    scalar->gemv_rows(w, q, sum, list, 1, count, expected);
    k->gemv_rows(w, q, sum, list, 1, count, y);
    scalar->gemv_rows(w, q, sum, NULL, COLUMNS - 2, COLUMNS, expected);
    k->gemv_rows(w, q, sum, NULL, COLUMNS - 2, COLUMNS, y);
    if (memcmp(y, expected, sizeof y) != 0) {
      return false;
    }
    scalar->gemv_columns(w, q, listed, list, count, 0, ROWS, expected);
    k->gemv_columns(w, q, listed, list, count, 0, ROWS, y);
    if (memcmp(y, expected, sizeof y) != 0) {
      return false;
    }
    scalar->gemv_columns(w, q, strands, NULL, COLUMNS, 0, ROWS, expected);
    k->gemv_columns(w, q, strands, NULL, COLUMNS, 0, ROWS, y);
    if (memcmp(y, expected, sizeof y) != 0 || !same_short_lists(k, scalar, w, q)) {
      return false;
    }
  }
  return true;
}

static bool same_split(const tk_split_kernels *k, const tk_split_kernels *scalar,
                       const uint8_t *packed) {
  enum { BYTES = 64 };
  uint8_t low[BYTES], high[BYTES], expected_low[BYTES], expected_high[BYTES];
  scalar->split_t5(packed, BYTES, expected_low, expected_high);
  k->split_t5(packed, BYTES, low, high);
  return memcmp(low, expected_low, BYTES) == 0 && memcmp(high, expected_high, BYTES) == 0;
}

static const char *sparse_name(tk_layout layout) {
  switch (layout) {
  case TK_LAYOUT_T2:
    return "sparse gemv of T2";
  case TK_LAYOUT_T5:
    return "sparse gemv of T5";
  case TK_LAYOUT_L2: // has no strands
    break;
  }
  return "sparse gemv";
}

/// The first strands are all ones.
static void fill_strands(tk_layout layout, uint8_t *packed) {
  uint32_t state = 3;
  for (size_t strand = 0; strand < COLUMNS; strand++) {
    int8_t trits[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
      trits[i] = strand < 40 ? 1 : (int8_t)(next(&state) % 3) - 1;
    }
    tk_pack_rows(layout, trits, ROWS, strand, strand + 1, packed);
  }
}

const char *tk_self_test_sparse(const tk_kernels *k, const tk_kernels *scalar) {
  if (!same_lists(tk_lists_of(k), tk_lists_of(scalar))) {
    return "active or nonzero";
  }
  for (tk_layout layout = 0; layout < TK_LAYOUT_COUNT; layout++) {
    if (!tk_has_strands(layout)) {
      continue;
    }
    _Alignas(64) uint8_t packed[PACKED];
    fill_strands(layout, packed);
    const tk_strands w = {packed, COLUMNS, ROWS, layout};
    if (!same_products(tk_sparse_of(k, layout), tk_sparse_of(scalar, layout), &w)) {
      return sparse_name(layout);
    }
    if (layout == TK_LAYOUT_T5 &&
        !same_split(tk_split_of(k), tk_split_of(scalar), packed + 40 * 64)) {
      return "split of T5";
    }
  }
  return NULL;
}
