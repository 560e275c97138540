// The products that skip zeros with AVX-512 VNNI alone: sparse_avx512.h with the 16-entry look-ups
// for T5.

#if defined(__x86_64__)

#include "sparse/sparse_avx512.h"
#include "ternary/t5_avx512_vnni.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,"           \
                                                   "avx512vnni,fma,f16c"))),                       \
                             apply_to = function)

/// Two fields and a whole byte, one field and another whole byte.
static inline tk_fields512 t5_parts(__m512i code, const tk_tables512 *tables) {
  tk_t5_bytes512 u = tk_t5_look_up512(code, tables);
  return (tk_fields512){
      {tk_mask512(u.low, 0x03), tk_mask512(u.low, 0x0C), u.low, tk_mask512(u.high, 0x03), u.high}};
}

/// The divisions are exact.
static inline tk_fields512 t5_finish(tk_fields512 s) {
  __m512i third = _mm512_sub_epi32(s.u[2], _mm512_add_epi32(s.u[0], s.u[1]));
  s.u[1] = _mm512_srai_epi32(s.u[1], 2);
  s.u[2] = _mm512_srai_epi32(third, 4);
  s.u[4] = _mm512_srai_epi32(_mm512_sub_epi32(s.u[4], s.u[3]), 2);
  return s;
}

static void gemv_rows_t2(const tk_strands *w, const int8_t *q, int32_t sum, const int32_t *list,
                         size_t begin, size_t end, int32_t *y) {
  tk_gemv_rows512(tk_add_t2_512, NULL, w, q, sum, list, begin, end, y);
}

static void gemv_rows_t5(const tk_strands *w, const int8_t *q, int32_t sum, const int32_t *list,
                         size_t begin, size_t end, int32_t *y) {
  const tk_tables512 tables = tk_t5_load_tables512();
  tk_gemv_rows512(tk_add_t5_512, &tables, w, q, sum, list, begin, end, y);
}

static void gemv_columns_t2(const tk_strands *w, const int8_t *q, int32_t sum, const int32_t *list,
                            size_t count, size_t row_begin, size_t row_end, int32_t *y) {
  tk_gemv_columns512(tk_t2_parts512, tk_t2_finish512, TK_T2_FIELDS, NULL, w, q, sum, list, count,
                     row_begin, row_end, y);
}

static void gemv_columns_t5(const tk_strands *w, const int8_t *q, int32_t sum, const int32_t *list,
                            size_t count, size_t row_begin, size_t row_end, int32_t *y) {
  const tk_tables512 tables = tk_t5_load_tables512();
  tk_gemv_columns512(t5_parts, t5_finish, TK_T5_FIELDS, &tables, w, q, sum, list, count, row_begin,
                     row_end, y);
}

static void split_t5(const uint8_t *codes, size_t n, uint8_t *low, uint8_t *high) {
  const tk_tables512 tables = tk_t5_load_tables512();
  for (size_t i = 0; i < n; i += 64) {
    // A multiple of 32 may end with half a vector.
    const __mmask64 present = n - i < 64 ? 0xFFFFFFFF : ~(__mmask64)0;
    tk_t5_bytes512 u = tk_t5_look_up512(_mm512_maskz_loadu_epi8(present, codes + i), &tables);
    _mm512_mask_storeu_epi8(low + i, present, u.low);
    _mm512_mask_storeu_epi8(high + i, present, u.high);
  }
}

const tk_sparse_kernels tk_sparse_t2_avx512_vnni = {gemv_rows_t2, gemv_columns_t2};
const tk_sparse_kernels tk_sparse_t5_avx512_vnni = {gemv_rows_t5, gemv_columns_t5};
const tk_split_kernels tk_split_avx512_vnni = {split_t5};

#pragma clang attribute pop

#endif
