// T5 GEMV with AVX-512 VBMI and VNNI: two 128-entry look-ups turn the 7 bits below a code's sign
// into five 2-bit codes (trit + 1), four of them in one byte and the fifth in another:
//
//   code = s mmmmmmm      four[m] = u3 u2 u1 u0      fifth[m] = u4      if s: u becomes 2 - u
//
// The four are masked where they are, and the sums of the fields that are 4, 16 and 64 times too
// large are kept apart until the end (ternary_avx512.h proves that they fit). For 320 weights that
// is 1 load, 2 permutes, 1 move to a mask, 2 subtractions, 4 masks and 5 vpdpbusd.

#if defined(__x86_64__)

#include "ternary/gemv_avx512.h"
#include "ternary/t5_avx512.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,"           \
                                                   "avx512vbmi,avx512vnni,fma,f16c"))),            \
                             apply_to = function)

static void gemv_t5(const tk_matrix *w, const int8_t *q, int32_t sum, size_t block_begin,
                    size_t block_end, size_t row_begin, size_t row_end, int32_t *y) {
  const tk_tables512 tables = tk_t5_load_tables512();
  tk_gemv512(tk_add_t5_512, TK_T5_COLUMNS, &tables, w, q, sum, block_begin, block_end, row_begin,
             row_end, y);
}

const tk_gemv_kernels tk_gemv_t5_avx512 = {gemv_t5};

#pragma clang attribute pop

#endif
