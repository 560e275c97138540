// Element types of GGUF tensors: sizes and decoding to float32, cold and portable.
//
// A block holds 32 or 256 weights with a float16 scale d (and in some types a float16 minimum m).
// Products of d, a sub-block scale and a code fit 24 bits for every type but Q6_K, so they are
// exact; the order of operations is ggml's, which settles the rest. Numbers are little-endian.

#include "float/float.h"

#pragma clang fp contract(off)

enum { SMALL = 32, LARGE = 256 };

/// Weights and bytes of a block.
typedef struct block_size {
  size_t weights, bytes;
} block_size;

static block_size size_of(tk_type type) {
  switch (type) {
  case TK_F32:
    return (block_size){1, 4};
  case TK_F16:
  case TK_BF16:
    return (block_size){1, 2};
  case TK_Q4_0:
    return (block_size){SMALL, 18};
  case TK_Q4_1:
    return (block_size){SMALL, 20};
  case TK_Q5_0:
    return (block_size){SMALL, 22};
  case TK_Q5_1:
    return (block_size){SMALL, 24};
  case TK_Q8_0:
    return (block_size){SMALL, 34};
  case TK_Q4_K:
    return (block_size){LARGE, 144};
  case TK_Q5_K:
    return (block_size){LARGE, 176};
  case TK_Q6_K:
    return (block_size){LARGE, 210};
  case TK_IQ4_NL:
    return (block_size){SMALL, 18};
  case TK_TQ1_0:
    return (block_size){LARGE, 54};
  case TK_TQ2_0:
    return (block_size){LARGE, 66};
  case TK_Q2_0:
    return (block_size){64, 18};
  case TK_Q2_0_128:
    return (block_size){128, 34};
  case TK_IQ1_BN:
    return (block_size){64, 13};
  case TK_IQ2_BN:
  case TK_IQ2_BN_R4:
    return (block_size){64, 16};
  }
  return (block_size){0, 0}; // not a type, but what a file may say
}

static inline uint16_t read_u16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }

static inline uint32_t read_u32(const uint8_t *p) {
  return (uint32_t)read_u16(p) | (uint32_t)read_u16(p + 2) << 16;
}

static inline float read_half(const uint8_t *p) { return tk_half_to_float(read_u16(p)); }

// d, 16 bytes: byte j holds w[j] (low nibble) and w[j + 16] (high nibble); w = d * (code - 8).
static void decode_q4_0(const uint8_t *b, float *y) {
  const float d = read_half(b);
  for (int j = 0; j < 16; j++) {
    y[j] = (float)((b[2 + j] & 15) - 8) * d;
    y[j + 16] = (float)((b[2 + j] >> 4) - 8) * d;
  }
}

// d, m, 16 bytes as Q4_0; w = d * code + m.
static void decode_q4_1(const uint8_t *b, float *y) {
  const float d = read_half(b);
  const float m = read_half(b + 2);
  for (int j = 0; j < 16; j++) {
    y[j] = (float)(b[4 + j] & 15) * d + m;
    y[j + 16] = (float)(b[4 + j] >> 4) * d + m;
  }
}

// d, 32 fifth bits, 16 bytes as Q4_0; w = d * (code - 16).
static void decode_q5_0(const uint8_t *b, float *y) {
  const float d = read_half(b);
  const uint32_t high = read_u32(b + 2);
  for (int j = 0; j < 16; j++) {
    y[j] = (float)(((b[6 + j] & 15) | (int)(high >> j & 1) << 4) - 16) * d;
    y[j + 16] = (float)((b[6 + j] >> 4 | (int)(high >> (j + 16) & 1) << 4) - 16) * d;
  }
}

// d, m, 32 fifth bits, 16 bytes as Q4_0; w = d * code + m.
static void decode_q5_1(const uint8_t *b, float *y) {
  const float d = read_half(b);
  const float m = read_half(b + 2);
  const uint32_t high = read_u32(b + 4);
  for (int j = 0; j < 16; j++) {
    y[j] = (float)((b[8 + j] & 15) | (int)(high >> j & 1) << 4) * d + m;
    y[j + 16] = (float)(b[8 + j] >> 4 | (int)(high >> (j + 16) & 1) << 4) * d + m;
  }
}

// d, 16 bytes as Q4_0; w = d * level[code].
static void decode_iq4_nl(const uint8_t *b, float *y) {
  static const int8_t level[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                   1,    13,   25,  38,  53,  69,  89,  113};
  const float d = read_half(b);
  for (int j = 0; j < 16; j++) {
    y[j] = (float)level[b[2 + j] & 15] * d;
    y[j + 16] = (float)level[b[2 + j] >> 4] * d;
  }
}

// d, 32 int8; w = d * code.
static void decode_q8_0(const uint8_t *b, float *y) {
  const float d = read_half(b);
  for (int j = 0; j < SMALL; j++) {
    y[j] = (float)(int8_t)b[2 + j] * d;
  }
}

// Scale and minimum of sub-block j of Q4_K and Q5_K: eight pairs of 6 bits in 12 bytes, the high
// two bits of pairs 4 to 7 stored on top of pairs 0 to 3.
static void scale_and_minimum(const uint8_t *s, int j, float *scale, float *minimum) {
  if (j < 4) {
    *scale = (float)(s[j] & 63);
    *minimum = (float)(s[j + 4] & 63);
  } else {
    *scale = (float)((s[j + 4] & 15) | s[j - 4] >> 6 << 4);
    *minimum = (float)(s[j + 4] >> 4 | s[j] >> 6 << 4);
  }
}

// d, dmin, 12 bytes of scales, [Q5_K: 32 bytes of fifth bits,] 128 bytes: sub-blocks 2k and 2k + 1
// of 32 weights share bytes 32k ... as low and high nibbles; w = d * scale * code - dmin * minimum.
static void decode_k(const uint8_t *b, bool five, float *y) {
  const float d = read_half(b);
  const float dmin = read_half(b + 2);
  const uint8_t *high = b + 16;
  const uint8_t *low = five ? high + 32 : high;
  for (int j = 0; j < 8; j++) {
    float scale;
    float minimum;
    scale_and_minimum(b + 4, j, &scale, &minimum);
    scale = d * scale;
    minimum = dmin * minimum;
    for (int l = 0; l < 32; l++) {
      const int byte = low[j / 2 * 32 + l];
      const int fifth = five ? (high[l] >> j & 1) << 4 : 0;
      const int code = (j % 2 != 0 ? byte >> 4 : byte & 15) | fifth;
      y[32 * j + l] = scale * (float)code - minimum;
    }
  }
}

// 128 bytes of low nibbles, 64 of high bit pairs, 16 int8 scales, d; w = d * scale * (code - 32).
// Each half of 128 weights: quarter k has its nibbles in bytes 32 (k % 2) ..., low for k < 2, and
// its high bits at 2k of the half's 32 bytes.
static void decode_q6_k(const uint8_t *b, float *y) {
  const int8_t *scales = (const int8_t *)b + 192;
  const float d = read_half(b + 208);
  for (int i = 0; i < LARGE; i++) {
    const int half = i / 128;
    const int quarter = i / 32 % 4;
    const int byte = b[64 * half + 32 * (quarter % 2) + i % 32];
    const int low = quarter < 2 ? byte & 15 : byte >> 4;
    const int high = b[128 + 32 * half + i % 32] >> (2 * quarter) & 3;
    y[i] = d * (float)scales[i / 16] * (float)((low | high << 4) - 32);
  }
}

// 48 bytes of five trits, 4 bytes of four, d. Trit n of a byte v: the top of (v * 3^n mod 256) * 3.
static void decode_tq1_0(const uint8_t *b, float *y) {
  static const uint8_t powers[5] = {1, 3, 9, 27, 81};
  static const struct {
    uint8_t first, bytes, trits;
  } parts[3] = {{0, 32, 5}, {32, 16, 5}, {48, 4, 4}};
  const float d = read_half(b + 52);
  for (int part = 0; part < 3; part++) {
    for (int n = 0; n < parts[part].trits; n++) {
      for (int m = 0; m < parts[part].bytes; m++) {
        const uint8_t shifted = (uint8_t)(b[parts[part].first + m] * powers[n]);
        *y++ = (float)((shifted * 3 >> 8) - 1) * d;
      }
    }
  }
}

// Two halves of 32 bytes, four 2-bit codes each, then d; w = d * (code - 1).
static void decode_tq2_0(const uint8_t *b, float *y) {
  const float d = read_half(b + 64);
  for (int i = 0; i < LARGE; i++) {
    const int code = b[i / 128 * 32 + i % 32] >> (i / 32 % 4 * 2) & 3;
    y[i] = (float)(code - 1) * d;
  }
}

// d, then 2-bit codes, first weight in the low bits; w = d * (code - 1).
static void decode_q2_0(const uint8_t *b, int n, float *y) {
  const float d = read_half(b);
  for (int i = 0; i < n; i++) {
    y[i] = (float)((b[2 + i / 4] >> (i % 4 * 2) & 3) - 1) * d;
  }
}

static void decode_block(tk_type type, const uint8_t *b, float *y) {
  switch (type) {
  case TK_F32:
    *y = tk_bits_float(read_u32(b));
    break;
  case TK_F16:
    *y = read_half(b);
    break;
  case TK_BF16:
    *y = tk_bits_float((uint32_t)read_u16(b) << 16);
    break;
  case TK_Q4_0:
    decode_q4_0(b, y);
    break;
  case TK_Q4_1:
    decode_q4_1(b, y);
    break;
  case TK_Q5_0:
    decode_q5_0(b, y);
    break;
  case TK_Q5_1:
    decode_q5_1(b, y);
    break;
  case TK_Q8_0:
    decode_q8_0(b, y);
    break;
  case TK_Q4_K:
    decode_k(b, false, y);
    break;
  case TK_Q5_K:
    decode_k(b, true, y);
    break;
  case TK_Q6_K:
    decode_q6_k(b, y);
    break;
  case TK_IQ4_NL:
    decode_iq4_nl(b, y);
    break;
  case TK_TQ1_0:
    decode_tq1_0(b, y);
    break;
  case TK_TQ2_0:
    decode_tq2_0(b, y);
    break;
  case TK_Q2_0:
    decode_q2_0(b, 64, y);
    break;
  case TK_Q2_0_128:
    decode_q2_0(b, 128, y);
    break;
  case TK_IQ1_BN:
  case TK_IQ2_BN:
  case TK_IQ2_BN_R4:
    break; // their scales are elsewhere: interchange_bn.c
  }
}

size_t tk_type_block_size(tk_type type) { return size_of(type).weights; }

size_t tk_type_block_bytes(tk_type type) { return size_of(type).bytes; }

size_t tk_type_row_bytes(tk_type type) {
  if (type == TK_IQ1_BN) {
    return 2; // a float16
  }
  return type == TK_IQ2_BN || type == TK_IQ2_BN_R4 ? 4 : 0; // a float32
}

void tk_decode(tk_type type, const void *data, size_t n, float *y) {
  const size_t size = tk_type_block_size(type);
  const size_t bytes = tk_type_block_bytes(type);
  const uint8_t *block = data;
  for (size_t i = 0; size > 0 && i + size <= n; i += size) {
    decode_block(type, block, y + i);
    block += bytes;
  }
}
