// Ternary GEMV with AVX2: unsigned 2-bit codes (trit + 1) times int8 activations in vpmaddubsw.
//
// T2: a byte holds four codes. Instead of shifting each down, codes are masked where they are and
// the sums of the fields that are 4 times too large are kept apart until a flush:
//
//   e      = u3 u2 u1 u0        e & 03 = u0         e & 0C = 4 u1
//   e >> 4 = .. .. u3 u2        ... & 03 = u2       ... & 0C = 4 u3
//
// T5: four look-ups turn a byte into two bytes of such codes, three and two (layout.h).
//
// 16-bit sums take TK_BLOCKS_PER_FLUSH blocks (ternary_avx2.h).

#if defined(__x86_64__)

#include "ternary/ternary_avx2.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

/// Writes up to four rows' results; the last tile may have rows that are only padding.
static inline void store_rows(const __m256i total[TK_TILE_ROWS], int32_t sum, size_t rows,
                              int32_t *y) {
  __m128i all =
      _mm_sub_epi32(tk_reduce4(total[0], total[1], total[2], total[3]), _mm_set1_epi32(sum));
  int32_t out[TK_TILE_ROWS];
  _mm_storeu_si128((__m128i *)out, all);
  if (rows >= TK_TILE_ROWS) {
    _mm_storeu_si128((__m128i *)y, all);
    return;
  }
  for (size_t r = 0; r < rows; r++) {
    y[r] = out[r];
  }
}

/// Up to TK_BLOCKS_PER_FLUSH blocks of one tile. Four rows share a block's activations.
static inline void add_tile_t2(const uint8_t *p, const int8_t *x, size_t blocks,
                               __m256i total[TK_TILE_ROWS]) {
  const size_t ahead = tk_bytes_ahead();
  tk_row_sums s[TK_TILE_ROWS] = {0};
  for (size_t b = 0; b < blocks; b++, p += TK_TILE_BYTES, x += TK_T2_COLUMNS) {
    tk_prefetch_lines(p, ahead, TK_TILE_BYTES);
    const __m256i q[4] = {tk_load(x), tk_load(x + 32), tk_load(x + 64), tk_load(x + 96)};
    for (size_t r = 0; r < TK_TILE_ROWS; r++) {
      s[r] = tk_add_t2(s[r], tk_load(p + r * TK_BLOCK_BYTES), q);
    }
  }
  for (size_t r = 0; r < TK_TILE_ROWS; r++) {
    total[r] = tk_flush(total[r], s[r]);
  }
}

/// The same for T5, row by row: tables and masks take ten registers, which leaves sums for one row.
/// The 1 KiB of codes is in level 1 after the first row.
static inline void add_tile_t5(const uint8_t *p, const int8_t *x, size_t blocks,
                               const tk_t5_tables *tables, __m256i total[TK_TILE_ROWS]) {
  const size_t ahead = tk_bytes_ahead();
  for (size_t r = 0; r < TK_TILE_ROWS; r++) {
    tk_row_sums s = {0};
    for (size_t b = 0; b < blocks; b++) {
      const uint8_t *code = p + b * TK_TILE_BYTES + r * TK_BLOCK_BYTES;
      if (r % 2 == 0) { // two rows to a cache line
        tk_prefetch(code, ahead);
      }
      s = tk_add_t5(s, tk_load(code), x + b * TK_T5_COLUMNS, tables);
    }
    total[r] = tk_flush(total[r], s);
  }
}

static void gemv_t2(const tk_matrix *w, const int8_t *q, int32_t sum, size_t block_begin,
                    size_t block_end, size_t row_begin, size_t row_end, int32_t *y) {
  for (size_t r = row_begin; r < row_end; r += TK_TILE_ROWS) {
    const uint8_t *p = tk_packed_row(w, r);
    __m256i total[TK_TILE_ROWS] = {0};
    for (size_t b = block_begin; b < block_end; b += TK_BLOCKS_PER_FLUSH) {
      size_t blocks = block_end - b < TK_BLOCKS_PER_FLUSH ? block_end - b : TK_BLOCKS_PER_FLUSH;
      add_tile_t2(p + b * TK_TILE_BYTES, q + b * TK_T2_COLUMNS, blocks, total);
    }
    store_rows(total, sum, row_end - r, y + r - row_begin);
  }
}

static void gemv_t5(const tk_matrix *w, const int8_t *q, int32_t sum, size_t block_begin,
                    size_t block_end, size_t row_begin, size_t row_end, int32_t *y) {
  const tk_t5_tables tables = tk_t5_load_tables();
  for (size_t r = row_begin; r < row_end; r += TK_TILE_ROWS) {
    const uint8_t *p = tk_packed_row(w, r);
    __m256i total[TK_TILE_ROWS] = {0};
    for (size_t b = block_begin; b < block_end; b += TK_BLOCKS_PER_FLUSH) {
      size_t blocks = block_end - b < TK_BLOCKS_PER_FLUSH ? block_end - b : TK_BLOCKS_PER_FLUSH;
      add_tile_t5(p + b * TK_TILE_BYTES, q + b * TK_T5_COLUMNS, blocks, &tables, total);
    }
    store_rows(total, sum, row_end - r, y + r - row_begin);
  }
}

const tk_gemv_kernels tk_gemv_t2_avx2 = {gemv_t2};
const tk_gemv_kernels tk_gemv_t5_avx2 = {gemv_t5};

#pragma clang attribute pop

#endif
