// Ternary weights in block formats made for others: Q2_0, whose fourth code is +2, and Q4_0, Q5_0,
// Q8_0 and Q6_K, whose codes are finer than needed.

#include "float/float.h"

enum { SMALL = 32, LARGE = 256 };

static inline float read_half(const uint8_t *p) {
  return tk_half_to_float((uint16_t)(p[0] | p[1] << 8));
}

static inline void write_half(uint8_t *p, float value) {
  const uint16_t half = tk_float_to_half(value);
  p[0] = (uint8_t)half;
  p[1] = (uint8_t)(half >> 8);
}

ptrdiff_t tk_decode_q2_0(size_t group, const uint8_t *data, size_t n, int8_t *trits,
                         float *scales) {
  for (size_t i = 0; i < n; i += group, data += 2 + group / 4) {
    uint8_t invalid = 0;
    for (size_t j = 0; j < group / 4; j++) {
      const uint8_t e = data[2 + j];
      int8_t *t = trits + i + 4 * j;
      t[0] = (int8_t)((e & 3) - 1);
      t[1] = (int8_t)((e >> 2 & 3) - 1);
      t[2] = (int8_t)((e >> 4 & 3) - 1);
      t[3] = (int8_t)((e >> 6) - 1);
      invalid |= e & e >> 1 & 0x55;
    }
    for (size_t j = 0; invalid && j < group; j++) {
      if (trits[i + j] > 1) {
        return (ptrdiff_t)(i + j);
      }
    }
    *scales++ = read_half(data);
  }
  return -1;
}

void tk_block_scales(tk_type type, const void *data, size_t n, float *scales) {
  const size_t size = tk_type_block_size(type);
  const size_t bytes = tk_type_block_bytes(type);
  const size_t place = type == TK_TQ1_0 || type == TK_TQ2_0 ? bytes - 2 : 0;
  const uint8_t *b = data;
  for (size_t i = 0; size > 0 && i + size <= n; i += size, b += bytes) {
    *scales++ = read_half(b + place);
  }
}

/// Code j of a Q4_0 block, or of a Q5_0 block, whose fifth bits come first.
static inline int code_of(const uint8_t *b, bool five, int j) {
  const uint8_t byte = b[(five ? 6 : 2) + j % 16];
  const int low = j < 16 ? byte & 15 : byte >> 4;
  return five ? low | (b[2 + j / 8] >> (j % 8) & 1) << 4 : low;
}

bool tk_decode_clipped_ternary(tk_type type, const void *data, size_t n, float *y) {
  const bool five = type == TK_Q5_0;
  const int middle = five ? 16 : 8;
  const uint8_t *b = data;
  for (size_t i = 0; i < n; i += SMALL, b += five ? 22 : 18) {
    const float extreme = read_half(b) * (float)middle;
    for (int j = 0; j < SMALL; j++) {
      const int code = code_of(b, five, j);
      if (code != 0 && code != middle && code != 2 * middle - 1) {
        return false;
      }
      y[i + (size_t)j] = code == middle ? 0.0f : code == 0 ? -extreme : extreme;
    }
  }
  return true;
}

void tk_encode_ternary_blocks(tk_type type, const int8_t *trits, size_t n, float scale,
                              void *data) {
  uint8_t *b = data;
  if (type == TK_Q8_0) {
    for (size_t i = 0; i < n; i += SMALL, b += 34) {
      write_half(b, scale);
      memcpy(b + 2, trits + i, SMALL);
    }
    return;
  }
  for (size_t i = 0; i < n; i += LARGE, b += 210) {
    memset(b, 0, 192);
    memset(b + 192, 1, 16);
    write_half(b + 208, scale);
    for (size_t j = 0; j < LARGE; j++) {
      // The layout is drawn at decode_q6_k in decode.c.
      const int code = trits[i + j] + 32;
      const size_t half = j / 128, quarter = j / 32 % 4;
      b[64 * half + 32 * (quarter % 2) + j % 32] |= (uint8_t)((code & 15) << (quarter / 2 * 4));
      b[128 + 32 * half + j % 32] |= (uint8_t)(code >> 4 << (2 * quarter));
    }
  }
}
