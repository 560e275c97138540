// The kernels that skip zeros in plain C: the specification that every instruction set equals.

#include "sparse/sparse.h"

static size_t active(const float *x, size_t n, int32_t *list) {
  size_t count = 0;
  for (size_t i = 0; i < n; i++) {
    if (!(x[i] <= 0.0f)) { // NaN is kept, so that damage shows
      list[count++] = (int32_t)i;
    }
  }
  return count;
}

static size_t nonzero(const int8_t *q, size_t n, int32_t *list) {
  size_t count = 0;
  for (size_t i = 0; i < n; i++) {
    if (q[i] != 0) {
      list[count++] = (int32_t)i;
    }
  }
  return count;
}

static void gemv_rows(const tk_strands *w, const int8_t *q, int32_t sum, const int32_t *list,
                      size_t begin, size_t end, int32_t *y) {
  (void)sum;
  const tk_layout_description d = tk_describe_strand(w->layout);
  const size_t width = d.columns;
  for (size_t i = begin; i < end; i++) {
    size_t row = tk_strand_at(list, i);
    const uint8_t *bytes = w->data + row * tk_strand_bytes(w);
    int32_t total = 0;
    for (size_t c = 0; c < w->length; c += width, bytes += TK_BLOCK_BYTES) {
      int8_t trits[TK_MOST_COLUMNS];
      d.unpack(bytes, trits);
      for (size_t j = 0; j < width; j++) {
        total += tk_term(trits[j], q[c + j]);
      }
    }
    y[row] = total;
  }
}

static void gemv_columns(const tk_strands *w, const int8_t *q, int32_t sum, const int32_t *list,
                         size_t count, size_t row_begin, size_t row_end, int32_t *y) {
  (void)sum;
  const tk_layout_description d = tk_describe_strand(w->layout);
  const size_t width = d.columns;
  for (size_t r = row_begin; r < row_end; r += width) {
    size_t rows = row_end - r < width ? row_end - r : width;
    const uint8_t *block = w->data + r / width * TK_BLOCK_BYTES;
    int32_t total[TK_MOST_COLUMNS] = {0};
    for (size_t i = 0; i < count; i++) {
      size_t column = tk_strand_at(list, i);
      int8_t trits[TK_MOST_COLUMNS];
      d.unpack(block + column * tk_strand_bytes(w), trits);
      for (size_t j = 0; j < rows; j++) {
        total[j] += tk_term(trits[j], q[column]);
      }
    }
    for (size_t j = 0; j < rows; j++) {
      y[r - row_begin + j] = total[j];
    }
  }
}

static void split_t5(const uint8_t *codes, size_t n, uint8_t *low, uint8_t *high) {
  for (size_t i = 0; i < n; i += TK_BLOCK_BYTES) {
    int8_t t[TK_T5_COLUMNS];
    tk_unpack_t5(codes + i, t);
    for (size_t j = 0; j < TK_BLOCK_BYTES; j++) {
      low[i + j] = (uint8_t)((t[j] + 1) | (t[32 + j] + 1) << 2 | (t[64 + j] + 1) << 4);
      high[i + j] = (uint8_t)((t[96 + j] + 1) | (t[128 + j] + 1) << 2);
    }
  }
}

const tk_list_kernels tk_lists_scalar = {active, nonzero};
const tk_sparse_kernels tk_sparse_scalar = {gemv_rows, gemv_columns};
const tk_split_kernels tk_split_scalar = {split_t5};
