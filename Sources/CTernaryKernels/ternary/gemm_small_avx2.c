// Ternary GEMM with AVX2 for up to 8 activation rows ("tokens"): GEMV whose decoded weights serve
// up to four tokens before they are dropped.
//
// gemm_avx2.c writes the codes of a panel to memory, which pays when many tokens use them; with
// two it takes longer than two GEMVs, and it does not prefetch. Here two rows' fields of 2 bits
// stay in registers:
//
//   for 2 rows, for a block: decode -> for each field, for each token:
//     acc[row][token] += vpmaddubsw(field of row, q[token])
//
// 8 sums, 2 codes, 2 fields, the mask and one activation vector are 14 of 16 registers. Fields are
// shifted down, unlike in GEMV, so that one sum takes them all: two more instructions a block, once
// for all tokens.
//
// Overflow: with |q| <= 127 and codes <= 2 a 16-bit lane grows by at most 508 a field: 16 blocks of
// T2 give 16 * 4 * 508 = 32512, 12 of T5 12 * 5 * 508 = 30480, both <= 32767.

#if defined(__x86_64__)

#include "ternary/ternary_avx2.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

enum {
  ROWS = 2,
  TOKENS = 4,
  T2_BLOCKS_PER_FLUSH = 16,
  T5_BLOCKS_PER_FLUSH = 12,
};

typedef struct row_codes {
  __m256i field[TK_T5_FIELDS];
} row_codes;

static inline row_codes decode_t2(__m256i e) {
  const __m256i m03 = _mm256_set1_epi8(0x03);
  return (row_codes){{_mm256_and_si256(e, m03), _mm256_and_si256(_mm256_srli_epi16(e, 2), m03),
                      _mm256_and_si256(_mm256_srli_epi16(e, 4), m03),
                      _mm256_and_si256(_mm256_srli_epi16(e, 6), m03), _mm256_setzero_si256()}};
}

static inline row_codes decode_t5(__m256i code, const tk_t5_tables *tables) {
  const __m256i m03 = _mm256_set1_epi8(0x03);
  tk_t5_fields u = tk_t5_decode(code, tables);
  return (row_codes){
      {_mm256_and_si256(u.low, m03), _mm256_and_si256(_mm256_srli_epi16(u.low, 2), m03),
       _mm256_and_si256(_mm256_srli_epi16(u.low, 4), m03), _mm256_and_si256(u.high, m03),
       _mm256_and_si256(_mm256_srli_epi16(u.high, 2), m03)}};
}

/// Adds up to a flush of blocks of two rows; `fields` and `tokens` are constants where this is
/// inlined.
static inline __attribute__((always_inline)) void
add_blocks(size_t fields, const uint8_t *p, const int8_t *q, size_t q_stride, size_t tokens,
           size_t blocks, const tk_t5_tables *tables, __m256i total[ROWS][TOKENS]) {
  const size_t ahead = tk_bytes_ahead();
  __m256i acc[ROWS][TOKENS] = {0};
  for (size_t b = 0; b < blocks; b++, p += TK_TILE_BYTES, q += fields * TK_BLOCK_BYTES) {
    tk_prefetch(p, ahead); // two rows are one line
    row_codes codes[ROWS];
    for (size_t r = 0; r < ROWS; r++) {
      __m256i e = tk_load(p + r * TK_BLOCK_BYTES);
      codes[r] = fields == TK_T5_FIELDS ? decode_t5(e, tables) : decode_t2(e);
    }
    for (size_t f = 0; f < fields; f++) {
      for (size_t t = 0; t < tokens; t++) {
        __m256i x = tk_load(q + t * q_stride + f * TK_BLOCK_BYTES);
        for (size_t r = 0; r < ROWS; r++) {
          acc[r][t] = _mm256_add_epi16(acc[r][t], _mm256_maddubs_epi16(codes[r].field[f], x));
        }
      }
    }
  }
  for (size_t r = 0; r < ROWS; r++) {
    for (size_t t = 0; t < tokens; t++) {
      total[r][t] = _mm256_add_epi32(total[r][t], tk_widen(acc[r][t]));
    }
  }
}

/// Two rows of a tile times `tokens` tokens; `rows` of them are written.
static inline __attribute__((always_inline)) void
multiply_rows(size_t fields, const uint8_t *p, size_t blocks, const int8_t *q, size_t q_stride,
              const int32_t *sums, size_t tokens, size_t rows, int32_t *y, size_t y_stride) {
  const tk_t5_tables tables = tk_t5_load_tables();
  const size_t flush = fields == TK_T5_FIELDS ? T5_BLOCKS_PER_FLUSH : T2_BLOCKS_PER_FLUSH;
  const size_t width = fields * TK_BLOCK_BYTES;
  __m256i total[ROWS][TOKENS] = {0};
  for (size_t b = 0; b < blocks; b += flush) {
    add_blocks(fields, p + b * TK_TILE_BYTES, q + b * width, q_stride, tokens,
               blocks - b < flush ? blocks - b : flush, &tables, total);
  }
  for (size_t r = 0; r < rows; r++) {
    int32_t out[TOKENS];
    _mm_storeu_si128((__m128i *)out,
                     tk_reduce4(total[r][0], total[r][1], total[r][2], total[r][3]));
    for (size_t t = 0; t < tokens; t++) {
      y[t * y_stride + r] = out[t] - sums[t];
    }
  }
}

static inline __attribute__((always_inline)) void
multiply_tokens(size_t fields, const uint8_t *p, size_t blocks, const int8_t *q, size_t q_stride,
                const int32_t *sums, size_t tokens, size_t rows, int32_t *y, size_t y_stride) {
  switch (tokens) {
  case 1:
    multiply_rows(fields, p, blocks, q, q_stride, sums, 1, rows, y, y_stride);
    break;
  case 2:
    multiply_rows(fields, p, blocks, q, q_stride, sums, 2, rows, y, y_stride);
    break;
  case 3:
    multiply_rows(fields, p, blocks, q, q_stride, sums, 3, rows, y, y_stride);
    break;
  default:
    multiply_rows(fields, p, blocks, q, q_stride, sums, 4, rows, y, y_stride);
  }
}

/// `fields` is a constant where this is inlined.
static inline __attribute__((always_inline)) void
gemm(size_t fields, const tk_matrix *w, const int8_t *q, size_t q_stride, const int32_t *sums,
     size_t batch, size_t row_begin, size_t row_end, int32_t *y, size_t y_stride) {
  const size_t blocks = tk_block_count(w->layout, w->columns);
  // Groups of about equal size; the second one finds the codes of its rows in level 1.
  const size_t groups = (batch + TOKENS - 1) / TOKENS;
  for (size_t r = row_begin; r < row_end; r += ROWS) {
    const uint8_t *p = tk_packed_row(w, r);
    const size_t rows = row_end - r < ROWS ? row_end - r : ROWS;
    for (size_t g = 0; g < groups; g++) {
      const size_t t = batch * g / groups;
      const size_t tokens = batch * (g + 1) / groups - t;
      multiply_tokens(fields, p, blocks, q + t * q_stride, q_stride, sums + t, tokens, rows,
                      y + t * y_stride + (r - row_begin), y_stride);
    }
  }
}

static void gemm_t2(const tk_matrix *w, const int8_t *q, size_t q_stride, const int32_t *sums,
                    size_t batch, size_t row_begin, size_t row_end, int32_t *y, size_t y_stride) {
  gemm(TK_T2_FIELDS, w, q, q_stride, sums, batch, row_begin, row_end, y, y_stride);
}

static void gemm_t5(const tk_matrix *w, const int8_t *q, size_t q_stride, const int32_t *sums,
                    size_t batch, size_t row_begin, size_t row_end, int32_t *y, size_t y_stride) {
  gemm(TK_T5_FIELDS, w, q, q_stride, sums, batch, row_begin, row_end, y, y_stride);
}

const tk_gemm_small_kernels tk_gemm_small_t2_avx2 = {gemm_t2};
const tk_gemm_small_kernels tk_gemm_small_t5_avx2 = {gemm_t5};

#pragma clang attribute pop

#endif
