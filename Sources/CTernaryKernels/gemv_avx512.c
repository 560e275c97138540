// T5 GEMV with AVX-512 VBMI and VNNI: two 128-entry look-ups turn the 7 bits below a code's sign
// into five 2-bit codes (trit + 1), four of them in one byte and the fifth in another:
//
//   code = s mmmmmmm      four[m] = u3 u2 u1 u0      fifth[m] = u4      if s: u becomes 2 - u
//
// The four are masked where they are, and the sums of the fields that are 4, 16 and 64 times too
// large are kept apart until the end (ternary_avx512.h proves that they fit). For 320 weights that
// is 1 load, 2 permutes, 1 move to a mask, 2 subtractions, 4 masks and 5 vpdpbusd.

#if defined(__x86_64__)

#include "t5_avx512.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,"           \
                                                   "avx512vbmi,avx512vnni,fma,f16c"))),            \
                             apply_to = function)

/// Adds one block of 160 columns of two rows.
static inline tk_pair_sums add_t5(tk_pair_sums s, __m512i code, const __m512i x[5],
                                  const tk_tables512 *tables) {
  tk_t5_bytes512 u = tk_t5_look_up512(code, tables);
  s.by1 = tk_dot512(s.by1, tk_mask512(u.four, 0x03), x[0]);
  s.by4 = tk_dot512(s.by4, tk_mask512(u.four, 0x0C), x[1]);
  s.by16 = tk_dot512(s.by16, tk_mask512(u.four, 0x30), x[2]);
  s.by64 = tk_dot512(s.by64, tk_mask512(u.four, 0xC0), x[3]);
  s.by1 = tk_dot512(s.by1, u.fifth, x[4]);
  return s;
}

/// Up to TK_BLOCKS_PER_FLUSH_512 blocks of one tile.
static inline void add_tile_t5(const uint8_t *p, const int8_t *q, size_t blocks,
                               const tk_tables512 *tables, __m512i total[2]) {
  tk_pair_sums first = {0}, second = {0};
  for (size_t b = 0; b < blocks; b++, p += TK_TILE_BYTES, q += TK_T5_COLUMNS) {
    tk_prefetch_tile(p);
    const __m512i x[5] = {tk_load_both(q), tk_load_both(q + 32), tk_load_both(q + 64),
                          tk_load_both(q + 96), tk_load_both(q + 128)};
    first = add_t5(first, _mm512_loadu_si512(p), x, tables);
    second = add_t5(second, _mm512_loadu_si512(p + 64), x, tables);
  }
  total[0] = tk_flush512(total[0], first);
  total[1] = tk_flush512(total[1], second);
}

void tk_gemv_t5_avx512(const tk_matrix *w, const int8_t *q, int32_t sum, size_t block_begin,
                       size_t block_end, size_t row_begin, size_t row_end, int32_t *y) {
  const tk_tables512 tables = tk_t5_load_tables512();
  for (size_t r = row_begin; r < row_end; r += TK_TILE_ROWS) {
    const uint8_t *p = tk_packed_row(w, r);
    __m512i total[2] = {0};
    for (size_t b = block_begin; b < block_end; b += TK_BLOCKS_PER_FLUSH_512) {
      size_t blocks =
          block_end - b < TK_BLOCKS_PER_FLUSH_512 ? block_end - b : TK_BLOCKS_PER_FLUSH_512;
      add_tile_t5(p + b * TK_TILE_BYTES, q + b * TK_T5_COLUMNS, blocks, &tables, total);
    }
    tk_store_rows512(_mm_sub_epi32(tk_reduce_pairs(total[0], total[1]), _mm_set1_epi32(sum)),
                     row_end - r, y + r - row_begin);
  }
}

#pragma clang attribute pop

#endif
