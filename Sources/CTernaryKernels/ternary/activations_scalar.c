// Activations to int8 and sums to float in plain C: the specification that every instruction set
// equals bit for bit.

#include "ternary/finish.h"

#include <string.h>

#pragma clang fp contract(off)

/// Adding 1.5 * 2^23 rounds a float of magnitude up to 2^22 to an integer, half to even.
static const float round_magic = 12582912.0f;

static float quantize(const float *x, size_t n, int8_t *q, int32_t *sum) {
  // Without the sign, the bits of floats are in the order of the floats, and NaN comes last.
  uint32_t largest = TK_LEAST_MAGNITUDE_BITS;
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, x + i, sizeof bits);
    bits &= 0x7fffffff;
    largest = bits > largest ? bits : largest;
  }
  float scale = tk_activation_scale(largest);
  int32_t total = 0;
  for (size_t i = 0; i < n; i++) {
    // Clamping before rounding gives the same integers as after it, and makes the conversion below
    // defined for a row with NaN (127) or infinities (scale 0).
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

static void dequantize(const int32_t *acc, size_t n, float scale, const float *beta,
                       size_t beta_stride, float *y) {
  for (size_t i = 0; i < n; i++) {
    int32_t value;
    memcpy(&value, acc + i, sizeof value); // y may be the same memory as acc
    float result = (float)((double)value * ((double)beta[i * beta_stride] / (double)scale));
    memcpy(y + i, &result, sizeof result);
  }
}

static void finish(const int32_t *out, size_t tile, const tk_tile_end *end, int32_t *y,
                   size_t y_stride) {
  tk_finish_tile(out, tile, TK_TILE_ROWS, end, y, y_stride);
}

const tk_activation_kernels tk_activations_scalar = {quantize, dequantize, finish};
