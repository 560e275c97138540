// The products that skip zeros, with baseline NEON.
//
// By rows: the products of gemv_neon.c, row after row. By columns: every lane is a row of the
// matrix, and smlal adds code times activation, one column after the other; groups of columns go
// through all blocks of rows as in sparse_avx2.c. sparse.h bounds the 16-bit sums of a group.

#if defined(__aarch64__)

#include "sparse/sparse.h"
#include "ternary/ternary_neon.h"

#include <string.h>

// ---------------------------------------------------------------------------------------------
// By rows
// ---------------------------------------------------------------------------------------------

enum {
  BLOCKS_PER_FLUSH = 8, ///< The most that 16-bit sums of half a block can take, see gemv_neon.c.
};

/// 16-bit sums of one row: fields as they are, and fields 4 times too large.
typedef struct row_sums {
  int16x8_t small, large;
} row_sums;

static inline int16x8_t add_products(int16x8_t sums, int8x16_t u, const int8_t *x) {
  int8x16_t v = vld1q_s8(x);
  return vmlal_high_s8(vmlal_s8(sums, vget_low_s8(u), vget_low_s8(v)), u, v);
}

static inline row_sums add_t2(row_sums s, uint8x16_t e, const int8_t *x) {
  uint8x16_t f = vshrq_n_u8(e, 4);
  s.small = add_products(add_products(s.small, tk_field0(e), x), tk_field0(f), x + 64);
  s.large = add_products(add_products(s.large, tk_field1(e), x + 32), tk_field1(f), x + 96);
  return s;
}

static inline row_sums add_t5(row_sums s, uint8x16_t code, const int8_t *x,
                              const tk_t5_tables *tables) {
  tk_t5_fields u = tk_t5_decode(code, tables);
  int8x16_t third = vreinterpretq_s8_u8(vshrq_n_u8(u.low, 4));
  s.small = add_products(add_products(s.small, tk_field0(u.low), x), third, x + 64);
  s.small = add_products(s.small, tk_field0(u.high), x + 96);
  s.large =
      add_products(add_products(s.large, tk_field1(u.low), x + 32), tk_field1(u.high), x + 128);
  return s;
}

/// `fields` is a constant where this is inlined.
static inline __attribute__((always_inline)) int32_t row_product(size_t fields, const uint8_t *row,
                                                                 const uint8_t *ahead,
                                                                 const int8_t *q, size_t blocks) {
  const tk_t5_tables tables = tk_t5_load_tables();
  const size_t width = fields * TK_BLOCK_BYTES;
  int32x4_t total = vdupq_n_s32(0);
  for (size_t b = 0; b < blocks;) {
    size_t stop = blocks - b < BLOCKS_PER_FLUSH ? blocks : b + BLOCKS_PER_FLUSH;
    row_sums s[2] = {0}; // of the two halves of blocks: with one, smlal would wait for smlal
    for (; b < stop; b++) {
      if (b % 2 == 0) { // two blocks to a cache line
        __builtin_prefetch(ahead + b * TK_BLOCK_BYTES);
      }
      for (size_t half = 0; half < 2; half++) {
        uint8x16_t code = vld1q_u8(row + b * TK_BLOCK_BYTES + 16 * half);
        const int8_t *x = q + b * width + 16 * half;
        s[half] =
            fields == TK_T5_FIELDS ? add_t5(s[half], code, x, &tables) : add_t2(s[half], code, x);
      }
    }
    for (size_t half = 0; half < 2; half++) {
      total = vpadalq_s16(total, vsraq_n_s16(s[half].small, s[half].large, 2));
    }
  }
  return vaddvq_s32(total);
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

/// Columns that are computed together, and as many others to prefetch.
typedef struct column_group {
  size_t count;
  const uint8_t *column[TK_COLUMN_GROUP], *ahead[TK_COLUMN_GROUP];
  int8_t values[TK_COLUMN_GROUP];
} column_group;

static inline void fill_group(column_group *g, const tk_strands *w, const int8_t *q,
                              const int32_t *list, size_t first, size_t count) {
  size_t bytes = tk_strand_bytes(w);
  g->count = count - first < TK_COLUMN_GROUP ? count - first : TK_COLUMN_GROUP;
  for (size_t i = 0; i < g->count; i++) {
    size_t column = tk_strand_at(list, first + i), ahead = first + i + TK_COLUMN_GROUP;
    g->column[i] = w->data + column * bytes;
    g->ahead[i] = w->data + tk_strand_at(list, ahead < count ? ahead : count - 1) * bytes;
    g->values[i] = q[column];
  }
}

/// 16-bit sums of 16 rows.
typedef struct field_sums {
  int16x8_t low, high;
} field_sums;

static inline field_sums add_field(field_sums s, int8x16_t u, int8x8_t x) {
  s.low = vmlal_s8(s.low, vget_low_s8(u), x);
  s.high = vmlal_s8(s.high, vget_high_s8(u), x);
  return s;
}

static inline void store_field(field_sums s, int32_t *total) {
  vst1q_s32(total, vaddw_s16(vld1q_s32(total), vget_low_s16(s.low)));
  vst1q_s32(total + 4, vaddw_high_s16(vld1q_s32(total + 4), s.low));
  vst1q_s32(total + 8, vaddw_s16(vld1q_s32(total + 8), vget_low_s16(s.high)));
  vst1q_s32(total + 12, vaddw_high_s16(vld1q_s32(total + 12), s.high));
}

/// Half a block of rows, 16 in each field; `fields` is a constant where this is inlined.
static inline __attribute__((always_inline)) void add_columns(size_t fields, const column_group *g,
                                                              size_t offset, int32_t *total) {
  const tk_t5_tables tables = tk_t5_load_tables();
  field_sums s[TK_T5_FIELDS];
  for (size_t f = 0; f < TK_T5_FIELDS; f++) {
    s[f] = (field_sums){vdupq_n_s16(0), vdupq_n_s16(0)};
  }
  for (size_t i = 0; i < g->count; i++) {
    uint8x16_t low = vld1q_u8(g->column[i] + offset), high;
    int8x8_t x = vdup_n_s8(g->values[i]);
    __builtin_prefetch(g->ahead[i] + offset);
    if (fields == TK_T5_FIELDS) {
      tk_t5_fields u = tk_t5_decode(low, &tables);
      low = u.low;
      high = u.high;
      s[2] = add_field(s[2], vreinterpretq_s8_u8(vshrq_n_u8(low, 4)), x);
      s[3] = add_field(s[3], tk_field0(high), x);
      s[4] = add_field(s[4], tk_field1(high), x);
    } else {
      high = vshrq_n_u8(low, 4);
      s[2] = add_field(s[2], tk_field0(high), x);
      s[3] = add_field(s[3], tk_field1(high), x);
    }
    s[0] = add_field(s[0], tk_field0(low), x);
    s[1] = add_field(s[1], tk_field1(low), x);
  }
  for (size_t f = 0; f < fields; f++) {
    if (f == 1 || f == fields - 1) { // 4 times too large, exactly
      s[f].low = vshrq_n_s16(s[f].low, 2);
      s[f].high = vshrq_n_s16(s[f].high, 2);
    }
    store_field(s[f], total + f * TK_BLOCK_BYTES);
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
    column_group g;
    fill_group(&g, w, q, list, first, count);
    for (size_t r = 0; r < rows; r += width) {
      int32_t *total = r < whole ? y + r : tail;
      size_t offset = (row_begin + r) / width * TK_BLOCK_BYTES;
      for (size_t half = 0; half < TK_BLOCK_BYTES; half += 16) {
        add_columns(fields, &g, offset + half, total + half);
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
  for (size_t i = 0; i < n; i += 16) {
    tk_t5_fields u = tk_t5_decode(vld1q_u8(codes + i), &tables);
    vst1q_u8(low + i, u.low);
    vst1q_u8(high + i, u.high);
  }
}

const tk_sparse_kernels tk_sparse_t2_neon = {gemv_rows_t2, gemv_columns_t2};
const tk_sparse_kernels tk_sparse_t5_neon = {gemv_rows_t5, gemv_columns_t5};
const tk_split_kernels tk_split_neon = {split_t5};

#endif
