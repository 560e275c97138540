// Ternary GEMV with AVX2 and AVX-VNNI: gemv_avx2.c with vpdpbusd, whose 32-bit sums need no flush
// after every few blocks and take fields 16 times too large as well.
//
// Overflow: a vpdpbusd adds at most 4 * 127 * 2 * 4 = 4064 to a lane of fields 4 times too large,
// and twice that many a block; a field 16 times too large adds 4 * 127 * 2 * 16 = 16256. A whole
// row of TK_MAX_COLUMNS = 2^23 has 65536 blocks of T2 or 52429 of T5: 65536 * 8128 = 532676608 and
// 52429 * 16256 = 852285824, both < 2^31.

#if defined(__x86_64__)

#include "ternary/ternary_avxvnni.h"

#pragma clang attribute push(__attribute__((target(TK_TARGET_AVXVNNI))), apply_to = function)

enum {
  /// T5 takes a tile's rows one after another; 4 KiB of them stay in level 1 meanwhile.
  BLOCKS_PER_SWEEP = 32,
};

/// 32-bit sums of one row: of fields as they are, and 4 and 16 times too large.
typedef struct row_sums {
  __m256i by1, by4, by16;
} row_sums;

/// The sums with every field at its own size; the divisions are exact.
static inline __m256i flush(row_sums s) {
  __m256i large = _mm256_add_epi32(_mm256_srai_epi32(s.by4, 2), _mm256_srai_epi32(s.by16, 4));
  return _mm256_add_epi32(s.by1, large);
}

/// Writes up to four rows' results; the last tile may have rows that are only padding.
static inline void store_rows(const __m256i total[TK_TILE_ROWS], int32_t sum, size_t rows,
                              int32_t *y) {
  __m128i all =
      _mm_sub_epi32(tk_reduce4(total[0], total[1], total[2], total[3]), _mm_set1_epi32(sum));
  if (rows >= TK_TILE_ROWS) {
    _mm_storeu_si128((__m128i *)y, all);
    return;
  }
  int32_t out[TK_TILE_ROWS];
  _mm_storeu_si128((__m128i *)out, all);
  for (size_t r = 0; r < rows; r++) {
    y[r] = out[r];
  }
}

/// Adds one block of 128 columns of one row.
static inline row_sums add_t2(row_sums s, __m256i e, const __m256i x[4]) {
  const __m256i m03 = _mm256_set1_epi8(0x03), m0c = _mm256_set1_epi8(0x0C);
  __m256i f = _mm256_srli_epi16(e, 4);
  s.by1 = tk_dot256(s.by1, _mm256_and_si256(e, m03), x[0]);
  s.by4 = tk_dot256(s.by4, _mm256_and_si256(e, m0c), x[1]);
  s.by1 = tk_dot256(s.by1, _mm256_and_si256(f, m03), x[2]);
  s.by4 = tk_dot256(s.by4, _mm256_and_si256(f, m0c), x[3]);
  return s;
}

/// Adds one block of 160 columns of one row.
static inline row_sums add_t5(row_sums s, __m256i code, const int8_t *x,
                              const tk_t5_tables *tables) {
  const __m256i m03 = _mm256_set1_epi8(0x03), m0c = _mm256_set1_epi8(0x0C);
  tk_t5_fields u = tk_t5_decode(code, tables);
  __m256i third = _mm256_and_si256(u.low, _mm256_set1_epi8(0x30));
  s.by1 = tk_dot256(s.by1, _mm256_and_si256(u.low, m03), tk_load(x));
  s.by4 = tk_dot256(s.by4, _mm256_and_si256(u.low, m0c), tk_load(x + 32));
  s.by16 = tk_dot256(s.by16, third, tk_load(x + 64));
  s.by1 = tk_dot256(s.by1, _mm256_and_si256(u.high, m03), tk_load(x + 96));
  s.by4 = tk_dot256(s.by4, _mm256_and_si256(u.high, m0c), tk_load(x + 128));
  return s;
}

/// `blocks` blocks of one tile. Four rows share a block's activations.
static inline void add_tile_t2(const uint8_t *p, const int8_t *x, size_t blocks,
                               row_sums s[TK_TILE_ROWS]) {
  const size_t ahead = tk_bytes_ahead();
  for (size_t b = 0; b < blocks; b++, p += TK_TILE_BYTES, x += TK_T2_COLUMNS) {
    tk_prefetch_lines(p, ahead, TK_TILE_BYTES);
    const __m256i q[4] = {tk_load(x), tk_load(x + 32), tk_load(x + 64), tk_load(x + 96)};
    for (size_t r = 0; r < TK_TILE_ROWS; r++) {
      s[r] = add_t2(s[r], tk_load(p + r * TK_BLOCK_BYTES), q);
    }
  }
}

/// The same for T5, row by row: tables and masks leave registers for the sums of one row.
static inline void add_tile_t5(const uint8_t *p, const int8_t *x, size_t blocks,
                               const tk_t5_tables *tables, row_sums s[TK_TILE_ROWS]) {
  const size_t ahead = tk_bytes_ahead();
  for (size_t r = 0; r < TK_TILE_ROWS; r++) {
    row_sums row = s[r];
    for (size_t b = 0; b < blocks; b++) {
      const uint8_t *code = p + b * TK_TILE_BYTES + r * TK_BLOCK_BYTES;
      if (r % 2 == 0) { // two rows to a cache line
        tk_prefetch(code, ahead);
      }
      row = add_t5(row, tk_load(code), x + b * TK_T5_COLUMNS, tables);
    }
    s[r] = row;
  }
}

static void gemv_t2(const tk_matrix *w, const int8_t *q, int32_t sum, size_t block_begin,
                    size_t block_end, size_t row_begin, size_t row_end, int32_t *y) {
  for (size_t r = row_begin; r < row_end; r += TK_TILE_ROWS) {
    row_sums s[TK_TILE_ROWS] = {0};
    add_tile_t2(tk_packed_row(w, r) + block_begin * TK_TILE_BYTES, q + block_begin * TK_T2_COLUMNS,
                block_end - block_begin, s);
    const __m256i total[TK_TILE_ROWS] = {flush(s[0]), flush(s[1]), flush(s[2]), flush(s[3])};
    store_rows(total, sum, row_end - r, y + r - row_begin);
  }
}

static void gemv_t5(const tk_matrix *w, const int8_t *q, int32_t sum, size_t block_begin,
                    size_t block_end, size_t row_begin, size_t row_end, int32_t *y) {
  const tk_t5_tables tables = tk_t5_load_tables();
  for (size_t r = row_begin; r < row_end; r += TK_TILE_ROWS) {
    const uint8_t *p = tk_packed_row(w, r);
    row_sums s[TK_TILE_ROWS] = {0};
    for (size_t b = block_begin; b < block_end; b += BLOCKS_PER_SWEEP) {
      size_t blocks = block_end - b < BLOCKS_PER_SWEEP ? block_end - b : BLOCKS_PER_SWEEP;
      add_tile_t5(p + b * TK_TILE_BYTES, q + b * TK_T5_COLUMNS, blocks, &tables, s);
    }
    const __m256i total[TK_TILE_ROWS] = {flush(s[0]), flush(s[1]), flush(s[2]), flush(s[3])};
    store_rows(total, sum, row_end - r, y + r - row_begin);
  }
}

const tk_gemv_kernels tk_gemv_t2_avxvnni = {gemv_t2};
const tk_gemv_kernels tk_gemv_t5_avxvnni = {gemv_t5};

#pragma clang attribute pop

#endif
