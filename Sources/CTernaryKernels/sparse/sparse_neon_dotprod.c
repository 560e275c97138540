// The products that skip zeros with the dot product extension.
//
// By rows: sdot as in gemv_neon_dotprod.c, one row after the other. Each field of each half of a
// block has a sum of its own: with fewer, a row would wait for the latency of sdot.
//
// By columns: sdot adds four bytes that lie side by side, so four columns are interleaved byte by
// byte, beside their four activations in every 32-bit lane. Then one sdot adds four columns for
// four rows, without a bound that would need a flush:
//
//   zip1 of a and c   a0 c0 a1 c1 ...   zip1 of those two   a0 b0 c0 d0 a1 b1 c1 d1 ...   rows 0-3
//   zip1 of b and d   b0 d0 b1 d1 ...   zip2                a4 b4 c4 d4 ...               rows 4-7
//
// Groups of columns go through all blocks of rows as in sparse_avx2.c.
//
// All fields of a byte are rows of the same activation. T5 therefore takes the sum of whole
// bytes, u0 + 4 u1 + 16 u2, and subtracts the sums of its upper fields once for a group: one mask
// less for each of the two bytes. T2 has no use for that, its bytes do not fit signed ones.
//
// Overflow, by rows: a field 16 times too large adds 4 * 127 * 2 * 16 = 16256 to a lane; a row of
// TK_MAX_COLUMNS = 2^23 has 65536 blocks of T2: 65536 * 16256 = 1065353216, and the two halves
// together 2130706432 < 2^31. By columns, a group adds at most 32 * 127 * 0x2A.

#if defined(__aarch64__)

#include "sparse/sparse_quads.h"
#include "ternary/ternary_neon.h"

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

// ---------------------------------------------------------------------------------------------
// By rows
// ---------------------------------------------------------------------------------------------

/// A sum for each field, as large as the field is where it lies.
typedef struct field_sums {
  int32x4_t field[TK_T5_FIELDS];
} field_sums;

static inline field_sums add_t2(field_sums s, uint8x16_t e, const int8_t *x) {
  s.field[0] = vdotq_s32(s.field[0], tk_field0(e), vld1q_s8(x));
  s.field[1] = vdotq_s32(s.field[1], tk_field1(e), vld1q_s8(x + 32));
  s.field[2] = vdotq_s32(s.field[2], tk_field2(e), vld1q_s8(x + 64));
  s.field[3] = vdotq_s32(s.field[3], vreinterpretq_s8_u8(vshrq_n_u8(e, 6)), vld1q_s8(x + 96));
  return s;
}

static inline field_sums add_t5(field_sums s, uint8x16_t code, const int8_t *x,
                                const tk_t5_tables *tables) {
  tk_t5_fields u = tk_t5_decode(code, tables);
  s.field[0] = vdotq_s32(s.field[0], tk_field0(u.low), vld1q_s8(x));
  s.field[1] = vdotq_s32(s.field[1], tk_field1(u.low), vld1q_s8(x + 32));
  s.field[2] = vdotq_s32(s.field[2], tk_field2(u.low), vld1q_s8(x + 64));
  s.field[3] = vdotq_s32(s.field[3], tk_field0(u.high), vld1q_s8(x + 96));
  s.field[4] = vdotq_s32(s.field[4], tk_field1(u.high), vld1q_s8(x + 128));
  return s;
}

/// `fields` is a constant where this is inlined.
static inline __attribute__((always_inline)) int32_t row_product(size_t fields, const uint8_t *row,
                                                                 const uint8_t *ahead,
                                                                 const int8_t *q, size_t blocks) {
  const tk_t5_tables tables = tk_t5_load_tables();
  const size_t width = fields * TK_BLOCK_BYTES;
  field_sums s[2] = {0}; // of the two halves of blocks
  for (size_t b = 0; b < blocks; b++, row += TK_BLOCK_BYTES, q += width) {
    if (b % 2 == 0) { // two blocks to a cache line
      __builtin_prefetch(ahead + b * TK_BLOCK_BYTES);
    }
    for (size_t half = 0; half < 2; half++) {
      uint8x16_t code = vld1q_u8(row + 16 * half);
      const int8_t *x = q + 16 * half;
      s[half] =
          fields == TK_T5_FIELDS ? add_t5(s[half], code, x, &tables) : add_t2(s[half], code, x);
    }
  }
  int32x4_t total[TK_T5_FIELDS];
  for (size_t f = 0; f < TK_T5_FIELDS; f++) {
    total[f] = vaddq_s32(s[0].field[f], s[1].field[f]);
  }
  // By their places: 1, 4, 16 and, of T5, 1 and 4 times too large, exactly.
  int32x4_t sum = vsraq_n_s32(vaddq_s32(total[0], total[3]), total[1], 2);
  return vaddvq_s32(vsraq_n_s32(vsraq_n_s32(sum, total[2], 4), total[4], 2));
}

/// `fields` is a constant where this is inlined.
static inline __attribute__((always_inline)) void gemv_rows(size_t fields, const tk_strands *w,
                                                            const int8_t *q, int32_t sum,
                                                            const int32_t *list, size_t begin,
                                                            size_t end, int32_t *y) {
  size_t blocks = tk_block_count(w->layout, w->length), bytes = tk_strand_bytes(w);
  size_t distance = tk_rows_ahead(w);
  for (size_t i = begin; i < end; i++) {
    size_t place = tk_strand_at(list, i);
    const uint8_t *row = w->data + place * bytes;
    size_t next = i + distance < end ? i + distance : end - 1;
    const uint8_t *ahead = w->data + tk_strand_at(list, next) * bytes;
    y[place] = row_product(fields, row, ahead, q, blocks) - sum;
  }
}

// ---------------------------------------------------------------------------------------------
// By columns
// ---------------------------------------------------------------------------------------------

/// Sums of four rows in each field, from four columns that are interleaved.
static inline field_sums add_quad_t2(field_sums s, uint8x16_t e, int8x16_t x) {
  s.field[0] = vdotq_s32(s.field[0], tk_field0(e), x);
  s.field[1] = vdotq_s32(s.field[1], tk_field1(e), x);
  s.field[2] = vdotq_s32(s.field[2], tk_field2(e), x);
  s.field[3] = vdotq_s32(s.field[3], vreinterpretq_s8_u8(vshrq_n_u8(e, 6)), x);
  return s;
}

/// Fields 0 and 3 get whole bytes; finish_t5 takes the other fields out of them.
static inline field_sums add_quad_t5(field_sums s, uint8x16_t code, int8x16_t x,
                                     const tk_t5_tables *tables) {
  tk_t5_fields u = tk_t5_decode(code, tables);
  s.field[0] = vdotq_s32(s.field[0], vreinterpretq_s8_u8(u.low), x);
  s.field[1] = vdotq_s32(s.field[1], tk_field1(u.low), x);
  s.field[2] = vdotq_s32(s.field[2], tk_field2(u.low), x);
  s.field[3] = vdotq_s32(s.field[3], vreinterpretq_s8_u8(u.high), x);
  s.field[4] = vdotq_s32(s.field[4], tk_field1(u.high), x);
  return s;
}

static inline field_sums finish_t2(field_sums s) {
  s.field[1] = vshrq_n_s32(s.field[1], 2);
  s.field[2] = vshrq_n_s32(s.field[2], 4);
  return s;
}

static inline field_sums finish_t5(field_sums s) {
  s.field[0] = vsubq_s32(vsubq_s32(s.field[0], s.field[1]), s.field[2]);
  s.field[3] = vsubq_s32(s.field[3], s.field[4]);
  s.field[4] = vshrq_n_s32(s.field[4], 2);
  return finish_t2(s);
}

/// 8 rows of each field: those of the upper or lower 8 of 16 bytes in one half of a block. `fields`
/// and `upper` are constants where this is inlined. With all 16 bytes at once the sums of T5 and
/// its tables would not fit the registers.
static inline __attribute__((always_inline)) void add_columns(size_t fields,
                                                              const tk_column_quads *g,
                                                              size_t block, size_t half, bool upper,
                                                              int32_t *total) {
  const tk_t5_tables tables = tk_t5_load_tables();
  const size_t offset = block * TK_BLOCK_BYTES + 16 * half;
  field_sums s[2] = {0};
  for (size_t quad = 0; quad < g->count; quad++) {
    uint8x16_t column[4];
    for (size_t i = 0; i < 4; i++) {
      column[i] = vld1q_u8(g->column[4 * quad + i] + offset);
    }
    if (!upper) { // the four halves of the two blocks in a cache line: one column each
      __builtin_prefetch(g->ahead[4 * quad + 2 * (block % 2) + half] + block / 2 * 64);
    }
    int8x16_t x = vreinterpretq_s8_s32(vdupq_n_s32(tk_quad_values(g, quad)));
    uint8x16_t ac = upper ? vzip2q_u8(column[0], column[2]) : vzip1q_u8(column[0], column[2]);
    uint8x16_t bd = upper ? vzip2q_u8(column[1], column[3]) : vzip1q_u8(column[1], column[3]);
    const uint8x16_t rows[2] = {vzip1q_u8(ac, bd), vzip2q_u8(ac, bd)};
    for (size_t i = 0; i < 2; i++) {
      s[i] = fields == TK_T5_FIELDS ? add_quad_t5(s[i], rows[i], x, &tables)
                                    : add_quad_t2(s[i], rows[i], x);
    }
  }
  for (size_t i = 0; i < 2; i++) {
    s[i] = fields == TK_T5_FIELDS ? finish_t5(s[i]) : finish_t2(s[i]);
    for (size_t f = 0; f < fields; f++) {
      int32_t *out = total + f * TK_BLOCK_BYTES + 16 * half + 8 * upper + 4 * i;
      vst1q_s32(out, vaddq_s32(vld1q_s32(out), s[i].field[f]));
    }
  }
}

static inline __attribute__((always_inline)) void add_block(size_t fields, const tk_column_quads *g,
                                                            size_t block, int32_t *total) {
  for (size_t half = 0; half < 2; half++) {
    add_columns(fields, g, block, half, false, total);
    add_columns(fields, g, block, half, true, total);
  }
}

/// `fields` is a constant where this is inlined.
static inline __attribute__((always_inline)) void
gemv_columns(size_t fields, const tk_strands *w, const int8_t *q, int32_t sum, const int32_t *list,
             size_t count, size_t row_begin, size_t row_end, int32_t *y) {
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
      add_block(fields, &g, (row_begin + r) / width, total);
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

const tk_sparse_kernels tk_sparse_t2_neon_dotprod = {gemv_rows_t2, gemv_columns_t2};
const tk_sparse_kernels tk_sparse_t5_neon_dotprod = {gemv_rows_t5, gemv_columns_t5};

#pragma clang attribute pop

#endif
