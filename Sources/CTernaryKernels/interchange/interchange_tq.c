// TQ1_0 and TQ2_0: blocks of 256 weights with a float16 scale at the end.
//
// TQ1_0, 54 bytes. A byte holds five trits as a base-3 fraction of 256: v = 81 u0 + 27 u1 + 9 u2 +
// 3 u3 + u4 with u = trit + 1 is stored as ceil(256 v / 243), so that multiplying by 3 moves the
// next digit into bits 8-9. The last four bytes hold four trits and a fifth digit 0.
//   bytes  0-31   byte m holds weights m, 32 + m, 64 + m, 96 + m, 128 + m
//   bytes 32-47   byte m holds weights 160 + m, 176 + m, 192 + m, 208 + m, 224 + m
//   bytes 48-51   byte m holds weights 240 + m, 244 + m, 248 + m, 252 + m
// Of the 256 bytes, the 13 that no v gives are invalid: those where 243 b mod 256 > 242 (243 is
// odd, so each remainder occurs once, and b = ceil(256 v / 243) exactly if 243 b - 256 v is in
// 0..242).
//
// TQ2_0, 66 bytes: two halves of 32 bytes; byte m of half h holds codes trit + 1 of weights
// 128 h + m, + 32, + 64, + 96 in bits 0-1, 2-3, 4-5, 6-7. Code 3 is invalid.

#include "CTernaryKernels.h"

#include <string.h>

enum { BLOCK = 256, TQ1_BYTES = 54, TQ2_BYTES = 66, TQ2_HALF = 32 };

// ---------------------------------------------------------------------------------------------
// float16 of the scales; the format is IEEE binary16
// ---------------------------------------------------------------------------------------------

static float half_to_float(const uint8_t bytes[2]) {
  uint32_t half = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8;
  uint32_t sign = (half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 0x3FF;
  if (exponent == 0) {
    float value = (float)fraction * 0x1p-24f; // exact
    return sign ? -value : value;
  }
  uint32_t bits = sign | fraction << 13 | (exponent == 31 ? 255u : exponent + 112) << 23;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static void float_to_half(float value, uint8_t bytes[2]) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF, half;
  if (magnitude > 0x7F800000) {
    half = 0x7E00; // NaN
  } else if (magnitude >= 0x477FF000) {
    half = 0x7C00; // 65520 and above round to infinity
  } else if (magnitude < 0x38800000) {
    // Below 2^-14 halves are multiples of 2^-24: adding 0.5 (ulp 2^-24) rounds to them, half to
    // even.
    float rounded;
    memcpy(&rounded, &magnitude, sizeof rounded);
    rounded += 0.5f;
    memcpy(&half, &rounded, sizeof half);
    half -= 0x3F000000;
  } else {
    half = (magnitude - 0x38000000 + 0xFFF + (magnitude >> 13 & 1)) >> 13;
  }
  bytes[0] = (uint8_t)half;
  bytes[1] = (uint8_t)((sign | half) >> 8);
}

// ---------------------------------------------------------------------------------------------
// TQ1_0
// ---------------------------------------------------------------------------------------------

static inline bool is_invalid(uint8_t byte, size_t digits) {
  bool fifth = (uint8_t)(byte * 81) * 3 >> 8 != 0;
  return (uint8_t)(byte * 243) > 242 || (digits < 5 && fifth);
}

/// Decodes `n` bytes of `digits` trits each; trit k of byte m is weight k * n + m. Returns the
/// first invalid byte, or n.
static inline size_t decode_base3(const uint8_t *restrict data, size_t n, size_t digits,
                                  int8_t *restrict trits) {
  static const uint8_t power[5] = {1, 3, 9, 27, 81};
  uint8_t invalid = 0;
  for (size_t m = 0; m < n; m++) {
    for (size_t k = 0; k < digits; k++) {
      trits[k * n + m] = (int8_t)(((uint8_t)(data[m] * power[k]) * 3 >> 8) - 1);
    }
    invalid |= is_invalid(data[m], digits);
  }
  for (size_t m = 0; invalid && m < n; m++) {
    if (is_invalid(data[m], digits)) {
      return m;
    }
  }
  return n;
}

/// Encodes 5 n trits to n bytes. ceil(256 v / 243) = v + ceil(13 v / 243), which stays in 16 bits,
/// so that the loop vectorises.
static inline void encode_base3(const int8_t *restrict t, size_t n, uint8_t *restrict data) {
  for (size_t m = 0; m < n; m++) {
    int v = 81 * t[m] + 27 * t[n + m] + 9 * t[2 * n + m] + 3 * t[3 * n + m] + t[4 * n + m];
    uint16_t digits = (uint16_t)(v + 121);
    data[m] = (uint8_t)(digits + (uint16_t)(13 * digits + 242) / 243);
  }
}

/// Returns the weight of the first invalid code, or BLOCK.
static size_t decode_tq1(const uint8_t *data, int8_t *trits) {
  size_t invalid = decode_base3(data, 32, 5, trits);
  if (invalid < 32) {
    return invalid;
  }
  invalid = decode_base3(data + 32, 16, 5, trits + 160);
  if (invalid < 16) {
    return 160 + invalid;
  }
  invalid = decode_base3(data + 48, 4, 4, trits + 240);
  return invalid < 4 ? 240 + invalid : BLOCK;
}

static void encode_tq1(const int8_t *trits, uint8_t *data) {
  int8_t last[20]; // four bytes of four trits, and the fifth digit 0
  memcpy(last, trits + 240, 16);
  memset(last + 16, -1, 4);
  encode_base3(trits, 32, data);
  encode_base3(trits + 160, 16, data + 32);
  encode_base3(last, 4, data + 48);
}

// ---------------------------------------------------------------------------------------------
// TQ2_0
// ---------------------------------------------------------------------------------------------

static size_t decode_tq2(const uint8_t *restrict data, int8_t *restrict trits) {
  uint8_t invalid = 0;
  for (size_t h = 0; h < 2; h++) {
    for (size_t m = 0; m < TQ2_HALF; m++) {
      uint8_t e = data[h * TQ2_HALF + m];
      int8_t *t = trits + h * BLOCK / 2 + m;
      t[0] = (int8_t)((e & 3) - 1);
      t[32] = (int8_t)((e >> 2 & 3) - 1);
      t[64] = (int8_t)((e >> 4 & 3) - 1);
      t[96] = (int8_t)((e >> 6) - 1);
      invalid |= e & e >> 1 & 0x55;
    }
  }
  size_t i = invalid ? 0 : BLOCK;
  while (i < BLOCK && trits[i] <= 1) {
    i++;
  }
  return i;
}

static void encode_tq2(const int8_t *trits, uint8_t *data) {
  for (size_t h = 0; h < 2; h++) {
    for (size_t m = 0; m < TQ2_HALF; m++) {
      const int8_t *t = trits + h * BLOCK / 2 + m;
      data[h * TQ2_HALF + m] =
          (uint8_t)((t[0] + 1) | (t[32] + 1) << 2 | (t[64] + 1) << 4 | (t[96] + 1) << 6);
    }
  }
}

ptrdiff_t tk_decode_tq(tk_type type, const uint8_t *data, size_t n, int8_t *trits, float *scales) {
  size_t bytes = type == TK_TQ1_0 ? TQ1_BYTES : TQ2_BYTES;
  for (size_t i = 0; i < n; i += BLOCK, data += bytes) {
    size_t invalid = type == TK_TQ1_0 ? decode_tq1(data, trits + i) : decode_tq2(data, trits + i);
    if (invalid < BLOCK) {
      return (ptrdiff_t)(i + invalid);
    }
    *scales++ = half_to_float(data + bytes - 2);
  }
  return -1;
}

void tk_encode_tq(tk_type type, const int8_t *trits, size_t n, float scale, uint8_t *data) {
  size_t bytes = type == TK_TQ1_0 ? TQ1_BYTES : TQ2_BYTES;
  for (size_t i = 0; i < n; i += BLOCK, data += bytes) {
    if (type == TK_TQ1_0) {
      encode_tq1(trits + i, data);
    } else {
      encode_tq2(trits + i, data);
    }
    uint8_t any = 0;
    for (size_t j = 0; j < BLOCK; j++) {
      any |= (uint8_t)trits[i + j];
    }
    float_to_half(any ? scale : 0.0f, data + bytes - 2);
  }
}
