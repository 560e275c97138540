// float32 to the int8 of a KV cache. One portable implementation: a token has few keys and values,
// and compilers vectorise both loops.

#include "float/float.h"

#pragma clang fp contract(off)

float tk_quantize_cache(const float *x, size_t n, int8_t *q) {
  float largest = 0.0f;
  int sound = 1;
  for (size_t i = 0; i < n; i++) {
    const float magnitude = __builtin_fabsf(x[i]);
    largest = magnitude > largest ? magnitude : largest;
    sound &= magnitude < INFINITY;
  }
  const float scale = largest / 127.0f;
  if (!sound || scale == 0.0f) {
    memset(q, 0, n);
    return sound ? 0.0f : NAN;
  }
  for (size_t i = 0; i < n; i++) {
    // A subnormal scale is rounded coarsely: the quotient can then exceed 127.
    float v = x[i] / scale;
    v = v < 127.0f ? v : 127.0f;
    v = v > -127.0f ? v : -127.0f;
    // Adding 1.5 * 2^23 rounds half to even.
    q[i] = (int8_t)(v + tk_exp_round - tk_exp_round);
  }
  return scale;
}
