// Ternary GEMV with AVX2: unsigned 2-bit codes (trit + 1) meet int8 activations in vpmaddubsw.
//
// T2: a byte holds four codes. Instead of shifting each down, codes are masked where they are and
// the sums of the fields that are 4 times too large are kept apart until a flush:
//
//   e      = u3 u2 u1 u0        e & 03 = u0         e & 0C = 4 u1
//   e >> 4 = .. .. u3 u2        ... & 03 = u2       ... & 0C = 4 u3
//
// T5: four look-ups turn a byte into two bytes of such codes, three and two (ternary.h).
//
// Overflow: with |q| <= 127 and u <= 2 one vpmaddubsw gives at most 2 * 2 * 127 = 508 a lane, and
// 4 * 508 = 2032 for the large fields: no saturation. `large` takes two of those a block, so 8
// blocks 8 * 2 * 2032 = 32512 <= 32767; `small` takes two (T2) or three (T5) of 508: 12192. At the
// flush large / 4 is exact, and small + large / 4 <= 12192 + 8128 = 20320. The 32-bit sums are
// bounded in ternary.h.

#if defined(__x86_64__)

#include "ternary_avx2.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

enum {
  BLOCKS_PER_FLUSH = 8, ///< The most that 16-bit sums can take, see above.
  /// 4 KiB ahead was the best of 2, 4 and 8 KiB on Zen 4 with one and two threads.
  PREFETCH_BYTES = 4096,
};

/// 16-bit sums of one row: fields as they are, and fields 4 times too large.
typedef struct row_sums {
  __m256i small, large;
} row_sums;

static inline __m256i flush(__m256i total, row_sums s) {
  __m256i sum = _mm256_add_epi16(s.small, _mm256_srai_epi16(s.large, 2));
  return _mm256_add_epi32(total, tk_widen(sum));
}

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
  for (size_t r = 0; r < rows; r++)
    y[r] = out[r];
}

/// Adds one block of 128 columns of one row.
static inline row_sums add_t2(row_sums s, __m256i e, const __m256i x[4]) {
  const __m256i m03 = _mm256_set1_epi8(0x03), m0c = _mm256_set1_epi8(0x0C);
  __m256i f = _mm256_srli_epi16(e, 4);
  __m256i p0 = _mm256_maddubs_epi16(_mm256_and_si256(e, m03), x[0]);
  __m256i p1 = _mm256_maddubs_epi16(_mm256_and_si256(e, m0c), x[1]);
  __m256i p2 = _mm256_maddubs_epi16(_mm256_and_si256(f, m03), x[2]);
  __m256i p3 = _mm256_maddubs_epi16(_mm256_and_si256(f, m0c), x[3]);
  s.small = _mm256_add_epi16(s.small, _mm256_add_epi16(p0, p2));
  s.large = _mm256_add_epi16(s.large, _mm256_add_epi16(p1, p3));
  return s;
}

/// Adds one block of 160 columns of one row.
static inline row_sums add_t5(row_sums s, __m256i code, const int8_t *x,
                              const tk_t5_tables *tables) {
  const __m256i m03 = _mm256_set1_epi8(0x03), m0c = _mm256_set1_epi8(0x0C);
  tk_t5_fields u = tk_t5_decode(code, tables);
  __m256i third = _mm256_and_si256(_mm256_srli_epi16(u.low, 4), m03);
  __m256i p0 = _mm256_maddubs_epi16(_mm256_and_si256(u.low, m03), tk_load(x));
  __m256i p1 = _mm256_maddubs_epi16(_mm256_and_si256(u.low, m0c), tk_load(x + 32));
  __m256i p2 = _mm256_maddubs_epi16(third, tk_load(x + 64));
  __m256i p3 = _mm256_maddubs_epi16(_mm256_and_si256(u.high, m03), tk_load(x + 96));
  __m256i p4 = _mm256_maddubs_epi16(_mm256_and_si256(u.high, m0c), tk_load(x + 128));
  s.small = _mm256_add_epi16(s.small, _mm256_add_epi16(p0, _mm256_add_epi16(p2, p3)));
  s.large = _mm256_add_epi16(s.large, _mm256_add_epi16(p1, p4));
  return s;
}

/// Up to BLOCKS_PER_FLUSH blocks of one tile. Four rows share a block's activations.
static inline void add_tile_t2(const uint8_t *p, const int8_t *x, size_t blocks,
                               __m256i total[TK_TILE_ROWS]) {
  row_sums s[TK_TILE_ROWS] = {0};
  for (size_t b = 0; b < blocks; b++, p += TK_TILE_BYTES, x += TK_T2_COLUMNS) {
    _mm_prefetch((const char *)p + PREFETCH_BYTES, _MM_HINT_T0);
    _mm_prefetch((const char *)p + PREFETCH_BYTES + 64, _MM_HINT_T0);
    const __m256i q[4] = {tk_load(x), tk_load(x + 32), tk_load(x + 64), tk_load(x + 96)};
    for (size_t r = 0; r < TK_TILE_ROWS; r++)
      s[r] = add_t2(s[r], tk_load(p + r * TK_BLOCK_BYTES), q);
  }
  for (size_t r = 0; r < TK_TILE_ROWS; r++)
    total[r] = flush(total[r], s[r]);
}

/// The same for T5, row by row: tables and masks take ten registers, which leaves sums for one row.
/// The 1 KiB of codes is in level 1 after the first row.
static inline void add_tile_t5(const uint8_t *p, const int8_t *x, size_t blocks,
                               const tk_t5_tables *tables, __m256i total[TK_TILE_ROWS]) {
  for (size_t r = 0; r < TK_TILE_ROWS; r++) {
    row_sums s = {0};
    for (size_t b = 0; b < blocks; b++) {
      const uint8_t *code = p + b * TK_TILE_BYTES + r * TK_BLOCK_BYTES;
      if (r % 2 == 0) // two rows to a cache line
        _mm_prefetch((const char *)code + PREFETCH_BYTES, _MM_HINT_T0);
      s = add_t5(s, tk_load(code), x + b * TK_T5_COLUMNS, tables);
    }
    total[r] = flush(total[r], s);
  }
}

void tk_gemv_t2_avx2(const tk_matrix *w, const int8_t *q, int32_t sum, size_t block_begin,
                     size_t block_end, size_t row_begin, size_t row_end, int32_t *y) {
  for (size_t r = row_begin; r < row_end; r += TK_TILE_ROWS) {
    const uint8_t *p = tk_packed_row(w, r);
    __m256i total[TK_TILE_ROWS] = {0};
    for (size_t b = block_begin; b < block_end; b += BLOCKS_PER_FLUSH) {
      size_t blocks = block_end - b < BLOCKS_PER_FLUSH ? block_end - b : BLOCKS_PER_FLUSH;
      add_tile_t2(p + b * TK_TILE_BYTES, q + b * TK_T2_COLUMNS, blocks, total);
    }
    store_rows(total, sum, row_end - r, y + r - row_begin);
  }
}

void tk_gemv_t5_avx2(const tk_matrix *w, const int8_t *q, int32_t sum, size_t block_begin,
                     size_t block_end, size_t row_begin, size_t row_end, int32_t *y) {
  const tk_t5_tables tables = tk_t5_load_tables();
  for (size_t r = row_begin; r < row_end; r += TK_TILE_ROWS) {
    const uint8_t *p = tk_packed_row(w, r);
    __m256i total[TK_TILE_ROWS] = {0};
    for (size_t b = block_begin; b < block_end; b += BLOCKS_PER_FLUSH) {
      size_t blocks = block_end - b < BLOCKS_PER_FLUSH ? block_end - b : BLOCKS_PER_FLUSH;
      add_tile_t5(p + b * TK_TILE_BYTES, q + b * TK_T5_COLUMNS, blocks, &tables, total);
    }
    store_rows(total, sum, row_end - r, y + r - row_begin);
  }
}

#pragma clang attribute pop

#endif
