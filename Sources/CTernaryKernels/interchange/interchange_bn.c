// IQ1_BN, IQ2_BN and IQ2_BN_R4 of ik_llama.cpp. A row is its scale, then blocks of 64 weights;
// nothing is aligned.
//
// IQ1_BN: a float16, then 13 bytes a block. Byte 3 g + k, k < 3, holds weights 16 g + 5 k + n,
// n < 5, and byte 12 holds weights 16 g + 15, g < 4. Bytes are those of TQ1_0, with their digits
// the other way round: the first weight is the least significant one. Byte 12 has four of them,
// above which the fifth is 0. The 13 bytes that no five trits give are the same as in TQ1_0, and
// are invalid here too (interchange_tq.c says why 243 b mod 256 > 242 finds them).
//
// IQ2_BN: a float32, then 16 bytes a block. Byte j holds codes trit + 1 of weights j, 16 + j,
// 32 + j, 48 + j in bits 0-1, 2-3, 4-5, 6-7. Code 3 is invalid.
//
// IQ2_BN_R4: four rows together. Four float32, then for every 64 columns 64 bytes: byte
// 16 l + 4 k + i holds the codes of row k in columns 16 l + i, + 4, + 8, + 12, low bits first.

#include "float/float.h"

enum { BLOCK = 64, BN1_BYTES = 13, BN2_BYTES = 16, R4_ROWS = 4, R4_BYTES = R4_ROWS * BN2_BYTES };

static float read_half(const uint8_t *p) { return tk_half_to_float((uint16_t)(p[0] | p[1] << 8)); }

static float read_float(const uint8_t *p) {
  const uint32_t bits =
      (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static size_t row_bytes(tk_type type, size_t columns) {
  return tk_type_row_bytes(type) + columns / BLOCK * tk_type_block_bytes(type);
}

// ---------------------------------------------------------------------------------------------
// Blocks: each decoder returns the first weight of an invalid code, or BLOCK
// ---------------------------------------------------------------------------------------------

/// Digit n of a byte, the least significant one first.
static inline int8_t digit(uint8_t byte, size_t n) {
  static const uint8_t power[5] = {81, 27, 9, 3, 1};
  return (int8_t)(((uint8_t)(byte * power[n]) * 3 >> 8) - 1);
}

static inline bool is_invalid(uint8_t byte, size_t digits) {
  return (uint8_t)(byte * 243) > 242 || (digits < 5 && digit(byte, 4) != -1);
}

static size_t find_invalid_1(const uint8_t *b) {
  for (size_t m = 0; m < 12; m++) {
    if (m == 3 && is_invalid(b[12], 4)) {
      return 15;
    }
    if (is_invalid(b[m], 5)) {
      return m / 3 * 16 + m % 3 * 5;
    }
  }
  return BLOCK;
}

static size_t decode_1(const uint8_t *restrict b, int8_t *restrict trits) {
  uint8_t invalid = is_invalid(b[12], 4);
  for (size_t g = 0; g < 4; g++) {
    int8_t *t = trits + 16 * g;
    for (size_t k = 0; k < 3; k++) {
      const uint8_t byte = b[3 * g + k];
      for (size_t n = 0; n < 5; n++) {
        t[5 * k + n] = digit(byte, n);
      }
      invalid |= is_invalid(byte, 5);
    }
    t[15] = digit(b[12], g);
  }
  return invalid ? find_invalid_1(b) : BLOCK;
}

static size_t find_invalid_2(const int8_t *trits) {
  size_t i = 0;
  while (i < BLOCK && trits[i] <= 1) {
    i++;
  }
  return i;
}

static size_t decode_2(const uint8_t *restrict b, int8_t *restrict t) {
  uint8_t invalid = 0;
  for (size_t j = 0; j < BN2_BYTES; j++) {
    const uint8_t e = b[j];
    t[j] = (int8_t)((e & 3) - 1);
    t[16 + j] = (int8_t)((e >> 2 & 3) - 1);
    t[32 + j] = (int8_t)((e >> 4 & 3) - 1);
    t[48 + j] = (int8_t)((e >> 6) - 1);
    invalid |= e & e >> 1 & 0x55;
  }
  return invalid ? find_invalid_2(t) : BLOCK;
}

/// `b` is the block's byte of row k, group 0, byte 0.
static size_t decode_2_r4(const uint8_t *restrict b, int8_t *restrict trits) {
  uint8_t invalid = 0;
  for (size_t l = 0; l < 4; l++) {
    for (size_t i = 0; i < 4; i++) {
      const uint8_t e = b[16 * l + i];
      int8_t *t = trits + 16 * l + i;
      t[0] = (int8_t)((e & 3) - 1);
      t[4] = (int8_t)((e >> 2 & 3) - 1);
      t[8] = (int8_t)((e >> 4 & 3) - 1);
      t[12] = (int8_t)((e >> 6) - 1);
      invalid |= e & e >> 1 & 0x55;
    }
  }
  return invalid ? find_invalid_2(trits) : BLOCK;
}

// ---------------------------------------------------------------------------------------------
// Rows
// ---------------------------------------------------------------------------------------------

/// Returns the column of the first invalid code, or `columns`.
static size_t decode_row(tk_type type, const uint8_t *data, size_t columns, size_t row,
                         int8_t *trits) {
  const bool together = type == TK_IQ2_BN_R4;
  const size_t first = together ? row / R4_ROWS * R4_ROWS : row;
  const uint8_t *b = data + first * row_bytes(type, columns);
  b += together ? R4_ROWS * sizeof(float) + row % R4_ROWS * 4 : tk_type_row_bytes(type);
  const size_t bytes = together ? R4_BYTES : tk_type_block_bytes(type);
  for (size_t c = 0; c < columns; c += BLOCK, b += bytes) {
    const size_t invalid = together            ? decode_2_r4(b, trits + c)
                           : type == TK_IQ1_BN ? decode_1(b, trits + c)
                                               : decode_2(b, trits + c);
    if (invalid < BLOCK) {
      return c + invalid;
    }
  }
  return columns;
}

ptrdiff_t tk_decode_bn(tk_type type, const uint8_t *data, size_t columns, size_t row_begin,
                       size_t row_end, int8_t *trits) {
  for (size_t r = row_begin; r < row_end; r++) {
    const size_t start = (r - row_begin) * columns;
    const size_t invalid = decode_row(type, data, columns, r, trits + start);
    if (invalid < columns) {
      return (ptrdiff_t)(start + invalid);
    }
  }
  return -1;
}

void tk_bn_scales(tk_type type, const uint8_t *data, size_t columns, size_t rows, float *scales) {
  const size_t bytes = row_bytes(type, columns);
  for (size_t r = 0; r < rows; r++) {
    if (type == TK_IQ1_BN) {
      scales[r] = read_half(data + r * bytes);
    } else if (type == TK_IQ2_BN) {
      scales[r] = read_float(data + r * bytes);
    } else {
      scales[r] = read_float(data + r / R4_ROWS * R4_ROWS * bytes + r % R4_ROWS * sizeof(float));
    }
  }
}
