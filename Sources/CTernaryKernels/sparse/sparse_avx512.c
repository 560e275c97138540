// The products of T5 that skip zeros with AVX-512 VBMI and VNNI: sparse_avx512.h with the 128-entry
// look-ups for T5.

#if defined(__x86_64__)

#include "sparse/sparse_avx512.h"
#include "ternary/t5_avx512.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,"           \
                                                   "avx512vbmi,avx512vnni,fma,f16c"))),            \
                             apply_to = function)

/// The parts of T2, and the fifth field.
static inline tk_fields512 t5_parts(__m512i code, const tk_tables512 *tables) {
  tk_t5_bytes512 u = tk_t5_look_up512(code, tables);
  tk_fields512 parts = tk_t2_parts512(u.four, tables);
  parts.u[4] = u.fifth;
  return parts;
}

static void gemv_rows_t5(const tk_strands *w, const int8_t *q, int32_t sum, const int32_t *list,
                         size_t begin, size_t end, int32_t *y) {
  const tk_tables512 tables = tk_t5_load_tables512();
  tk_gemv_rows512(tk_add_t5_512, &tables, w, q, sum, list, begin, end, y);
}

static void gemv_columns_t5(const tk_strands *w, const int8_t *q, int32_t sum, const int32_t *list,
                            size_t count, size_t row_begin, size_t row_end, int32_t *y) {
  const tk_tables512 tables = tk_t5_load_tables512();
  tk_gemv_columns512(t5_parts, tk_t2_finish512, TK_T5_FIELDS, &tables, w, q, sum, list, count,
                     row_begin, row_end, y);
}

const tk_sparse_kernels tk_sparse_t5_avx512 = {gemv_rows_t5, gemv_columns_t5};

#pragma clang attribute pop

#endif
