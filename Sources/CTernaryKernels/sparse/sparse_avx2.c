// The products that skip zeros, with AVX2.
//
// By rows: four rows at a time as in gemv_avx2.c, each from its own place; with the lines of rows
// to come prefetched, because no hardware guesses which row is next.
//
// By columns: two columns are interleaved byte by byte, so that vpmaddubsw multiplies both by their
// activations and adds them up in one step:
//
//   codes of column a   a0 a1 a2 ...      vpunpcklbw   a0 b0 a1 b1 ...   (rows 0-7 and 16-23)
//   codes of column b   b0 b1 b2 ...      vpunpckhbw   a8 b8 a9 b9 ...   (rows 8-15 and 24-31)
//   activations         qa qb qa qb ...   16-bit lane r += a_r qa + b_r qb
//
// Groups of TK_COLUMN_GROUP columns go through all blocks of rows before the next group is touched:
// they are read from memory once, while the group before is computed, and stay in level 1. 16-bit
// sums take one group (sparse.h has the bound), then they are added to the 32-bit ones.

#if defined(__x86_64__)

#include "sparse/sparse.h"
#include "ternary/ternary_avx2.h"

#include <string.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

// ---------------------------------------------------------------------------------------------
// By rows
// ---------------------------------------------------------------------------------------------

enum { ROWS = 4 }; ///< Rows whose sums are reduced together.

/// Four rows, and four others to prefetch.
typedef struct row_group {
  const uint8_t *row[ROWS], *ahead[ROWS];
} row_group;

/// The rows at places i .. i + 3, the last of them again where the list ends before.
static inline row_group group_at(const tk_strands *w, const int32_t *list, size_t i, size_t end) {
  size_t bytes = tk_strand_bytes(w), distance = tk_rows_ahead(w);
  row_group g;
  for (size_t r = 0; r < ROWS; r++) {
    size_t place = i + r < end ? i + r : end - 1;
    size_t ahead = i + r + distance < end ? i + r + distance : end - 1;
    g.row[r] = w->data + tk_strand_at(list, place) * bytes;
    g.ahead[r] = w->data + tk_strand_at(list, ahead) * bytes;
  }
  return g;
}

/// One row after the other, like the memory they come from: with two or four side by side, a dense
/// list streamed at half the rate.
static inline __attribute__((always_inline)) void
add_rows(const row_group *g, size_t fields, const int8_t *q, size_t blocks, __m256i total[ROWS]) {
  const tk_t5_tables tables = tk_t5_load_tables();
  for (size_t r = 0; r < ROWS; r++) {
    for (size_t b = 0; b < blocks;) {
      size_t stop = blocks - b < TK_BLOCKS_PER_FLUSH ? blocks : b + TK_BLOCKS_PER_FLUSH;
      tk_row_sums s = {0};
      for (; b < stop; b++) {
        __m256i code = tk_load(g->row[r] + b * TK_BLOCK_BYTES);
        if (b % 2 == 0) { // two blocks to a cache line
          _mm_prefetch((const char *)g->ahead[r] + b * TK_BLOCK_BYTES, _MM_HINT_T0);
        }
        if (fields == TK_T5_FIELDS) {
          s = tk_add_t5(s, code, q + b * TK_T5_COLUMNS, &tables);
        } else {
          const int8_t *x = q + b * TK_T2_COLUMNS;
          const __m256i four[4] = {tk_load(x), tk_load(x + 32), tk_load(x + 64), tk_load(x + 96)};
          s = tk_add_t2(s, code, four);
        }
      }
      total[r] = tk_flush(total[r], s);
    }
  }
}

/// `fields` is a constant where this is inlined.
static inline __attribute__((always_inline)) void gemv_rows(size_t fields, const tk_strands *w,
                                                            const int8_t *q, int32_t sum,
                                                            const int32_t *list, size_t begin,
                                                            size_t end, int32_t *y) {
  size_t blocks = tk_block_count(w->layout, w->length);
  for (size_t i = begin; i < end; i += ROWS) {
    row_group g = group_at(w, list, i, end);
    __m256i total[ROWS] = {0};
    add_rows(&g, fields, q, blocks, total);
    int32_t out[ROWS];
    __m128i all = tk_reduce4(total[0], total[1], total[2], total[3]);
    _mm_storeu_si128((__m128i *)out, _mm_sub_epi32(all, _mm_set1_epi32(sum)));
    for (size_t r = 0; r < ROWS && i + r < end; r++) {
      y[tk_strand_at(list, i + r)] = out[r];
    }
  }
}

// ---------------------------------------------------------------------------------------------
// By columns
// ---------------------------------------------------------------------------------------------

enum { PAIRS = TK_COLUMN_GROUP / 2 };

/// Columns that are computed together, and as many others to prefetch.
typedef struct column_group {
  size_t pairs;
  const uint8_t *column[TK_COLUMN_GROUP], *ahead[TK_COLUMN_GROUP];
  int16_t values[PAIRS]; ///< Activations of two columns, a byte each.
} column_group;

static inline void fill_group(column_group *g, const tk_strands *w, const int8_t *q,
                              const int32_t *list, size_t first, size_t count) {
  size_t bytes = tk_strand_bytes(w);
  size_t size = count - first < TK_COLUMN_GROUP ? count - first : TK_COLUMN_GROUP;
  g->pairs = (size + 1) / 2;
  for (size_t i = 0; i < 2 * g->pairs; i++) {
    // An odd column is paired with itself, times 0.
    size_t column = tk_strand_at(list, i < size ? first + i : first + size - 1);
    size_t ahead = first + i + TK_COLUMN_GROUP;
    g->column[i] = w->data + column * bytes;
    g->ahead[i] = w->data + tk_strand_at(list, ahead < count ? ahead : count - 1) * bytes;
    int value = i < size ? (uint8_t)q[column] : 0;
    g->values[i / 2] = (int16_t)(i % 2 ? g->values[i / 2] | value << 8 : value);
  }
}

/// Of the two blocks in a cache line, the first prefetches even columns and the second odd ones.
static inline void prefetch_columns(const column_group *g, size_t pair, size_t block) {
  const uint8_t *ahead = g->ahead[2 * pair + block % 2] + block / 2 * 64;
  _mm_prefetch((const char *)ahead, _MM_HINT_T0);
}

/// Adds 16-bit sums of 32 rows, as vpunpcklbw and vpunpckhbw leave them, to 32-bit ones.
static inline void add_field(__m256i low, __m256i high, int32_t *total) {
  const __m128i parts[4] = {_mm256_castsi256_si128(low), _mm256_castsi256_si128(high),
                            _mm256_extracti128_si256(low, 1), _mm256_extracti128_si256(high, 1)};
  for (size_t i = 0; i < 4; i++) {
    __m256i *out = (__m256i *)(total + 8 * i);
    _mm256_storeu_si256(out, _mm256_add_epi32(tk_load(out), _mm256_cvtepi16_epi32(parts[i])));
  }
}

/// One block of 128 rows.
static inline void add_columns_t2(const column_group *g, size_t block, int32_t *total) {
  const __m256i m03 = _mm256_set1_epi8(0x03), m0c = _mm256_set1_epi8(0x0C);
  __m256i low[4] = {0}, high[4] = {0};
  for (size_t p = 0; p < g->pairs; p++) {
    __m256i a = tk_load(g->column[2 * p] + block * TK_BLOCK_BYTES);
    __m256i b = tk_load(g->column[2 * p + 1] + block * TK_BLOCK_BYTES);
    __m256i x = _mm256_set1_epi16(g->values[p]);
    prefetch_columns(g, p, block);
    __m256i e = _mm256_unpacklo_epi8(a, b), f = _mm256_srli_epi16(e, 4);
    low[0] = _mm256_add_epi16(low[0], _mm256_maddubs_epi16(_mm256_and_si256(e, m03), x));
    low[1] = _mm256_add_epi16(low[1], _mm256_maddubs_epi16(_mm256_and_si256(e, m0c), x));
    low[2] = _mm256_add_epi16(low[2], _mm256_maddubs_epi16(_mm256_and_si256(f, m03), x));
    low[3] = _mm256_add_epi16(low[3], _mm256_maddubs_epi16(_mm256_and_si256(f, m0c), x));
    e = _mm256_unpackhi_epi8(a, b), f = _mm256_srli_epi16(e, 4);
    high[0] = _mm256_add_epi16(high[0], _mm256_maddubs_epi16(_mm256_and_si256(e, m03), x));
    high[1] = _mm256_add_epi16(high[1], _mm256_maddubs_epi16(_mm256_and_si256(e, m0c), x));
    high[2] = _mm256_add_epi16(high[2], _mm256_maddubs_epi16(_mm256_and_si256(f, m03), x));
    high[3] = _mm256_add_epi16(high[3], _mm256_maddubs_epi16(_mm256_and_si256(f, m0c), x));
  }
  for (size_t f = 0; f < 4; f++) {
    if (f % 2 == 1) { // 4 times too large, exactly
      low[f] = _mm256_srai_epi16(low[f], 2);
      high[f] = _mm256_srai_epi16(high[f], 2);
    }
    add_field(low[f], high[f], total + f * 32);
  }
}

/// 16-bit sums of the five fields of T5 in half of the rows.
typedef struct half_sums {
  __m256i field[5];
} half_sums;

/// `upper` is a constant where this is inlined. Half of the rows at a time: ten sums beside tables
/// and masks would not fit the registers.
static inline __attribute__((always_inline)) half_sums sum_half_t5(const column_group *g,
                                                                   size_t block,
                                                                   const tk_t5_tables *tables,
                                                                   bool upper) {
  const __m256i m03 = _mm256_set1_epi8(0x03), m0c = _mm256_set1_epi8(0x0C);
  half_sums s = {0};
  for (size_t p = 0; p < g->pairs; p++) {
    __m256i a = tk_load(g->column[2 * p] + block * TK_BLOCK_BYTES);
    __m256i b = tk_load(g->column[2 * p + 1] + block * TK_BLOCK_BYTES);
    __m256i x = _mm256_set1_epi16(g->values[p]);
    if (!upper) {
      prefetch_columns(g, p, block);
    }
    __m256i code = upper ? _mm256_unpackhi_epi8(a, b) : _mm256_unpacklo_epi8(a, b);
    tk_t5_fields u = tk_t5_decode(code, tables);
    __m256i third = _mm256_and_si256(_mm256_srli_epi16(u.low, 4), m03);
    const __m256i codes[5] = {_mm256_and_si256(u.low, m03), _mm256_and_si256(u.low, m0c), third,
                              _mm256_and_si256(u.high, m03), _mm256_and_si256(u.high, m0c)};
    for (size_t f = 0; f < 5; f++) {
      s.field[f] = _mm256_add_epi16(s.field[f], _mm256_maddubs_epi16(codes[f], x));
    }
  }
  s.field[1] = _mm256_srai_epi16(s.field[1], 2); // 4 times too large, exactly
  s.field[4] = _mm256_srai_epi16(s.field[4], 2);
  return s;
}

/// One block of 160 rows.
static inline void add_columns_t5(const column_group *g, size_t block, const tk_t5_tables *tables,
                                  int32_t *total) {
  half_sums low = sum_half_t5(g, block, tables, false);
  half_sums high = sum_half_t5(g, block, tables, true);
  for (size_t f = 0; f < 5; f++) {
    add_field(low.field[f], high.field[f], total + f * 32);
  }
}

/// `fields` is a constant where this is inlined.
static inline __attribute__((always_inline)) void
gemv_columns(size_t fields, const tk_strands *w, const int8_t *q, int32_t sum, const int32_t *list,
             size_t count, size_t row_begin, size_t row_end, int32_t *y) {
  const tk_t5_tables tables = tk_t5_load_tables();
  const size_t width = fields * TK_BLOCK_BYTES;
  size_t rows = row_end - row_begin, whole = rows / width * width;
  int32_t tail[TK_T5_COLUMNS]; // the last block, where it has rows that are only padding
  for (size_t r = 0; r < whole; r++) {
    y[r] = -sum;
  }
  for (size_t r = 0; r < width; r++) {
    tail[r] = -sum;
  }
  for (size_t first = 0; first < count; first += TK_COLUMN_GROUP) {
    column_group g;
    fill_group(&g, w, q, list, first, count);
    for (size_t r = 0; r < rows; r += width) {
      int32_t *total = r < whole ? y + r : tail;
      if (fields == TK_T5_FIELDS) {
        add_columns_t5(&g, (row_begin + r) / width, &tables, total);
      } else {
        add_columns_t2(&g, (row_begin + r) / width, total);
      }
    }
  }
  memcpy(y + whole, tail, (rows - whole) * sizeof *y);
}

static void gemv_rows_t2(const tk_strands *w, const int8_t *q, int32_t sum, const int32_t *list,
                         size_t begin, size_t end, int32_t *y) {
  gemv_rows(TK_T2_FIELDS, w, q, sum, list, begin, end, y);
}

static void gemv_rows_t5(const tk_strands *w, const int8_t *q, int32_t sum, const int32_t *list,
                         size_t begin, size_t end, int32_t *y) {
  gemv_rows(TK_T5_FIELDS, w, q, sum, list, begin, end, y);
}

static void gemv_columns_t2(const tk_strands *w, const int8_t *q, int32_t sum, const int32_t *list,
                            size_t count, size_t row_begin, size_t row_end, int32_t *y) {
  gemv_columns(TK_T2_FIELDS, w, q, sum, list, count, row_begin, row_end, y);
}

static void gemv_columns_t5(const tk_strands *w, const int8_t *q, int32_t sum, const int32_t *list,
                            size_t count, size_t row_begin, size_t row_end, int32_t *y) {
  gemv_columns(TK_T5_FIELDS, w, q, sum, list, count, row_begin, row_end, y);
}

static void split_t5(const uint8_t *codes, size_t n, uint8_t *low, uint8_t *high) {
  const tk_t5_tables tables = tk_t5_load_tables();
  for (size_t i = 0; i < n; i += 32) {
    tk_t5_fields u = tk_t5_decode(tk_load(codes + i), &tables);
    _mm256_storeu_si256((__m256i *)(low + i), u.low);
    _mm256_storeu_si256((__m256i *)(high + i), u.high);
  }
}

const tk_sparse_kernels tk_sparse_t2_avx2 = {gemv_rows_t2, gemv_columns_t2};
const tk_sparse_kernels tk_sparse_t5_avx2 = {gemv_rows_t5, gemv_columns_t5};
const tk_split_kernels tk_split_avx2 = {split_t5};

#pragma clang attribute pop

#endif
