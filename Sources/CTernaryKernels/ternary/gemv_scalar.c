// The ternary kernels in plain C: the specification that every instruction set equals bit for bit.
// GEMV and GEMM decode trits and add products, with none of the tricks of the fast kernels (codes,
// sums of activations, 16-bit sums), so that a mistake in those cannot hide here too.

#include "ternary/ternary.h"

#include <string.h>

#pragma clang fp contract(off)

/// Adding 1.5 * 2^23 rounds a float of magnitude up to 2^22 to an integer, half to even.
static const float round_magic = 12582912.0f;

float tk_quantize_scalar(const float *x, size_t n, int8_t *q, int32_t *sum) {
  float largest = 1e-5f;
  for (size_t i = 0; i < n; i++) {
    float a = __builtin_fabsf(x[i]);
    largest = a > largest ? a : largest; // NaN compares false and is passed over
  }
  float scale = tk_activation_scale(largest);
  int32_t total = 0;
  for (size_t i = 0; i < n; i++) {
    // Clamping before rounding gives the same integers as after it, and makes the conversion below
    // defined for NaN (127) and for a row with infinities (scale 0).
    float v = x[i] * scale;
    v = v < 127.0f ? v : 127.0f;
    v = v > -127.0f ? v : -127.0f;
    q[i] = (int8_t)((v + round_magic) - round_magic);
    total += q[i];
  }
  memset(q + n, 0, TK_ACTIVATION_PADDING);
  *sum = total;
  return scale;
}

void tk_dequantize_scalar(const int32_t *acc, size_t n, float scale, const float *beta,
                          size_t beta_stride, float *y) {
  for (size_t i = 0; i < n; i++) {
    int32_t value;
    memcpy(&value, acc + i, sizeof value); // y may be the same memory as acc
    float result = (float)((double)value * ((double)beta[i * beta_stride] / (double)scale));
    memcpy(y + i, &result, sizeof result);
  }
}

static void gemv(const tk_matrix *w, const int8_t *q, size_t block_begin, size_t block_end,
                 size_t row_begin, size_t row_end, int32_t *y) {
  size_t columns = tk_block_columns(w->layout);
  for (size_t r = row_begin; r < row_end; r++) {
    int32_t total = 0;
    for (size_t b = block_begin; b < block_end; b++) {
      int8_t trits[TK_T5_COLUMNS];
      tk_unpack_block(w->layout, tk_packed_row(w, r) + b * TK_TILE_BYTES, trits);
      for (size_t c = 0; c < columns; c++)
        total += trits[c] * q[b * columns + c];
    }
    y[r - row_begin] = total;
  }
}

void tk_gemv_t2_scalar(const tk_matrix *w, const int8_t *q, int32_t sum, size_t block_begin,
                       size_t block_end, size_t row_begin, size_t row_end, int32_t *y) {
  (void)sum;
  gemv(w, q, block_begin, block_end, row_begin, row_end, y);
}

void tk_gemv_t5_scalar(const tk_matrix *w, const int8_t *q, int32_t sum, size_t block_begin,
                       size_t block_end, size_t row_begin, size_t row_end, int32_t *y) {
  (void)sum;
  gemv(w, q, block_begin, block_end, row_begin, row_end, y);
}

void tk_gemm_scalar(const tk_matrix *w, const int8_t *q, size_t q_stride, const int32_t *sums,
                    size_t batch, size_t row_begin, size_t row_end, int32_t *y, size_t y_stride,
                    void *scratch) {
  (void)sums;
  int8_t *trits = scratch;
  for (size_t r = row_begin; r < row_end; r++) {
    tk_unpack(w, r, r + 1, trits);
    for (size_t t = 0; t < batch; t++) {
      int32_t total = 0;
      for (size_t c = 0; c < w->columns; c++)
        total += trits[c] * q[t * q_stride + c];
      y[t * y_stride + r - row_begin] = total;
    }
  }
}
