// Ternary GEMM with the int8 matrix extension: tiles of 16 rows x 4 tokens over unpacked codes
// (gemm.c has the loops). smmla multiplies two rows by two tokens, 8 columns of each, twice what
// sdot does. Codes of a panel are unpacked in the order in which they are multiplied, two rows in
// one vector:
//
//   16 columns of 16 rows, 256 bytes: row 0 columns 0-7, row 1 columns 0-7 | the same rows, columns
//   8-15 | rows 2 and 3 | ... | rows 14 and 15
//
// Activations are put together so from two tokens at a time, two zips for the 16 smmla of eight row
// pairs; that is why the tile is high and narrow. 16 sums, 4 vectors of activations and 2 of codes
// fit the 32 registers. 2048 columns of 2 * 127 cannot overflow 32 bits.

#if defined(__aarch64__)

#include "ternary/ternary_neon.h"

#pragma clang attribute push(__attribute__((target("dotprod,i8mm"))), apply_to = function)

enum {
  ROWS = 16,
  ROW_PAIRS = ROWS / 2,
  TOKENS = 4,
  TOKEN_PAIRS = TOKENS / 2,
  STEP_COLUMNS = 16,
  STEP_BYTES = STEP_COLUMNS * ROWS,
  /// The most activation rows for which gemm_small_neon_dotprod.c is faster than smmla on panels.
  SMALL_BATCH = 2,
};

/// The lower, and the upper, 8 bytes of two vectors side by side.
static inline uint8x16_t lower_halves(uint8x16_t a, uint8x16_t b) {
  return vreinterpretq_u8_u64(vzip1q_u64(vreinterpretq_u64_u8(a), vreinterpretq_u64_u8(b)));
}
static inline uint8x16_t upper_halves(uint8x16_t a, uint8x16_t b) {
  return vreinterpretq_u8_u64(vzip2q_u64(vreinterpretq_u64_u8(a), vreinterpretq_u64_u8(b)));
}

/// Half a block of one tile: 16 columns of every field. `codes` is where those of field 0 begin.
/// `fields` is a constant where this is inlined.
static inline __attribute__((always_inline)) void
unpack_half(size_t fields, const uint8_t *tile, const tk_t5_tables *tables, uint8_t *codes) {
  for (size_t pair = 0; pair < TK_TILE_ROWS / 2; pair++, tile += 2 * TK_BLOCK_BYTES, codes += 32) {
    uint8x16_t first = vld1q_u8(tile), second = vld1q_u8(tile + TK_BLOCK_BYTES);
    const tk_row_codes low = tk_decode_row(fields, lower_halves(first, second), tables);
    const tk_row_codes high = tk_decode_row(fields, upper_halves(first, second), tables);
    for (size_t f = 0; f < fields; f++) { // a field is two steps of 16 columns
      vst1q_s8((int8_t *)codes + f * 2 * STEP_BYTES, low.field[f]);
      vst1q_s8((int8_t *)codes + f * 2 * STEP_BYTES + 16, high.field[f]);
    }
  }
}

/// `fields` is a constant where this is inlined.
static inline __attribute__((always_inline)) void unpack_panel(size_t fields, const uint8_t *tile,
                                                               size_t tile_stride, size_t tiles,
                                                               size_t blocks, uint8_t *codes) {
  const tk_t5_tables tables = tk_t5_load_tables();
  const size_t steps = fields * TK_BLOCK_BYTES / STEP_COLUMNS; // of a block
  for (size_t i = 0; i < tiles; i++, tile += tile_stride) {
    for (size_t b = 0; b < blocks; b++) {
      for (size_t half = 0; half < 2; half++) {
        unpack_half(fields, tile + b * TK_TILE_BYTES + 16 * half, &tables,
                    codes + (b * steps + half) * STEP_BYTES + i * TK_TILE_ROWS * STEP_COLUMNS);
      }
    }
  }
}

static void unpack_panel_t2(const uint8_t *tile, size_t tile_stride, size_t tiles, size_t blocks,
                            uint8_t *codes) {
  unpack_panel(TK_T2_FIELDS, tile, tile_stride, tiles, blocks, codes);
}

static void unpack_panel_t5(const uint8_t *tile, size_t tile_stride, size_t tiles, size_t blocks,
                            uint8_t *codes) {
  unpack_panel(TK_T5_FIELDS, tile, tile_stride, tiles, blocks, codes);
}

/// 16 rows x `pairs` pairs of tokens; `pairs` is a constant where this is inlined. Of an odd number
/// of tokens the last one is its own partner.
static inline __attribute__((always_inline)) void multiply_tile(const uint8_t *codes,
                                                                size_t columns, const int8_t *q,
                                                                size_t q_stride, size_t tokens,
                                                                size_t pairs, int32_t *out) {
  const int8_t *x[TOKENS];
  for (size_t t = 0; t < 2 * pairs; t++) {
    x[t] = q + (t < tokens ? t : tokens - 1) * q_stride;
  }
  int32x4_t acc[TOKEN_PAIRS][ROW_PAIRS] = {0};
  for (size_t c = 0; c < columns; c += STEP_COLUMNS, codes += STEP_BYTES) {
    int8x16_t low[TOKEN_PAIRS], high[TOKEN_PAIRS];
    for (size_t t = 0; t < pairs; t++) {
      uint8x16_t a = vreinterpretq_u8_s8(vld1q_s8(x[2 * t] + c));
      uint8x16_t b = vreinterpretq_u8_s8(vld1q_s8(x[2 * t + 1] + c));
      low[t] = vreinterpretq_s8_u8(lower_halves(a, b));
      high[t] = vreinterpretq_s8_u8(upper_halves(a, b));
    }
    for (size_t r = 0; r < ROW_PAIRS; r++) {
      int8x16_t u = vld1q_s8((const int8_t *)codes + 32 * r);
      int8x16_t v = vld1q_s8((const int8_t *)codes + 32 * r + 16);
      for (size_t t = 0; t < pairs; t++) {
        acc[t][r] = vmmlaq_s32(vmmlaq_s32(acc[t][r], u, low[t]), v, high[t]);
      }
    }
  }
  for (size_t t = 0; t < pairs; t++) { // a sum: row 0 and tokens 0 and 1, then row 1
    for (size_t r = 0; r < ROW_PAIRS; r += 2) {
      int32_t *even = out + 2 * t * ROWS + 2 * r;
      vst1q_s32(even, vuzp1q_s32(acc[t][r], acc[t][r + 1]));
      if (2 * t + 1 < tokens) {
        vst1q_s32(even + ROWS, vuzp2q_s32(acc[t][r], acc[t][r + 1]));
      }
    }
  }
}

static void multiply(const uint8_t *codes, size_t columns, const int8_t *q, size_t q_stride,
                     size_t tokens, int32_t *out) {
  if (tokens > 2) {
    multiply_tile(codes, columns, q, q_stride, tokens, 2, out);
  } else {
    multiply_tile(codes, columns, q, q_stride, tokens, 1, out);
  }
}

const tk_gemm_kernels tk_gemm_t2_neon_i8mm = {
    .small_batch = SMALL_BATCH,
    .tokens = TOKENS,
    .rows = ROWS,
    .unpack_panel = unpack_panel_t2,
    .multiply = multiply,
};

const tk_gemm_kernels tk_gemm_t5_neon_i8mm = {
    .small_batch = SMALL_BATCH,
    .tokens = TOKENS,
    .rows = ROWS,
    .unpack_panel = unpack_panel_t5,
    .multiply = multiply,
};

#pragma clang attribute pop

#endif
