// Ternary GEMM with AVX2 and AVX-VNNI: the tile of gemm_avx2.c, 4 rows x 3 tokens over the same
// codes, with one vpdpbusd where AVX2 multiplies and adds. The 12 sums have 32-bit lanes.

#if defined(__x86_64__)

#include "ternary/ternary_avxvnni.h"

#pragma clang attribute push(__attribute__((target(TK_TARGET_AVXVNNI))), apply_to = function)

enum { TOKENS = 3 };

/// 4 rows x `tokens` tokens; `tokens` is a constant where this is inlined.
static inline __attribute__((always_inline)) void multiply_tile(const uint8_t *codes,
                                                                size_t columns, const int8_t *q,
                                                                size_t q_stride, size_t tokens,
                                                                int32_t *out) {
  __m256i acc[TOKENS][TK_TILE_ROWS] = {0};
  for (size_t c = 0; c < columns; c += 32) {
    __m256i x[TOKENS];
    for (size_t t = 0; t < tokens; t++) {
      x[t] = tk_load(q + t * q_stride + c);
    }
    for (size_t r = 0; r < TK_TILE_ROWS; r++) {
      __m256i u = tk_load(codes + r * TK_PANEL_COLUMNS + c);
      for (size_t t = 0; t < tokens; t++) {
        acc[t][r] = tk_dot256(acc[t][r], u, x[t]);
      }
    }
  }
  for (size_t t = 0; t < tokens; t++) {
    _mm_storeu_si128((__m128i *)(out + t * TK_TILE_ROWS),
                     tk_reduce4(acc[t][0], acc[t][1], acc[t][2], acc[t][3]));
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

const tk_gemm_kernels tk_gemm_t2_avxvnni = {
    .small_batch = TK_SMALL_BATCH,
    .tokens = TOKENS,
    .rows = TK_TILE_ROWS,
    .unpack = tk_gemm_unpack_t2_avx2,
    .multiply = multiply,
};

const tk_gemm_kernels tk_gemm_t5_avxvnni = {
    .small_batch = TK_SMALL_BATCH,
    .tokens = TOKENS,
    .rows = TK_TILE_ROWS,
    .unpack = tk_gemm_unpack_t5_avx2,
    .multiply = multiply,
};

const tk_gemm_kernels tk_gemm_l2_avxvnni = {
    .tokens = TOKENS,
    .rows = TK_TILE_ROWS,
    .unpack = tk_gemm_unpack_l2,
    .multiply = multiply,
};

#pragma clang attribute pop

#endif
