// Ternary GEMV with AVX-512 VNNI but no byte permutes across a vector (Cascade Lake): unsigned
// 2-bit codes (trit + 1) times int8 activations in vpdpbusd.
//
// T2: the four codes of a byte are masked where they are, and the sums of the fields that are 4, 16
// and 64 times too large are kept apart until the end (ternary_avx512.h proves that they fit):
//
//   e = u3 u2 u1 u0      e & 03 = u0     e & 0C = 4 u1     e & 30 = 16 u2     e & C0 = 64 u3
//
// T5: the nibble look-ups of layout.h give two bytes of such codes, three and two.

#if defined(__x86_64__)

#include "ternary/gemv_avx512.h"
#include "ternary/t5_avx512_vnni.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,"           \
                                                   "avx512vnni,fma,f16c"))),                       \
                             apply_to = function)

static void gemv_t2(const tk_matrix *w, const int8_t *q, int32_t sum, size_t block_begin,
                    size_t block_end, size_t row_begin, size_t row_end, int32_t *y) {
  tk_gemv512(tk_add_t2_512, TK_T2_COLUMNS, NULL, w, q, sum, block_begin, block_end, row_begin,
             row_end, y);
}

static void gemv_t5(const tk_matrix *w, const int8_t *q, int32_t sum, size_t block_begin,
                    size_t block_end, size_t row_begin, size_t row_end, int32_t *y) {
  const tk_tables512 tables = tk_t5_load_tables512();
  tk_gemv512(tk_add_t5_512, TK_T5_COLUMNS, &tables, w, q, sum, block_begin, block_end, row_begin,
             row_end, y);
}

const tk_gemv_kernels tk_gemv_t2_avx512_vnni = {gemv_t2};
const tk_gemv_kernels tk_gemv_t5_avx512_vnni = {gemv_t5};

#pragma clang attribute pop

#endif
