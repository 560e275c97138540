// Ternary GEMV with the dot product extension: codes where they are (gemv_neon.c), sdot into 32-bit
// lanes, so that nothing overflows and nothing needs flushing.
//
// Overflow: fields 16 times too large are at most 32. A quarter of the columns of T2 goes to
// `by16`, spread evenly over four lanes: 32 * 127 * 2^23 / 4 / 4 = 2130706432 < 2^31. Of T5 two
// fifths go to `by4`, with fields of at most 8.

#if defined(__aarch64__)

#include "ternary/ternary_neon.h"

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

/// Sums of one row: of fields as they are, and 4 and, only in T2, 16 times too large.
typedef struct row_sums {
  int32x4_t by1, by4, by16;
} row_sums;

static inline row_sums add_t2(row_sums s, uint8x16_t e, const int8x16_t x[4]) {
  int8x16_t last = vreinterpretq_s8_u8(vshrq_n_u8(e, 6));
  s.by1 = vdotq_s32(vdotq_s32(s.by1, tk_field0(e), x[0]), last, x[3]);
  s.by4 = vdotq_s32(s.by4, tk_field1(e), x[1]);
  s.by16 = vdotq_s32(s.by16, tk_field2(e), x[2]);
  return s;
}

static inline row_sums add_t5(row_sums s, uint8x16_t code, const int8x16_t x[5],
                              const tk_t5_tables *tables) {
  tk_t5_fields u = tk_t5_decode(code, tables);
  int8x16_t third = vreinterpretq_s8_u8(vshrq_n_u8(u.low, 4));
  s.by1 = vdotq_s32(vdotq_s32(s.by1, tk_field0(u.low), x[0]), third, x[2]);
  s.by1 = vdotq_s32(s.by1, tk_field0(u.high), x[3]);
  s.by4 = vdotq_s32(vdotq_s32(s.by4, tk_field1(u.low), x[1]), tk_field1(u.high), x[4]);
  return s;
}

static inline void store(const row_sums s[TK_TILE_ROWS], int32_t sum, size_t rows, int32_t *y) {
  int32x4_t total[TK_TILE_ROWS];
  for (size_t r = 0; r < TK_TILE_ROWS; r++) {
    total[r] = vsraq_n_s32(vsraq_n_s32(s[r].by1, s[r].by4, 2), s[r].by16, 4);
  }
  tk_store_rows(total, sum, rows, y);
}

static void gemv_t2(const tk_matrix *w, const int8_t *q, int32_t sum, size_t block_begin,
                    size_t block_end, size_t row_begin, size_t row_end, int32_t *y) {
  for (size_t row = row_begin; row < row_end; row += TK_TILE_ROWS) {
    row_sums s[TK_TILE_ROWS] = {0};
    for (size_t b = block_begin; b < block_end; b++) {
      for (size_t half = 0; half < TK_BLOCK_BYTES; half += 16) {
        const uint8_t *p = tk_packed_row(w, row) + b * TK_TILE_BYTES + half;
        int8x16_t x[4];
        for (size_t f = 0; f < 4; f++) {
          x[f] = vld1q_s8(q + b * TK_T2_COLUMNS + f * TK_BLOCK_BYTES + half);
        }
        for (size_t r = 0; r < TK_TILE_ROWS; r++) {
          s[r] = add_t2(s[r], vld1q_u8(p + r * TK_BLOCK_BYTES), x);
        }
      }
    }
    store(s, sum, row_end - row, y + row - row_begin);
  }
}

static void gemv_t5(const tk_matrix *w, const int8_t *q, int32_t sum, size_t block_begin,
                    size_t block_end, size_t row_begin, size_t row_end, int32_t *y) {
  const tk_t5_tables tables = tk_t5_load_tables();
  for (size_t row = row_begin; row < row_end; row += TK_TILE_ROWS) {
    row_sums s[TK_TILE_ROWS] = {0};
    for (size_t b = block_begin; b < block_end; b++) {
#pragma clang loop unroll(disable) // two halves at once would not fit the registers
      for (size_t half = 0; half < TK_BLOCK_BYTES; half += 16) {
        const uint8_t *p = tk_packed_row(w, row) + b * TK_TILE_BYTES + half;
        int8x16_t x[5];
        for (size_t f = 0; f < 5; f++) {
          x[f] = vld1q_s8(q + b * TK_T5_COLUMNS + f * TK_BLOCK_BYTES + half);
        }
        for (size_t r = 0; r < TK_TILE_ROWS; r++) {
          s[r] = add_t5(s[r], vld1q_u8(p + r * TK_BLOCK_BYTES), x, &tables);
        }
      }
    }
    store(s, sum, row_end - row, y + row - row_begin);
  }
}

const tk_gemv_kernels tk_gemv_t2_neon_dotprod = {gemv_t2};
const tk_gemv_kernels tk_gemv_t5_neon_dotprod = {gemv_t5};

#pragma clang attribute pop

#endif
