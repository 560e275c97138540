// The register tile of GEMM with AVX-512 VNNI (gemm_avx512.h), for every count of tokens.

#if defined(__x86_64__)

#include "ternary/gemm_avx512.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,"           \
                                                   "avx512vnni,fma,f16c"))),                       \
                             apply_to = function)

void tk_multiply512(const uint8_t *codes, size_t columns, const int8_t *q, size_t q_stride,
                    size_t tokens, int32_t *out) {
  switch (tokens) {
  case 1:
    tk_multiply_tile512(codes, columns, q, q_stride, 1, out);
    break;
  case 2:
    tk_multiply_tile512(codes, columns, q, q_stride, 2, out);
    break;
  case 3:
    tk_multiply_tile512(codes, columns, q, q_stride, 3, out);
    break;
  case 4:
    tk_multiply_tile512(codes, columns, q, q_stride, 4, out);
    break;
  case 5:
    tk_multiply_tile512(codes, columns, q, q_stride, 5, out);
    break;
  case 6:
    tk_multiply_tile512(codes, columns, q, q_stride, 6, out);
    break;
  case 7:
    tk_multiply_tile512(codes, columns, q, q_stride, 7, out);
    break;
  case 8:
    tk_multiply_tile512(codes, columns, q, q_stride, 8, out);
    break;
  case 9:
    tk_multiply_tile512(codes, columns, q, q_stride, 9, out);
    break;
  default:
    tk_multiply_tile512(codes, columns, q, q_stride, TK_TOKENS_512, out);
    break;
  }
}

#pragma clang attribute pop

#endif
