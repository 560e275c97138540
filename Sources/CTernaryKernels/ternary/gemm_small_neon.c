// Ternary GEMM with baseline NEON for 2 to 8 activation rows ("tokens"): gemm_small_neon_dotprod.c
// with smlal into 16-bit sums, which are added to 32-bit ones every few blocks.
//
// Overflow: with |q| <= 127 and codes <= 2 a product is at most 254. A 16-bit lane takes the low
// and the high eight bytes of a vector, of two halves a block: 16 products a block of T2, 8 blocks
// 128 * 254 = 32512; 20 of T5, 6 blocks 120 * 254 = 30480; both <= 32767.

#if defined(__aarch64__)

#include "ternary/ternary_neon.h"

enum {
  T2_BLOCKS_PER_FLUSH = 8,
  T5_BLOCKS_PER_FLUSH = 6,
  TOKENS = TK_SMALL_BATCH,
  FEW_TOKENS = 4,
};

/// Adds up to a flush of blocks of the first `rows` rows of a tile. `fields`, `rows` and `tokens`
/// are constants where this is inlined.
static inline __attribute__((always_inline)) void
add_blocks(size_t fields, const uint8_t *p, size_t blocks, const int8_t *q, size_t q_stride,
           size_t tokens, size_t rows, int32x4_t total[TOKENS][TK_TILE_ROWS]) {
  const tk_t5_tables tables = tk_t5_load_tables();
  int16x8_t acc[TOKENS][TK_TILE_ROWS] = {0};
  for (size_t b = 0; b < blocks; b++, p += TK_TILE_BYTES, q += fields * TK_BLOCK_BYTES) {
#pragma clang loop unroll(disable) // two halves at once would not fit the registers
    for (size_t half = 0; half < TK_BLOCK_BYTES; half += 16) {
      tk_row_codes codes[TK_TILE_ROWS];
      for (size_t r = 0; r < rows; r++) {
        codes[r] = tk_decode_row(fields, vld1q_u8(p + r * TK_BLOCK_BYTES + half), &tables);
      }
#pragma clang loop unroll(full)
      for (size_t f = 0; f < fields; f++) {
#pragma clang loop unroll(full)
        for (size_t t = 0; t < tokens; t++) {
          int8x16_t x = vld1q_s8(q + t * q_stride + f * TK_BLOCK_BYTES + half);
          for (size_t r = 0; r < rows; r++) {
            int8x16_t u = codes[r].field[f];
            acc[t][r] = vmlal_s8(acc[t][r], vget_low_s8(u), vget_low_s8(x));
            acc[t][r] = vmlal_high_s8(acc[t][r], u, x);
          }
        }
      }
    }
  }
  for (size_t t = 0; t < tokens; t++) {
    for (size_t r = 0; r < rows; r++) {
      total[t][r] = vpadalq_s16(total[t][r], acc[t][r]);
    }
  }
}

/// All rows of the range times `tokens` tokens.
static inline __attribute__((always_inline)) void
multiply_tokens(size_t fields, const tk_matrix *w, const int8_t *q, size_t q_stride,
                const int32_t *sums, size_t tokens, size_t row_begin, size_t row_end, int32_t *y,
                size_t y_stride) {
  const size_t blocks = tk_block_count(w->layout, w->columns);
  const size_t tile = tokens <= FEW_TOKENS ? TK_TILE_ROWS : TK_TILE_ROWS / 2;
  const size_t flush = fields == TK_T5_FIELDS ? T5_BLOCKS_PER_FLUSH : T2_BLOCKS_PER_FLUSH;
  const size_t width = fields * TK_BLOCK_BYTES;
  for (size_t r = row_begin; r < row_end; r += tile) {
    const uint8_t *p = tk_packed_row(w, r);
    int32x4_t total[TOKENS][TK_TILE_ROWS] = {0};
    for (size_t b = 0; b < blocks; b += flush) {
      add_blocks(fields, p + b * TK_TILE_BYTES, blocks - b < flush ? blocks - b : flush,
                 q + b * width, q_stride, tokens, tile, total);
    }
    for (size_t t = 0; t < tokens; t++) {
      tk_store_rows(total[t], sums[t], row_end - r < tile ? row_end - r : tile,
                    y + t * y_stride + (r - row_begin));
    }
  }
}

/// The count of tokens, at least 2, becomes a constant, so that sums stay in registers.
static inline __attribute__((always_inline)) void
multiply(size_t fields, const tk_matrix *w, const int8_t *q, size_t stride, const int32_t *sums,
         size_t batch, size_t begin, size_t end, int32_t *y, size_t y_stride) {
  switch (batch) {
  case 2:
    multiply_tokens(fields, w, q, stride, sums, 2, begin, end, y, y_stride);
    break;
  case 3:
    multiply_tokens(fields, w, q, stride, sums, 3, begin, end, y, y_stride);
    break;
  case 4:
    multiply_tokens(fields, w, q, stride, sums, 4, begin, end, y, y_stride);
    break;
  case 5:
    multiply_tokens(fields, w, q, stride, sums, 5, begin, end, y, y_stride);
    break;
  case 6:
    multiply_tokens(fields, w, q, stride, sums, 6, begin, end, y, y_stride);
    break;
  case 7:
    multiply_tokens(fields, w, q, stride, sums, 7, begin, end, y, y_stride);
    break;
  default:
    multiply_tokens(fields, w, q, stride, sums, 8, begin, end, y, y_stride);
  }
}

static void gemm_t2(const tk_matrix *w, const int8_t *q, size_t q_stride, const int32_t *sums,
                    size_t batch, size_t row_begin, size_t row_end, int32_t *y, size_t y_stride) {
  if (batch == 1) { // its codes are multiplied where they lie, which is less work
    tk_gemv_t2_neon.gemv(w, q, *sums, 0, tk_block_count(w->layout, w->columns), row_begin, row_end,
                         y);
  } else {
    multiply(TK_T2_FIELDS, w, q, q_stride, sums, batch, row_begin, row_end, y, y_stride);
  }
}

static void gemm_t5(const tk_matrix *w, const int8_t *q, size_t q_stride, const int32_t *sums,
                    size_t batch, size_t row_begin, size_t row_end, int32_t *y, size_t y_stride) {
  if (batch == 1) { // its codes are multiplied where they lie, which is less work
    tk_gemv_t5_neon.gemv(w, q, *sums, 0, tk_block_count(w->layout, w->columns), row_begin, row_end,
                         y);
  } else {
    multiply(TK_T5_FIELDS, w, q, q_stride, sums, batch, row_begin, row_end, y, y_stride);
  }
}

const tk_gemm_small_kernels tk_gemm_small_t2_neon = {gemm_t2};
const tk_gemm_small_kernels tk_gemm_small_t5_neon = {gemm_t5};

#endif
