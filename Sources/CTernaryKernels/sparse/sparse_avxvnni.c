// The products that skip zeros with AVX2 and AVX-VNNI.
//
// By rows: the rows of sparse_avx2.c with vpdpbusd, whose 32-bit sums take every field where it
// lies and need no flush. Every field has a sum of its own, in T2 for even and for odd blocks: with
// fewer, a row would wait for the latency of vpdpbusd.
//
// By columns: vpdpbusd adds four bytes that lie side by side, so four columns are interleaved byte
// by byte, beside their four activations in every 32-bit lane:
//
//   vpunpcklbw of a and c   a0 c0 a1 c1 ...   (rows 0-7 and 16-23)
//   vpunpcklbw of b and d   b0 d0 b1 d1 ...
//   vpunpcklbw of those     a0 b0 c0 d0 a1 b1 c1 d1 ...   rows 0-3 and 16-19
//   vpunpckhbw              a4 b4 c4 d4 ...               rows 4-7 and 20-23
//
// All fields of a byte are rows of the same activation. So the sum of whole bytes is taken,
// u0 + 4 u1 + 16 u2 + 64 u3, and the sums of the upper fields, masked where they lie, are
// subtracted from it once for a group: no shift, and one mask less for each byte.
//
// Overflow. By rows, a field 64 times too large adds at most 4 * 127 * 2 * 64 = 65024 to a lane. A
// row of TK_MAX_COLUMNS = 2^23 has 65536 blocks of T2, 32768 to a sum: 32768 * 65024 = 2130706432
// < 2^31. A field of T5 16 times too large adds 16256, in 52429 blocks 852285824. By columns, a
// group adds at most 32 * 127 * 0xAA.

#if defined(__x86_64__)

#include "sparse/sparse_quads.h"
#include "ternary/ternary_avxvnni.h"

#pragma clang attribute push(__attribute__((target(TK_TARGET_AVXVNNI))), apply_to = function)

/// A sum for each field, as large as the field is where it lies.
typedef struct field_sums {
  __m256i field[TK_T5_FIELDS];
} field_sums;

static inline __m256i masked(__m256i e, char mask) {
  return _mm256_and_si256(e, _mm256_set1_epi8(mask));
}

// ---------------------------------------------------------------------------------------------
// By rows
// ---------------------------------------------------------------------------------------------

enum { ROWS = 4 }; ///< Rows whose sums are reduced together.

static inline field_sums add_t2(field_sums s, __m256i e, const int8_t *x) {
  s.field[0] = tk_dot256(s.field[0], masked(e, 0x03), tk_load(x));
  s.field[1] = tk_dot256(s.field[1], masked(e, 0x0C), tk_load(x + 32));
  s.field[2] = tk_dot256(s.field[2], masked(e, 0x30), tk_load(x + 64));
  s.field[3] = tk_dot256(s.field[3], masked(e, (char)0xC0), tk_load(x + 96));
  return s;
}

static inline field_sums add_t5(field_sums s, __m256i code, const int8_t *x,
                                const tk_t5_tables *tables) {
  tk_t5_fields u = tk_t5_decode(code, tables);
  s.field[0] = tk_dot256(s.field[0], masked(u.low, 0x03), tk_load(x));
  s.field[1] = tk_dot256(s.field[1], masked(u.low, 0x0C), tk_load(x + 32));
  s.field[2] = tk_dot256(s.field[2], masked(u.low, 0x30), tk_load(x + 64));
  s.field[3] = tk_dot256(s.field[3], masked(u.high, 0x03), tk_load(x + 96));
  s.field[4] = tk_dot256(s.field[4], masked(u.high, 0x0C), tk_load(x + 128));
  return s;
}

/// The sum of all fields, each divided by what it is too large by, exactly.
static inline __m256i total_t2(field_sums s) {
  __m256i low = _mm256_add_epi32(s.field[0], _mm256_srai_epi32(s.field[1], 2));
  return _mm256_add_epi32(
      low, _mm256_add_epi32(_mm256_srai_epi32(s.field[2], 4), _mm256_srai_epi32(s.field[3], 6)));
}

static inline __m256i total_t5(field_sums s) {
  __m256i by4 = _mm256_add_epi32(s.field[1], s.field[4]);
  __m256i by1 = _mm256_add_epi32(s.field[0], s.field[3]);
  return _mm256_add_epi32(
      by1, _mm256_add_epi32(_mm256_srai_epi32(by4, 2), _mm256_srai_epi32(s.field[2], 4)));
}

static inline __m256i row_t2(const uint8_t *row, const uint8_t *ahead, const int8_t *q,
                             size_t blocks) {
  field_sums even = {0}, odd = {0};
  size_t b = 0;
  for (; b + 2 <= blocks; b += 2, row += 2 * TK_BLOCK_BYTES, q += 2 * TK_T2_COLUMNS) {
    _mm_prefetch((const char *)ahead + b * TK_BLOCK_BYTES, _MM_HINT_T0); // two blocks to a line
    even = add_t2(even, tk_load(row), q);
    odd = add_t2(odd, tk_load(row + TK_BLOCK_BYTES), q + TK_T2_COLUMNS);
  }
  if (b < blocks) {
    even = add_t2(even, tk_load(row), q);
  }
  return _mm256_add_epi32(total_t2(even), total_t2(odd));
}

static inline __m256i row_t5(const uint8_t *row, const uint8_t *ahead, const int8_t *q,
                             size_t blocks) {
  const tk_t5_tables tables = tk_t5_load_tables();
  field_sums s = {0};
  for (size_t b = 0; b < blocks; b++, row += TK_BLOCK_BYTES, q += TK_T5_COLUMNS) {
    if (b % 2 == 0) {
      _mm_prefetch((const char *)ahead + b * TK_BLOCK_BYTES, _MM_HINT_T0);
    }
    s = add_t5(s, tk_load(row), q, &tables);
  }
  return total_t5(s);
}

/// `fields` is a constant where this is inlined.
static inline __attribute__((always_inline)) void gemv_rows(size_t fields, const tk_strands *w,
                                                            const int8_t *q, int32_t sum,
                                                            const int32_t *list, size_t begin,
                                                            size_t end, int32_t *y) {
  size_t blocks = tk_block_count(w->layout, w->length), bytes = tk_strand_bytes(w);
  size_t distance = tk_rows_ahead(w);
  for (size_t i = begin; i < end; i += ROWS) {
    __m256i total[ROWS];
    for (size_t r = 0; r < ROWS; r++) { // where the list ends, its last row again
      size_t place = i + r < end ? i + r : end - 1;
      size_t next = i + r + distance < end ? i + r + distance : end - 1;
      const uint8_t *row = w->data + tk_strand_at(list, place) * bytes;
      const uint8_t *ahead = w->data + tk_strand_at(list, next) * bytes;
      total[r] =
          fields == TK_T5_FIELDS ? row_t5(row, ahead, q, blocks) : row_t2(row, ahead, q, blocks);
    }
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

/// A block of four columns; of the four in two cache lines one column each is prefetched, by the
/// two blocks of a line and the two halves of a block.
static inline void load_quad(const tk_column_quads *g, size_t quad, size_t block, size_t half,
                             __m256i column[4]) {
  for (size_t i = 0; i < 4; i++) {
    column[i] = tk_load(g->column[4 * quad + i] + block * TK_BLOCK_BYTES);
  }
  const uint8_t *ahead = g->ahead[4 * quad + 2 * (block % 2) + half] + block / 2 * 64;
  _mm_prefetch((const char *)ahead, _MM_HINT_T0);
}

/// Four bytes side by side of the rows in the lower or upper half of a block's two 16-byte lanes:
/// rows 0-3 and 16-19 in `rows[0]`, 4-7 and 20-23 in `rows[1]`, or the same 8 further.
static inline void interleave(const __m256i column[4], bool upper, __m256i rows[2]) {
  __m256i ac = upper ? _mm256_unpackhi_epi8(column[0], column[2])
                     : _mm256_unpacklo_epi8(column[0], column[2]);
  __m256i bd = upper ? _mm256_unpackhi_epi8(column[1], column[3])
                     : _mm256_unpacklo_epi8(column[1], column[3]);
  rows[0] = _mm256_unpacklo_epi8(ac, bd);
  rows[1] = _mm256_unpackhi_epi8(ac, bd);
}

/// Adds sums of 4 rows and of the 4 rows 16 further.
static inline void add_rows(__m256i sums, int32_t *total) {
  __m128i *low = (__m128i *)total, *high = (__m128i *)(total + 16);
  _mm_storeu_si128(low, _mm_add_epi32(_mm_loadu_si128(low), _mm256_castsi256_si128(sums)));
  _mm_storeu_si128(high, _mm_add_epi32(_mm_loadu_si128(high), _mm256_extracti128_si256(sums, 1)));
}

static inline field_sums add_quad_t2(field_sums s, __m256i e, __m256i x) {
  s.field[0] = tk_dot256(s.field[0], e, x);
  s.field[1] = tk_dot256(s.field[1], masked(e, 0x0C), x);
  s.field[2] = tk_dot256(s.field[2], masked(e, 0x30), x);
  s.field[3] = tk_dot256(s.field[3], masked(e, (char)0xC0), x);
  return s;
}

static inline field_sums add_quad_t5(field_sums s, __m256i code, __m256i x,
                                     const tk_t5_tables *tables) {
  tk_t5_fields u = tk_t5_decode(code, tables);
  s.field[0] = tk_dot256(s.field[0], u.low, x);
  s.field[1] = tk_dot256(s.field[1], masked(u.low, 0x0C), x);
  s.field[2] = tk_dot256(s.field[2], masked(u.low, 0x30), x);
  s.field[3] = tk_dot256(s.field[3], u.high, x);
  s.field[4] = tk_dot256(s.field[4], masked(u.high, 0x0C), x);
  return s;
}

/// Takes the upper fields out of whole bytes and adds every field to the 32-bit sums of its rows.
static inline void finish_t2(field_sums s, int32_t *total) {
  __m256i upper = _mm256_add_epi32(_mm256_add_epi32(s.field[1], s.field[2]), s.field[3]);
  add_rows(_mm256_sub_epi32(s.field[0], upper), total);
  add_rows(_mm256_srai_epi32(s.field[1], 2), total + 32);
  add_rows(_mm256_srai_epi32(s.field[2], 4), total + 64);
  add_rows(_mm256_srai_epi32(s.field[3], 6), total + 96);
}

static inline void finish_t5(field_sums s, int32_t *total) {
  __m256i upper = _mm256_add_epi32(s.field[1], s.field[2]);
  add_rows(_mm256_sub_epi32(s.field[0], upper), total);
  add_rows(_mm256_srai_epi32(s.field[1], 2), total + 32);
  add_rows(_mm256_srai_epi32(s.field[2], 4), total + 64);
  add_rows(_mm256_sub_epi32(s.field[3], s.field[4]), total + 96);
  add_rows(_mm256_srai_epi32(s.field[4], 2), total + 128);
}

/// Half of the rows of one block. `fields` and `half` are constants where this is inlined. The ten
/// sums of T5 leave no registers for its tables, which are loaded again for every two vectors: with
/// five sums at a time columns would be loaded and interleaved twice, which takes more
/// instructions.
static inline __attribute__((always_inline)) void
add_columns(size_t fields, const tk_column_quads *g, size_t block, size_t half,
            const tk_t5_tables *tables, int32_t *total) {
  field_sums s[2] = {0};
  for (size_t quad = 0; quad < g->count; quad++) {
    __m256i column[4], rows[2];
    load_quad(g, quad, block, half, column);
    interleave(column, half == 1, rows);
    __m256i x = _mm256_set1_epi32(tk_quad_values(g, quad));
    for (size_t i = 0; i < 2; i++) {
      s[i] = fields == TK_T5_FIELDS ? add_quad_t5(s[i], rows[i], x, tables)
                                    : add_quad_t2(s[i], rows[i], x);
    }
  }
  for (size_t i = 0; i < 2; i++) {
    if (fields == TK_T5_FIELDS) {
      finish_t5(s[i], total + 8 * half + 4 * i);
    } else {
      finish_t2(s[i], total + 8 * half + 4 * i);
    }
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
    const tk_column_quads g = tk_fill_quads(w, q, list, first, count);
    for (size_t r = 0; r < rows; r += width) {
      int32_t *total = r < whole ? y + r : tail;
      size_t block = (row_begin + r) / width;
      add_columns(fields, &g, block, 0, &tables, total);
      add_columns(fields, &g, block, 1, &tables, total);
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

const tk_sparse_kernels tk_sparse_t2_avxvnni = {gemv_rows_t2, gemv_columns_t2};
const tk_sparse_kernels tk_sparse_t5_avxvnni = {gemv_rows_t5, gemv_columns_t5};

#pragma clang attribute pop

#endif
