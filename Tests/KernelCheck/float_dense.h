// Checks of dense matrices as they are stored: GEMV of every type, and codecs.

#ifndef TK_FLOAT_DENSE_H
#define TK_FLOAT_DENSE_H

#include "float_inputs.h"

// -- Dense GEMV -----------------------------------------------------------------------------------

/// Random rows of a type: arbitrary codes, finite scales for the quantised types.
static uint8_t *dense_rows(tk_type type, size_t rows, size_t columns, pattern p) {
  const size_t block = tk_type_block_size(type);
  const size_t bytes = tk_type_block_bytes(type);
  const size_t blocks = rows * columns / block;
  uint8_t *data = allocate(blocks * bytes);
  if (block == 1) {
    float *w = floats(rows * columns, p);
    tk_encode(type, w, rows * columns, data);
    free(w);
    return data;
  }
  for (size_t i = 0; i < blocks * bytes; i++) {
    data[i] = (uint8_t)next_random();
  }
  for (size_t b = 0; b < blocks; b++) {
    uint8_t *d = data + b * bytes + (type == TK_Q6_K ? 208 : 0);
    d[1] &= p == ZEROS ? 0x80 : 0xbb;
    d[0] = p == ZEROS ? 0 : d[0];
  }
  return data;
}

static void check_dense_shape(const tk_kernels *k, tk_type type, size_t columns, size_t row_begin,
                              size_t row_end, pattern p) {
  uint8_t *data = dense_rows(type, row_end, columns, p);
  float *x = floats(columns, p);
  const size_t n = row_end - row_begin;
  float *a = floats(n, UNIFORM);
  float *b = floats(n, UNIFORM);
  tk_dense_gemv(k, type, data, columns, x, row_begin, row_end, a);
  tk_dense_gemv(scalar, type, data, columns, x, row_begin, row_end, b);
  char shape[96];
  snprintf(shape, sizeof shape, "type %d, rows %zu ..< %zu, %zu columns, pattern %d", (int)type,
           row_begin, row_end, columns, (int)p);
  expect_same(k, "dense_gemv", shape, a, b, n);
  free(data), free(x), free(a), free(b);
}

static void check_dense(const tk_kernels *k) {
  static const tk_type types[] = {TK_F32, TK_F16, TK_BF16, TK_Q8_0, TK_Q6_K, TK_Q4_0};
  static const size_t columns[] = {16, 32, 48, 96, 256, 768, 2560, 6912};
  for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
    for (size_t c = 0; c < sizeof columns / sizeof columns[0]; c++) {
      if (columns[c] % tk_type_block_size(types[t]) != 0) {
        continue;
      }
      for (pattern p = 0; p < PATTERN_COUNT; p++) {
        check_dense_shape(k, types[t], columns[c], 0, 0, p);
        check_dense_shape(k, types[t], columns[c], 0, 1, p);
        check_dense_shape(k, types[t], columns[c], 0, 4, p);
        check_dense_shape(k, types[t], columns[c], 1, 8, p);
      }
    }
  }
}

// -- Codecs: one implementation, recorded so that two machines can be compared --------------------

static void check_codecs(void) {
  static const tk_type encodable[] = {TK_F32, TK_F16, TK_BF16, TK_Q8_0, TK_Q6_K, TK_Q4_0};
  enum { N = 2048 };
  for (size_t t = 0; t < sizeof encodable / sizeof encodable[0]; t++) {
    for (pattern p = 0; p < PATTERN_COUNT; p++) {
      const tk_type type = encodable[t];
      float *x = floats(N, p);
      float *y = floats(N, UNIFORM);
      uint8_t *data = allocate(N / tk_type_block_size(type) * tk_type_block_bytes(type));
      tk_encode(type, x, N, data);
      tk_decode(type, data, N, y);
      record(y, N);
      free(x), free(y), free(data);
      passed++;
    }
  }
  for (int type = 0; type < 64; type++) {
    const size_t blocks = tk_type_block_size((tk_type)type) > 0 ? 32 : 0;
    const size_t bytes = blocks * tk_type_block_bytes((tk_type)type);
    const size_t n = blocks * tk_type_block_size((tk_type)type);
    uint8_t *data = allocate(bytes);
    for (size_t i = 0; i < bytes; i++) {
      data[i] = (uint8_t)next_random();
    }
    float *y = floats(n, UNIFORM);
    tk_decode((tk_type)type, data, n, y);
    record(y, n);
    free(data), free(y);
    passed++;
  }
}

#endif
