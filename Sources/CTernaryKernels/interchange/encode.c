// Encoding float32 to the element types an exported model uses, cold and portable. Q8_0 and Q4_0
// give ggml's bytes; Q6_K searches sub-block scales the way ggml's reference quantiser does.
// Values that are not finite give some codes, never a trap.

#include "float/float.h"

#pragma clang fp contract(off)

enum { SMALL = 32, LARGE = 256, SUB = 16, SUBS = LARGE / SUB };

static inline void write_u16(uint8_t *p, uint16_t value) {
  p[0] = (uint8_t)value;
  p[1] = (uint8_t)(value >> 8);
}

/// The nearest integer in [low, high], ties to even; low for NaN.
static inline int nearest(float x, int low, int high) {
  if (!(x > (float)low)) {
    return low;
  }
  return x < (float)high ? (int)rintf(x) : high;
}

/// The value of largest magnitude, with its sign; 0 when there is none.
static float extreme(const float *x, int n) {
  float best = 0.0f;
  for (int i = 0; i < n; i++) {
    if (fabsf(x[i]) > fabsf(best)) {
      best = x[i];
    }
  }
  return best;
}

static void encode_bf16(float x, uint8_t *b) {
  const uint32_t bits = tk_float_bits(x);
  const bool nan = (bits & 0x7fffffff) > 0x7f800000;
  // A NaN could lose all its mantissa bits, or be rounded to infinity: it is made quiet instead.
  const uint32_t rounded = nan ? bits | 0x00400000 : bits + 0x7fff + (bits >> 16 & 1);
  write_u16(b, (uint16_t)(rounded >> 16));
}

static void encode_q8_0(const float *x, uint8_t *b) {
  const float d = fabsf(extreme(x, SMALL)) / 127.0f;
  const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
  write_u16(b, tk_float_to_half(d));
  for (int j = 0; j < SMALL; j++) {
    // roundf: ties away from zero, as in ggml.
    b[2 + j] = (uint8_t)nearest(roundf(x[j] * inverse), -127, 127);
  }
}

static inline uint8_t code_q4_0(float scaled) {
  // Truncation after adding 8.5, as in ggml: the extreme value becomes -8, the other side clips.
  const float shifted = scaled + 8.5f;
  if (!(shifted > 0.0f)) {
    return 0;
  }
  return shifted < 15.0f ? (uint8_t)shifted : 15;
}

static void encode_q4_0(const float *x, uint8_t *b) {
  const float d = extreme(x, SMALL) / -8.0f;
  const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
  write_u16(b, tk_float_to_half(d));
  for (int j = 0; j < 16; j++) {
    b[2 + j] = (uint8_t)(code_q4_0(x[j] * inverse) | code_q4_0(x[j + 16] * inverse) << 4);
  }
}

/// The scale s that makes s * code closest to x over 16 values, codes in [-32, 31], errors weighted
/// by x^2: tries inverse scales around -32 / extreme, and for each takes the least squares s.
static float sub_scale(const float *x) {
  const float top = extreme(x, SUB);
  if (!(fabsf(top) >= 1e-15f)) {
    return 0.0f;
  }
  float best_scale = 0.0f;
  float best_gain = 0.0f;
  for (int step = -9; step <= 9; step++) {
    const float inverse = -(32.0f + 0.1f * (float)step) / top;
    float xl = 0.0f;
    float ll = 0.0f;
    for (int i = 0; i < SUB; i++) {
      const float code = (float)nearest(inverse * x[i], -32, 31);
      const float weight = x[i] * x[i];
      xl += weight * x[i] * code;
      ll += weight * code * code;
    }
    // The squared error falls by xl^2 / ll at s = xl / ll.
    if (ll > 0.0f && xl * xl / ll > best_gain) {
      best_gain = xl * xl / ll;
      best_scale = xl / ll;
    }
  }
  return best_scale;
}

static void encode_q6_k(const float *x, uint8_t *b) {
  memset(b, 0, 210);
  float scales[SUBS];
  for (int j = 0; j < SUBS; j++) {
    scales[j] = sub_scale(x + SUB * j);
  }
  const float top = extreme(scales, SUBS);
  if (!(fabsf(top) >= 1e-15f)) {
    return;
  }
  const float inverse = -128.0f / top;
  const uint16_t d_bits = tk_float_to_half(1.0f / inverse);
  write_u16(b + 208, d_bits);
  for (int i = 0; i < LARGE; i++) {
    const int scale = nearest(inverse * scales[i / SUB], -128, 127);
    b[192 + i / SUB] = (uint8_t)scale;
    const float step = tk_half_to_float(d_bits) * (float)scale;
    const int code = step != 0.0f ? nearest(x[i] / step, -32, 31) + 32 : 32;
    // The layout is drawn at decode_q6_k in decode.c.
    const int half = i / 128;
    const int quarter = i / 32 % 4;
    uint8_t *low = &b[64 * half + 32 * (quarter % 2) + i % 32];
    uint8_t *high = &b[128 + 32 * half + i % 32];
    *low |= (uint8_t)((code & 15) << (quarter < 2 ? 0 : 4));
    *high |= (uint8_t)(code >> 4 << (2 * quarter));
  }
}

bool tk_can_encode(tk_type type) {
  return type == TK_F32 || type == TK_F16 || type == TK_BF16 || type == TK_Q8_0 ||
         type == TK_Q4_0 || type == TK_Q6_K;
}

static void encode_block(tk_type type, const float *x, uint8_t *b) {
  switch (type) {
  case TK_F32:
    write_u16(b, (uint16_t)tk_float_bits(*x));
    write_u16(b + 2, (uint16_t)(tk_float_bits(*x) >> 16));
    break;
  case TK_F16:
    write_u16(b, tk_float_to_half(*x));
    break;
  case TK_BF16:
    encode_bf16(*x, b);
    break;
  case TK_Q8_0:
    encode_q8_0(x, b);
    break;
  case TK_Q4_0:
    encode_q4_0(x, b);
    break;
  case TK_Q6_K:
    encode_q6_k(x, b);
    break;
  case TK_Q4_1:
  case TK_Q5_0:
  case TK_Q5_1:
  case TK_Q4_K:
  case TK_Q5_K:
  case TK_IQ4_NL:
  case TK_TQ1_0:
  case TK_TQ2_0:
  case TK_Q2_0:
  case TK_Q2_0_128:
  case TK_IQ1_BN:
  case TK_IQ2_BN:
  case TK_IQ2_BN_R4:
    break; // not encoded
  }
}

void tk_encode(tk_type type, const float *x, size_t n, void *data) {
  const size_t size = tk_can_encode(type) ? tk_type_block_size(type) : 0;
  const size_t bytes = tk_type_block_bytes(type);
  uint8_t *block = data;
  for (size_t i = 0; size > 0 && i + size <= n; i += size) {
    encode_block(type, x + i, block);
    block += bytes;
  }
}
