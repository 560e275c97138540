// Ternary GEMM with the dot product extension for 2 to 8 activation rows ("tokens"): GEMV whose
// decoded weights serve all of them before they are dropped.
//
// gemm_neon_dotprod.c writes the codes of a panel to memory and reads them again for every four
// tokens, which pays when many tokens use them. Here the fields of a few rows stay in registers:
//
//   for some rows, for half a block: decode -> for each field, for each token:
//     acc[token][row] += sdot(field of row, q[token])
//
// Four rows with up to 4 tokens, two rows with up to 8: 16 sums, the decoded bytes, a field of each
// row, one activation vector and the masks fit the 32 registers, and so many sums hide the latency
// of sdot. Fields are shifted down, unlike in GEMV, so that one sum takes them all: one more
// instruction for 64 weights, once for all tokens.
//
// Overflow: with |q| <= 127 and codes <= 2 a lane takes a quarter of the columns: 2^21 * 254 <
// 2^31.

#if defined(__aarch64__)

#include "ternary/ternary_neon.h"

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

enum { TOKENS = TK_SMALL_BATCH, FEW_TOKENS = 4 };

/// One tile, of which the first `rows` rows are multiplied by `tokens` tokens. `fields`, `rows` and
/// `tokens` are constants where this is inlined; sums of other rows stay 0.
static inline __attribute__((always_inline)) void
multiply_rows(size_t fields, const uint8_t *p, size_t blocks, const int8_t *q, size_t q_stride,
              size_t tokens, size_t rows, int32x4_t acc[TOKENS][TK_TILE_ROWS]) {
  const tk_t5_tables tables = tk_t5_load_tables();
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
            acc[t][r] = vdotq_s32(acc[t][r], codes[r].field[f], x);
          }
        }
      }
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
  for (size_t r = row_begin; r < row_end; r += tile) {
    int32x4_t acc[TOKENS][TK_TILE_ROWS] = {0};
    multiply_rows(fields, tk_packed_row(w, r), blocks, q, q_stride, tokens, tile, acc);
    for (size_t t = 0; t < tokens; t++) {
      tk_store_rows(acc[t], sums[t], row_end - r < tile ? row_end - r : tile,
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
    tk_gemv_t2_neon_dotprod.gemv(w, q, *sums, 0, tk_block_count(w->layout, w->columns), row_begin,
                                 row_end, y);
  } else {
    multiply(TK_T2_FIELDS, w, q, q_stride, sums, batch, row_begin, row_end, y, y_stride);
  }
}

static void gemm_t5(const tk_matrix *w, const int8_t *q, size_t q_stride, const int32_t *sums,
                    size_t batch, size_t row_begin, size_t row_end, int32_t *y, size_t y_stride) {
  if (batch == 1) { // its codes are multiplied where they lie, which is less work
    tk_gemv_t5_neon_dotprod.gemv(w, q, *sums, 0, tk_block_count(w->layout, w->columns), row_begin,
                                 row_end, y);
  } else {
    multiply(TK_T5_FIELDS, w, q, q_stride, sums, batch, row_begin, row_end, y, y_stride);
  }
}

const tk_gemm_small_kernels tk_gemm_small_t2_neon_dotprod = {gemm_t2};
const tk_gemm_small_kernels tk_gemm_small_t5_neon_dotprod = {gemm_t5};

#pragma clang attribute pop

#endif
