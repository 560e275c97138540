// Private: ternary GEMV with AVX-512 VNNI, for any step of two rows and one block. The functions
// are inlined into the file of each instruction set, with its step as a constant.

#ifndef TK_GEMV_AVX512_H
#define TK_GEMV_AVX512_H

#include "ternary/ternary_avx512.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,"           \
                                                   "avx512vnni,fma,f16c"),                         \
                                            always_inline)),                                       \
                             apply_to = function)

/// Up to TK_BLOCKS_PER_FLUSH_512 blocks of one tile.
static inline void tk_add_tile512(tk_add512 *add, size_t width, const tk_tables512 *tables,
                                  const uint8_t *p, const int8_t *q, size_t blocks,
                                  __m512i total[2]) {
  const size_t ahead = tk_bytes_ahead();
  tk_pair_sums first = {0}, second = {0};
  for (size_t b = 0; b < blocks; b++, p += TK_TILE_BYTES, q += width) {
    tk_prefetch_lines(p, ahead, TK_TILE_BYTES);
    first = add(first, _mm512_loadu_si512(p), q, tables);
    second = add(second, _mm512_loadu_si512(p + 64), q, tables);
  }
  total[0] = tk_flush512(total[0], first);
  total[1] = tk_flush512(total[1], second);
}

/// tk_gemv for the layout whose blocks, of `width` columns, `add` takes.
static inline void tk_gemv512(tk_add512 *add, size_t width, const tk_tables512 *tables,
                              const tk_matrix *w, const int8_t *q, int32_t sum, size_t block_begin,
                              size_t block_end, size_t row_begin, size_t row_end, int32_t *y) {
  for (size_t r = row_begin; r < row_end; r += TK_TILE_ROWS) {
    const uint8_t *p = tk_packed_row(w, r);
    __m512i total[2] = {0};
    for (size_t b = block_begin; b < block_end; b += TK_BLOCKS_PER_FLUSH_512) {
      size_t blocks =
          block_end - b < TK_BLOCKS_PER_FLUSH_512 ? block_end - b : TK_BLOCKS_PER_FLUSH_512;
      tk_add_tile512(add, width, tables, p + b * TK_TILE_BYTES, q + b * width, blocks, total);
    }
    tk_store_rows512(_mm_sub_epi32(tk_reduce_pairs(total[0], total[1]), _mm_set1_epi32(sum)),
                     row_end - r, y + r - row_begin);
  }
}

#pragma clang attribute pop

#endif
