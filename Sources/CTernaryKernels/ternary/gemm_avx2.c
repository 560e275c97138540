// Ternary GEMM with AVX2: tiles of 4 rows x 3 tokens over unpacked codes (gemm.c has the loops),
// for what is too small for the look-ups of gemm_lut_avx2.c.
//
//   acc[t][r] += vpmaddubsw(codes[r][c .. c + 31], q[t][c .. c + 31])      16-bit lanes
//
// 12 sums, two activation vectors, one vector of codes and one product fill the 16 registers; the
// third token's activations are memory operands. Each vector of codes serves 3 products, so
// that by count arithmetic (12 multiplies and 12 adds on four pipes) outweighs loading (10).
//
// Overflow: with |q| <= 127 and codes <= 2 a lane grows by at most 2 * 2 * 127 = 508 a step, and a
// panel of TK_PANEL_COLUMNS = 2048 columns has 64 steps: 64 * 508 = 32512 <= 32767.

#if defined(__x86_64__)

#include "ternary/ternary_avx2.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

enum {
  TOKENS = 3,
  /// The most activation rows for which the codes in registers of gemm_small_avx2.c are as fast as
  /// panels, in cache and from memory. On Zen 4 2, 4 and 8 rows take 0.9, 0.8 and 0.8 times as long
  /// as so many GEMVs (T2 from memory, panels 2.0, 1.2 and 0.9), 2 and 4 rows of T5 0.8 and 0.6
  /// times (panels 1.2 and 0.8).
  SMALL_BATCH_T2 = 8,
  SMALL_BATCH_T5 = 4,
};

static inline void unpack_row_t2(__m256i e, uint8_t *codes) {
  const __m256i m03 = _mm256_set1_epi8(0x03);
  __m256i *out = (__m256i *)codes;
  _mm256_storeu_si256(out, _mm256_and_si256(e, m03));
  _mm256_storeu_si256(out + 1, _mm256_and_si256(_mm256_srli_epi16(e, 2), m03));
  _mm256_storeu_si256(out + 2, _mm256_and_si256(_mm256_srli_epi16(e, 4), m03));
  _mm256_storeu_si256(out + 3, _mm256_and_si256(_mm256_srli_epi16(e, 6), m03));
}

static inline void unpack_row_t5(__m256i code, const tk_t5_tables *tables, uint8_t *codes) {
  const __m256i m03 = _mm256_set1_epi8(0x03);
  tk_t5_fields u = tk_t5_decode(code, tables);
  __m256i *out = (__m256i *)codes;
  _mm256_storeu_si256(out, _mm256_and_si256(u.low, m03));
  _mm256_storeu_si256(out + 1, _mm256_and_si256(_mm256_srli_epi16(u.low, 2), m03));
  _mm256_storeu_si256(out + 2, _mm256_and_si256(_mm256_srli_epi16(u.low, 4), m03));
  _mm256_storeu_si256(out + 3, _mm256_and_si256(u.high, m03));
  _mm256_storeu_si256(out + 4, _mm256_and_si256(_mm256_srli_epi16(u.high, 2), m03));
}

void tk_gemm_unpack_t2_avx2(const uint8_t *tile, size_t blocks, uint8_t *codes) {
  for (size_t b = 0; b < blocks; b++, codes += TK_T2_COLUMNS) {
    for (size_t r = 0; r < TK_TILE_ROWS; r++, tile += TK_BLOCK_BYTES) {
      unpack_row_t2(tk_load(tile), codes + r * TK_PANEL_COLUMNS);
    }
  }
}

void tk_gemm_unpack_t5_avx2(const uint8_t *tile, size_t blocks, uint8_t *codes) {
  const tk_t5_tables tables = tk_t5_load_tables();
  for (size_t b = 0; b < blocks; b++, codes += TK_T5_COLUMNS) {
    for (size_t r = 0; r < TK_TILE_ROWS; r++, tile += TK_BLOCK_BYTES) {
      unpack_row_t5(tk_load(tile), &tables, codes + r * TK_PANEL_COLUMNS);
    }
  }
}

/// 4 rows x `tokens` tokens; `tokens` is a constant where this is inlined.
static inline __attribute__((always_inline)) void multiply_tile(const uint8_t *codes,
                                                                size_t columns, const int8_t *q,
                                                                size_t q_stride, size_t tokens,
                                                                int32_t *out) {
  __m256i acc[TOKENS][TK_TILE_ROWS] = {0};
  const int8_t *third = q + (tokens - 1) * q_stride;
  for (size_t c = 0; c < columns; c += 32) {
    __m256i x0 = tk_load(q + c), x1 = tokens > 1 ? tk_load(q + q_stride + c) : x0;
    for (size_t r = 0; r < TK_TILE_ROWS; r++) {
      __m256i u = tk_load(codes + r * TK_PANEL_COLUMNS + c);
      acc[0][r] = _mm256_add_epi16(acc[0][r], _mm256_maddubs_epi16(u, x0));
      if (tokens > 1) {
        acc[1][r] = _mm256_add_epi16(acc[1][r], _mm256_maddubs_epi16(u, x1));
      }
      if (tokens > 2) {
        // There is no 17th register for the third token: left alone, clang spills a sum, and the
        // round trip through memory becomes the loop's longest chain. A memory operand is free.
        __asm__("" : "+r"(third));
        acc[2][r] = _mm256_add_epi16(acc[2][r], _mm256_maddubs_epi16(u, tk_load(third + c)));
      }
    }
  }
  for (size_t t = 0; t < tokens; t++) {
    _mm_storeu_si128((__m128i *)(out + t * TK_TILE_ROWS),
                     tk_reduce4(tk_widen(acc[t][0]), tk_widen(acc[t][1]), tk_widen(acc[t][2]),
                                tk_widen(acc[t][3])));
  }
}

static void multiply(const uint8_t *codes, size_t columns, const int8_t *q, size_t q_stride,
                     size_t tokens, int32_t *out) {
  if (tokens == 3) {
    multiply_tile(codes, columns, q, q_stride, 3, out);
  } else if (tokens == 2) {
    multiply_tile(codes, columns, q, q_stride, 2, out);
  } else {
    multiply_tile(codes, columns, q, q_stride, 1, out);
  }
}

const tk_gemm_kernels tk_gemm_t2_avx2 = {
    .small_batch = SMALL_BATCH_T2,
    .tokens = TOKENS,
    .rows = TK_TILE_ROWS,
    .unpack = tk_gemm_unpack_t2_avx2,
    .multiply = multiply,
    .product = &tk_gemm_lut_avx2,
};

const tk_gemm_kernels tk_gemm_t5_avx2 = {
    .small_batch = SMALL_BATCH_T5,
    .tokens = TOKENS,
    .rows = TK_TILE_ROWS,
    .unpack = tk_gemm_unpack_t5_avx2,
    .multiply = multiply,
    .product = &tk_gemm_lut_avx2,
};

const tk_gemm_kernels tk_gemm_l2_avx2 = {
    .tokens = TOKENS,
    .rows = TK_TILE_ROWS,
    .unpack = tk_gemm_unpack_l2,
    .multiply = multiply,
};

#pragma clang attribute pop

#endif
