// Ternary GEMM with baseline NEON: tiles of 4 rows x 2 tokens over unpacked codes (gemm.c has the
// loops), smlal into 16-bit sums that are flushed every 1024 columns.
//
// Overflow: with |q| <= 127 and codes <= 2 a 16-bit lane takes two products of at most 254 every 16
// columns: 64 steps * 2 * 254 = 32512 <= 32767.
//
// 2 tokens: 8 sums of 16 and 8 of 32 bits, 4 vectors of codes and 2 of activations fit the 32
// registers; 16 smlal for 6 loads. With more tokens the 32-bit sums would not stay in registers.

#if defined(__aarch64__)

#include "ternary/ternary_neon.h"

enum { TOKENS = 2, COLUMNS_PER_FLUSH = 1024 };

/// `fields` is a constant where this is inlined.
static inline __attribute__((always_inline)) void unpack(size_t fields, const uint8_t *tile,
                                                         size_t blocks, uint8_t *codes) {
  const tk_t5_tables tables = tk_t5_load_tables();
  for (size_t b = 0; b < blocks; b++, codes += fields * TK_BLOCK_BYTES) {
    for (size_t i = 0; i < TK_TILE_BYTES; i += 16, tile += 16) {
      const tk_row_codes u = tk_decode_row(fields, vld1q_u8(tile), &tables);
      uint8_t *out = codes + i / TK_BLOCK_BYTES * TK_PANEL_COLUMNS + i % TK_BLOCK_BYTES;
      for (size_t f = 0; f < fields; f++) {
        vst1q_u8(out + f * TK_BLOCK_BYTES, vreinterpretq_u8_s8(u.field[f]));
      }
    }
  }
}

void tk_gemm_unpack_t2_neon(const uint8_t *tile, size_t blocks, uint8_t *codes) {
  unpack(TK_T2_FIELDS, tile, blocks, codes);
}

void tk_gemm_unpack_t5_neon(const uint8_t *tile, size_t blocks, uint8_t *codes) {
  unpack(TK_T5_FIELDS, tile, blocks, codes);
}

/// Columns [0, columns) of 4 rows x `tokens` tokens, at most COLUMNS_PER_FLUSH.
static inline __attribute__((always_inline)) void
multiply_range(const uint8_t *codes, size_t columns, const int8_t *q, size_t q_stride,
               size_t tokens, int32x4_t total[TOKENS][TK_TILE_ROWS]) {
  int16x8_t acc[TOKENS][TK_TILE_ROWS] = {0};
  for (size_t c = 0; c < columns; c += 16) {
    int8x16_t u[TK_TILE_ROWS];
    for (size_t r = 0; r < TK_TILE_ROWS; r++) {
      u[r] = vreinterpretq_s8_u8(vld1q_u8(codes + r * TK_PANEL_COLUMNS + c));
    }
    for (size_t t = 0; t < tokens; t++) {
      int8x16_t x = vld1q_s8(q + t * q_stride + c);
      for (size_t r = 0; r < TK_TILE_ROWS; r++) {
        acc[t][r] = vmlal_s8(acc[t][r], vget_low_s8(u[r]), vget_low_s8(x));
        acc[t][r] = vmlal_high_s8(acc[t][r], u[r], x);
      }
    }
  }
  for (size_t t = 0; t < tokens; t++) {
    for (size_t r = 0; r < TK_TILE_ROWS; r++) {
      total[t][r] = vpadalq_s16(total[t][r], acc[t][r]);
    }
  }
}

/// `tokens` is a constant where this is inlined.
static inline __attribute__((always_inline)) void multiply_tile(const uint8_t *codes,
                                                                size_t columns, const int8_t *q,
                                                                size_t q_stride, size_t tokens,
                                                                int32_t *out) {
  int32x4_t total[TOKENS][TK_TILE_ROWS] = {0};
  for (size_t c = 0; c < columns; c += COLUMNS_PER_FLUSH) {
    size_t range = columns - c < COLUMNS_PER_FLUSH ? columns - c : COLUMNS_PER_FLUSH;
    multiply_range(codes + c, range, q + c, q_stride, tokens, total);
  }
  for (size_t t = 0; t < tokens; t++) {
    vst1q_s32(out + t * TK_TILE_ROWS,
              tk_reduce4(total[t][0], total[t][1], total[t][2], total[t][3]));
  }
}

static void multiply(const uint8_t *codes, size_t columns, const int8_t *q, size_t q_stride,
                     size_t tokens, int32_t *out) {
  if (tokens == 2) {
    multiply_tile(codes, columns, q, q_stride, 2, out);
  } else {
    multiply_tile(codes, columns, q, q_stride, 1, out);
  }
}

const tk_gemm_kernels tk_gemm_t2_neon = {
    .small_batch = TK_SMALL_BATCH,
    .tokens = TOKENS,
    .rows = TK_TILE_ROWS,
    .unpack = tk_gemm_unpack_t2_neon,
    .multiply = multiply,
};

const tk_gemm_kernels tk_gemm_t5_neon = {
    .small_batch = TK_SMALL_BATCH,
    .tokens = TOKENS,
    .rows = TK_TILE_ROWS,
    .unpack = tk_gemm_unpack_t5_neon,
    .multiply = multiply,
};

const tk_gemm_kernels tk_gemm_l2_neon = {
    .tokens = TOKENS,
    .rows = TK_TILE_ROWS,
    .unpack = tk_gemm_unpack_l2,
    .multiply = multiply,
};

#endif
