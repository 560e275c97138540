// Ternary GEMV with baseline NEON: 2-bit codes (trit + 1) times int8 activations in smlal.
//
// As on AVX2 (gemv_avx2.c) codes are masked where they are, and the sums of the fields that are 4
// times too large are kept apart until a flush. 16 bytes of codes are one vector, so a block of 32
// bytes has two halves.
//
// Overflow: with |q| <= 127 and u <= 2 one product is at most 254, and 1016 for the large fields.
// A 16-bit lane takes the low and the high eight bytes of a vector, of two halves a block:
//   large: 2 fields x 4 x 1016 = 8128 a block, 4 blocks 32512 <= 32767
//   small: 2 or 3 fields x 4 x 254 = 3048 a block at most, 4 blocks 12192
// At the flush large / 4 is exact, and small + large / 4 <= 12192 + 8128 = 20320.

#if defined(__aarch64__)

#include "ternary/ternary_neon.h"

enum { BLOCKS_PER_FLUSH = 4 };

/// 16-bit sums of one row: fields as they are, and fields 4 times too large.
typedef struct row_sums {
  int16x8_t small, large;
} row_sums;

static inline int32x4_t flush(int32x4_t total, row_sums s) {
  return vpadalq_s16(total, vsraq_n_s16(s.small, s.large, 2));
}

static inline int16x8_t add_products(int16x8_t sums, int8x16_t u, int8x16_t x) {
  return vmlal_high_s8(vmlal_s8(sums, vget_low_s8(u), vget_low_s8(x)), u, x);
}

/// Adds half a block of one row: 16 bytes of codes. `x` holds the activations of each field.
static inline row_sums add_t2(row_sums s, uint8x16_t e, const int8x16_t x[4]) {
  uint8x16_t f = vshrq_n_u8(e, 4);
  s.small = add_products(add_products(s.small, tk_field0(e), x[0]), tk_field0(f), x[2]);
  s.large = add_products(add_products(s.large, tk_field1(e), x[1]), tk_field1(f), x[3]);
  return s;
}

static inline row_sums add_t5(row_sums s, uint8x16_t code, const int8x16_t x[5],
                              const tk_t5_tables *tables) {
  tk_t5_fields u = tk_t5_decode(code, tables);
  int8x16_t third = vreinterpretq_s8_u8(vshrq_n_u8(u.low, 4));
  s.small = add_products(add_products(s.small, tk_field0(u.low), x[0]), third, x[2]);
  s.small = add_products(s.small, tk_field0(u.high), x[3]);
  s.large = add_products(add_products(s.large, tk_field1(u.low), x[1]), tk_field1(u.high), x[4]);
  return s;
}

/// Up to BLOCKS_PER_FLUSH blocks of one tile. Four rows share a block's activations.
static inline void add_tile_t2(const uint8_t *p, const int8_t *x, size_t blocks,
                               int32x4_t total[TK_TILE_ROWS]) {
  row_sums s[TK_TILE_ROWS] = {0};
  for (size_t b = 0; b < blocks; b++, p += TK_TILE_BYTES, x += TK_T2_COLUMNS) {
    for (size_t half = 0; half < TK_BLOCK_BYTES; half += 16) {
      int8x16_t q[4];
      for (size_t f = 0; f < 4; f++) {
        q[f] = vld1q_s8(x + f * TK_BLOCK_BYTES + half);
      }
      for (size_t r = 0; r < TK_TILE_ROWS; r++) {
        s[r] = add_t2(s[r], vld1q_u8(p + r * TK_BLOCK_BYTES + half), q);
      }
    }
  }
  for (size_t r = 0; r < TK_TILE_ROWS; r++) {
    total[r] = flush(total[r], s[r]);
  }
}

static inline void add_tile_t5(const uint8_t *p, const int8_t *x, size_t blocks,
                               const tk_t5_tables *tables, int32x4_t total[TK_TILE_ROWS]) {
  row_sums s[TK_TILE_ROWS] = {0};
  for (size_t b = 0; b < blocks; b++, p += TK_TILE_BYTES, x += TK_T5_COLUMNS) {
    for (size_t half = 0; half < TK_BLOCK_BYTES; half += 16) {
      int8x16_t q[5];
      for (size_t f = 0; f < 5; f++) {
        q[f] = vld1q_s8(x + f * TK_BLOCK_BYTES + half);
      }
      for (size_t r = 0; r < TK_TILE_ROWS; r++) {
        s[r] = add_t5(s[r], vld1q_u8(p + r * TK_BLOCK_BYTES + half), q, tables);
      }
    }
  }
  for (size_t r = 0; r < TK_TILE_ROWS; r++) {
    total[r] = flush(total[r], s[r]);
  }
}

static void gemv_t2(const tk_matrix *w, const int8_t *q, int32_t sum, size_t block_begin,
                    size_t block_end, size_t row_begin, size_t row_end, int32_t *y) {
  for (size_t r = row_begin; r < row_end; r += TK_TILE_ROWS) {
    const uint8_t *p = tk_packed_row(w, r);
    int32x4_t total[TK_TILE_ROWS] = {0};
    for (size_t b = block_begin; b < block_end; b += BLOCKS_PER_FLUSH) {
      size_t blocks = block_end - b < BLOCKS_PER_FLUSH ? block_end - b : BLOCKS_PER_FLUSH;
      add_tile_t2(p + b * TK_TILE_BYTES, q + b * TK_T2_COLUMNS, blocks, total);
    }
    tk_store_rows(total, sum, row_end - r, y + r - row_begin);
  }
}

static void gemv_t5(const tk_matrix *w, const int8_t *q, int32_t sum, size_t block_begin,
                    size_t block_end, size_t row_begin, size_t row_end, int32_t *y) {
  const tk_t5_tables tables = tk_t5_load_tables();
  for (size_t r = row_begin; r < row_end; r += TK_TILE_ROWS) {
    const uint8_t *p = tk_packed_row(w, r);
    int32x4_t total[TK_TILE_ROWS] = {0};
    for (size_t b = block_begin; b < block_end; b += BLOCKS_PER_FLUSH) {
      size_t blocks = block_end - b < BLOCKS_PER_FLUSH ? block_end - b : BLOCKS_PER_FLUSH;
      add_tile_t5(p + b * TK_TILE_BYTES, q + b * TK_T5_COLUMNS, blocks, &tables, total);
    }
    tk_store_rows(total, sum, row_end - r, y + r - row_begin);
  }
}

const tk_gemv_kernels tk_gemv_t2_neon = {gemv_t2};
const tk_gemv_kernels tk_gemv_t5_neon = {gemv_t5};

#endif
