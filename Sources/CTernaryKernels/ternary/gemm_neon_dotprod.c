// Ternary GEMM with the dot product extension: tiles of 4 rows x 4 tokens over unpacked codes
// (gemm.c has the loops). 16 sums of 32 bits, 4 vectors of codes and one of activations: 16 sdot
// for 8 loads. 2048 columns of 2 * 127 cannot overflow 32 bits.

#if defined(__aarch64__)

#include "ternary/ternary_neon.h"

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

enum { TOKENS = 4 };

/// 4 rows x `tokens` tokens; `tokens` is a constant where this is inlined.
static inline __attribute__((always_inline)) void multiply_tile(const uint8_t *codes,
                                                                size_t columns, const int8_t *q,
                                                                size_t q_stride, size_t tokens,
                                                                int32_t *out) {
  int32x4_t acc[TOKENS][TK_TILE_ROWS] = {0};
  for (size_t c = 0; c < columns; c += 16) {
    int8x16_t u[TK_TILE_ROWS];
    for (size_t r = 0; r < TK_TILE_ROWS; r++) {
      u[r] = vreinterpretq_s8_u8(vld1q_u8(codes + r * TK_PANEL_COLUMNS + c));
    }
    for (size_t t = 0; t < tokens; t++) {
      int8x16_t x = vld1q_s8(q + t * q_stride + c);
      for (size_t r = 0; r < TK_TILE_ROWS; r++) {
        acc[t][r] = vdotq_s32(acc[t][r], u[r], x);
      }
    }
  }
  for (size_t t = 0; t < tokens; t++) {
    vst1q_s32(out + t * TK_TILE_ROWS, tk_reduce4(acc[t][0], acc[t][1], acc[t][2], acc[t][3]));
  }
}

static void multiply(const uint8_t *codes, size_t columns, const int8_t *q, size_t q_stride,
                     size_t tokens, int32_t *out) {
  switch (tokens) {
  case 1:
    multiply_tile(codes, columns, q, q_stride, 1, out);
    break;
  case 2:
    multiply_tile(codes, columns, q, q_stride, 2, out);
    break;
  case 3:
    multiply_tile(codes, columns, q, q_stride, 3, out);
    break;
  default:
    multiply_tile(codes, columns, q, q_stride, 4, out);
  }
}

const tk_gemm_kernels tk_gemm_t2_neon_dotprod = {
    .small_batch = TK_SMALL_BATCH,
    .tokens = TOKENS,
    .rows = TK_TILE_ROWS,
    .unpack = tk_gemm_unpack_t2_neon,
    .multiply = multiply,
};

const tk_gemm_kernels tk_gemm_t5_neon_dotprod = {
    .small_batch = TK_SMALL_BATCH,
    .tokens = TOKENS,
    .rows = TK_TILE_ROWS,
    .unpack = tk_gemm_unpack_t5_neon,
    .multiply = multiply,
};

const tk_gemm_kernels tk_gemm_l2_neon_dotprod = {
    .tokens = TOKENS,
    .rows = TK_TILE_ROWS,
    .unpack = tk_gemm_unpack_l2,
    .multiply = multiply,
};

#pragma clang attribute pop

#endif
