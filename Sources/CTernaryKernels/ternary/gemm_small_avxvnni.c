// Ternary GEMM with AVX2 and AVX-VNNI for 2 to 8 activation rows ("tokens"): GEMV whose decoded
// weights serve all of them before they are dropped, as in gemm_small_avx2.c, with one vpdpbusd
// where AVX2 multiplies and adds, and no flush.
//
// One row at a time has its codes in registers and activations as memory operands: 8 sums, 5 codes
// and the mask are 14 of 16 registers. Two rows that share each load of activations need more
// instructions in T5, where codes are spilled, and as many in T2. Few tokens have two or four sums
// each, for the latency of vpdpbusd.
//
// Overflow: with |q| <= 127 and codes <= 2 a lane takes an eighth of the columns: 2^20 * 254 <
// 2^31.

#if defined(__x86_64__)

#include "ternary/ternary_avxvnni.h"

#pragma clang attribute push(__attribute__((target(TK_TARGET_AVXVNNI))), apply_to = function)

enum {
  TOKENS = TK_SMALL_BATCH,
  CHAINS = 4,
};

typedef struct row_codes {
  __m256i field[TK_T5_FIELDS];
} row_codes;

/// Codes trit + 1 of each field; `fields` is a constant where this is inlined.
static inline row_codes decode(size_t fields, __m256i code, const tk_t5_tables *tables) {
  const __m256i m03 = _mm256_set1_epi8(0x03);
  __m256i high = _mm256_srli_epi16(code, 6), last = _mm256_setzero_si256();
  if (fields == TK_T5_FIELDS) {
    tk_t5_fields u = tk_t5_decode(code, tables);
    code = u.low;
    high = u.high;
    last = _mm256_and_si256(_mm256_srli_epi16(u.high, 2), m03);
  }
  return (row_codes){
      {_mm256_and_si256(code, m03), _mm256_and_si256(_mm256_srli_epi16(code, 2), m03),
       _mm256_and_si256(_mm256_srli_epi16(code, 4), m03), _mm256_and_si256(high, m03), last}};
}

/// One row times `tokens` tokens. `fields` and `tokens` are constants where this is inlined; sums
/// of other tokens stay 0.
static inline __attribute__((always_inline)) void multiply_row(size_t fields, const uint8_t *p,
                                                               size_t blocks, const int8_t *q,
                                                               size_t q_stride, size_t tokens,
                                                               __m256i total[TOKENS]) {
  const tk_t5_tables tables = tk_t5_load_tables();
  const size_t chains = tokens == 2 ? CHAINS : tokens <= 4 ? 2 : 1;
  const size_t ahead = tk_bytes_ahead();
  __m256i acc[CHAINS][TOKENS] = {0};
  for (size_t b = 0; b < blocks; b++, p += TK_TILE_BYTES, q += fields * TK_BLOCK_BYTES) {
    tk_prefetch(p, ahead);
    const row_codes codes = decode(fields, tk_load(p), &tables);
#pragma clang loop unroll(full)
    for (size_t f = 0; f < fields; f++) {
#pragma clang loop unroll(full)
      for (size_t t = 0; t < tokens; t++) {
        acc[f % chains][t] = tk_dot256(acc[f % chains][t], codes.field[f],
                                       tk_load(q + t * q_stride + f * TK_BLOCK_BYTES));
      }
    }
  }
  for (size_t t = 0; t < tokens; t++) {
    total[t] = _mm256_add_epi32(_mm256_add_epi32(acc[0][t], acc[1][t]),
                                _mm256_add_epi32(acc[2][t], acc[3][t]));
  }
}

/// All rows of the range times `tokens` tokens.
static inline __attribute__((always_inline)) void
multiply_tokens(size_t fields, const tk_matrix *w, const int8_t *q, size_t q_stride,
                const int32_t *sums, size_t tokens, size_t row_begin, size_t row_end, int32_t *y,
                size_t y_stride) {
  const size_t blocks = tk_block_count(w->layout, w->columns);
  for (size_t r = row_begin; r < row_end; r++) {
    __m256i total[TOKENS] = {0};
    multiply_row(fields, tk_packed_row(w, r), blocks, q, q_stride, tokens, total);
    int32_t out[TOKENS];
    for (size_t t = 0; t < TOKENS; t += 4) {
      _mm_storeu_si128((__m128i *)(out + t),
                       tk_reduce4(total[t], total[t + 1], total[t + 2], total[t + 3]));
    }
    for (size_t t = 0; t < tokens; t++) {
      y[t * y_stride + (r - row_begin)] = out[t] - sums[t];
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
    tk_gemv_t2_avxvnni.gemv(w, q, *sums, 0, tk_block_count(w->layout, w->columns), row_begin,
                            row_end, y);
  } else {
    multiply(TK_T2_FIELDS, w, q, q_stride, sums, batch, row_begin, row_end, y, y_stride);
  }
}

static void gemm_t5(const tk_matrix *w, const int8_t *q, size_t q_stride, const int32_t *sums,
                    size_t batch, size_t row_begin, size_t row_end, int32_t *y, size_t y_stride) {
  if (batch == 1) { // its codes are multiplied where they lie, which is less work
    tk_gemv_t5_avxvnni.gemv(w, q, *sums, 0, tk_block_count(w->layout, w->columns), row_begin,
                            row_end, y);
  } else {
    multiply(TK_T5_FIELDS, w, q, q_stride, sums, batch, row_begin, row_end, y, y_stride);
  }
}

const tk_gemm_small_kernels tk_gemm_small_t2_avxvnni = {gemm_t2};
const tk_gemm_small_kernels tk_gemm_small_t5_avxvnni = {gemm_t5};

#pragma clang attribute pop

#endif
