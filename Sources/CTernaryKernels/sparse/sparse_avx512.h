// Private: the products that skip zeros with AVX-512 VNNI, for any decoder of T5. The functions are
// inlined into the file of each instruction set, with its decoder as a constant.
//
// By rows: two rows at a time, one in each half of a vector, so that both have the same
// activations, as in a tile of GEMV. The rows to come are prefetched one after the other, the order
// in which memory is fastest.
//
// By columns: the codes of four columns are interleaved byte by byte, so that vpdpbusd multiplies
// all four by their activations and adds them up in one step:
//
//   column a   a0 a1 a2 ...   vpunpcklbw  a0 b0 a1 b1 ...   vpunpcklwd  a0 b0 c0 d0 a1 b1 c1 d1 ...
//   column b   b0 b1 b2 ...
//   column c   c0 c1 c2 ...   vpunpcklbw  c0 d0 c1 d1 ...   vpunpckhwd  a4 b4 c4 d4 a5 b5 c5 d5 ...
//   column d   d0 d1 d2 ...
//   activations               qa qb qc qd qa ...   32-bit lane r += a_r qa + b_r qb + c_r qc + d_r
//   qd
//
// All fields of a byte have the same activation there, so that its top field needs no mask: its sum
// is that of the whole bytes less those of the lower fields.
//
// A vector has one cache line, two blocks of rows, of each column. Chunks of blocks go through
// groups of columns, and each line through registers twice: the low half of every 16 bytes, then
// the high half, so that ten sums fit beside tables and masks.

#ifndef TK_SPARSE_AVX512_H
#define TK_SPARSE_AVX512_H

#include "sparse/sparse.h"
#include "ternary/ternary_avx512.h"

#include <string.h>

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,"           \
                                                   "avx512vnni,fma,f16c"),                         \
                                            always_inline)),                                       \
                             apply_to = function)

enum {
  /// Blocks of rows that columns are added to together. Their sums, at most 10 KiB, and a group of
  /// columns stay in level 1.
  TK_CHUNK_BLOCKS_512 = 16,
  TK_CHUNK_SUMS_512 = TK_CHUNK_BLOCKS_512 / 2 * 20, ///< Vectors: 20 for two blocks of T5.
  /// Of a chunk in all columns of a group, while they fit a group. Columns are asked for two groups
  /// ahead: with groups of 16 KiB asked for one ahead, an eighth of the columns came from memory at
  /// 16 GB/s, with 8 KiB two ahead at 20, a third at 17 and 23 (T5, Zen 5).
  TK_GROUP_BYTES_512 = 1 << 13,
  TK_GROUPS_AHEAD_512 = 2,
  TK_GROUP_COLUMNS_512 = 128,
  /// Columns that sums of 32 bits can take: a byte is at most 0xAA = 170, so that one vpdpbusd adds
  /// at most 4 * 127 * 170 = 86360 to a lane, and 2^16 columns 2^14 * 86360 = 1414922240 < 2^31.
  TK_COLUMNS_PER_FLUSH_512 = 1 << 16,
};

// ---------------------------------------------------------------------------------------------
// By rows
// ---------------------------------------------------------------------------------------------

/// Two rows, and two others to prefetch.
typedef struct tk_row_pair512 {
  const uint8_t *row[2], *ahead[2];
} tk_row_pair512;

/// The rows at places i and i + 1, the last of the list again where it ends before.
static inline tk_row_pair512 tk_row_pair_at512(const tk_strands *w, const int32_t *list, size_t i,
                                               size_t end) {
  size_t bytes = tk_strand_bytes(w), distance = tk_rows_ahead(w);
  tk_row_pair512 pair;
  for (size_t r = 0; r < 2; r++) {
    size_t place = i + r < end ? i + r : end - 1;
    size_t ahead = i + r + distance < end ? i + r + distance : end - 1;
    pair.row[r] = w->data + tk_strand_at(list, place) * bytes;
    pair.ahead[r] = w->data + tk_strand_at(list, ahead) * bytes;
  }
  return pair;
}

/// Sums of the first row in the lower half of the lanes, of the second in the upper one.
static inline __m512i tk_add_row_pair512(tk_add512 *add, size_t width, const tk_tables512 *tables,
                                         const tk_row_pair512 *pair, const int8_t *q,
                                         size_t blocks) {
  // A line for every block of two rows: all lines of the first, then all of the second.
  const uint8_t *ahead = pair->ahead[0];
  const size_t lines = (blocks + 1) / 2;
  __m512i total = _mm512_setzero_si512();
  for (size_t b = 0; b < blocks;) {
    size_t stop = blocks - b < TK_BLOCKS_PER_FLUSH_512 ? blocks : b + TK_BLOCKS_PER_FLUSH_512;
    tk_pair_sums s = {0};
    for (; b < stop; b++, ahead += 2 * TK_BLOCK_BYTES) {
      if (b == lines) {
        ahead = pair->ahead[1] + blocks % 2 * TK_BLOCK_BYTES;
      }
      _mm_prefetch((const char *)ahead, _MM_HINT_T0);
      __m512i code = _mm512_castsi256_si512(tk_load(pair->row[0] + b * TK_BLOCK_BYTES));
      code = _mm512_inserti64x4(code, tk_load(pair->row[1] + b * TK_BLOCK_BYTES), 1);
      s = add(s, code, q + b * width, tables);
    }
    total = tk_flush512(total, s);
  }
  return total;
}

/// tk_gemv_rows for one layout, whose block `add` takes.
static inline void tk_gemv_rows512(tk_add512 *add, const tk_tables512 *tables, const tk_strands *w,
                                   const int8_t *q, int32_t sum, const int32_t *list, size_t begin,
                                   size_t end, int32_t *y) {
  size_t width = tk_describe(w->layout).columns, blocks = tk_block_count(w->layout, w->length);
  for (size_t i = begin; i < end; i += 4) {
    __m512i total[2] = {0};
    for (size_t p = 0; p < 2 && i + 2 * p < end; p++) {
      tk_row_pair512 pair = tk_row_pair_at512(w, list, i + 2 * p, end);
      total[p] = tk_add_row_pair512(add, width, tables, &pair, q, blocks);
    }
    int32_t out[4];
    __m128i all = tk_reduce_pairs(total[0], total[1]);
    _mm_storeu_si128((__m128i *)out, _mm_sub_epi32(all, _mm_set1_epi32(sum)));
    for (size_t r = 0; r < 4 && i + r < end; r++) {
      y[tk_strand_at(list, i + r)] = out[r];
    }
  }
}

// ---------------------------------------------------------------------------------------------
// By columns
// ---------------------------------------------------------------------------------------------

/// How the sums of a byte's parts, as a tk_decode512 gives them, become those of its fields.
typedef tk_fields512 tk_finish512(tk_fields512 sums);

/// T2: three fields where they are, and the whole byte.
static inline tk_fields512 tk_t2_parts512(__m512i e, const tk_tables512 *tables) {
  (void)tables;
  return (tk_fields512){{tk_mask512(e, 0x03), tk_mask512(e, 0x0C), tk_mask512(e, 0x30), e}};
}

/// The divisions are exact.
static inline tk_fields512 tk_t2_finish512(tk_fields512 s) {
  __m512i lower = _mm512_add_epi32(s.u[0], _mm512_add_epi32(s.u[1], s.u[2]));
  s.u[1] = _mm512_srai_epi32(s.u[1], 2);
  s.u[2] = _mm512_srai_epi32(s.u[2], 4);
  s.u[3] = _mm512_srai_epi32(_mm512_sub_epi32(s.u[3], lower), 6);
  return s;
}

/// Columns that are computed together, and as many later ones to prefetch, in one chunk of rows.
typedef struct tk_columns512 {
  size_t steps; ///< Of four columns each.
  const uint8_t *column[TK_GROUP_COLUMNS_512], *ahead[TK_GROUP_COLUMNS_512];
  int8_t values[TK_GROUP_COLUMNS_512];
} tk_columns512;

/// The columns at places first .. first + size - 1, from `block` on; those to prefetch are
/// `distance` places later.
static inline void tk_fill_columns512(tk_columns512 *g, const tk_strands *w, size_t block,
                                      const int8_t *q, const int32_t *list, size_t first,
                                      size_t size, size_t distance, size_t count) {
  size_t bytes = tk_strand_bytes(w);
  const uint8_t *data = w->data + block * TK_BLOCK_BYTES;
  g->steps = (size + 3) / 4;
  for (size_t i = 0; i < 4 * g->steps; i++) {
    // A step that is not full takes the last column again, times 0.
    size_t column = tk_strand_at(list, i < size ? first + i : first + size - 1);
    size_t ahead = first + distance + i < count ? first + distance + i : count - 1;
    g->column[i] = data + column * bytes;
    g->ahead[i] = data + tk_strand_at(list, ahead) * bytes;
    g->values[i] = i < size ? q[column] : 0;
  }
}

/// Two blocks of a column, or one and zeros.
static inline __m512i tk_load_blocks512(const uint8_t *p, bool two) {
  return two ? _mm512_loadu_si512(p) : _mm512_zextsi256_si512(tk_load(p));
}

/// Adds a group of columns to the sums of two blocks: of bytes 0 - 7 of every 16 in a line, or with
/// `upper` of bytes 8 - 15. Vector 2 p has part p of the first four of those eight, vector 2 p + 1
/// of the other four. decode, parts, two and upper are constants where this is inlined.
static inline void tk_add_columns512(tk_decode512 *decode, size_t parts, const tk_tables512 *tables,
                                     const tk_columns512 *g, size_t offset, bool two, bool upper,
                                     __m512i *sums) {
  __m512i low[5], high[5];
#pragma clang loop unroll(full)
  for (size_t p = 0; p < parts; p++) {
    low[p] = sums[2 * p];
    high[p] = sums[2 * p + 1];
  }
  for (size_t s = 0; s < g->steps; s++) {
    __m512i v[4];
#pragma clang loop unroll(full)
    for (size_t i = 0; i < 4; i++) {
      v[i] = tk_load_blocks512(g->column[4 * s + i] + offset, two);
      if (!upper) {
        _mm_prefetch((const char *)g->ahead[4 * s + i] + offset, _MM_HINT_T0);
      }
    }
    int32_t values;
    memcpy(&values, g->values + 4 * s, sizeof values);
    __m512i x = _mm512_set1_epi32(values);
    __m512i ab = upper ? _mm512_unpackhi_epi8(v[0], v[1]) : _mm512_unpacklo_epi8(v[0], v[1]);
    __m512i cd = upper ? _mm512_unpackhi_epi8(v[2], v[3]) : _mm512_unpacklo_epi8(v[2], v[3]);
    tk_fields512 t = decode(_mm512_unpacklo_epi16(ab, cd), tables);
    tk_fields512 u = decode(_mm512_unpackhi_epi16(ab, cd), tables);
#pragma clang loop unroll(full)
    for (size_t p = 0; p < parts; p++) {
      low[p] = tk_dot512(low[p], t.u[p], x);
      high[p] = tk_dot512(high[p], u.u[p], x);
    }
  }
#pragma clang loop unroll(full)
  for (size_t p = 0; p < parts; p++) {
    sums[2 * p] = low[p];
    sums[2 * p + 1] = high[p];
  }
}

/// Sums of columns first .. end - 1 of a list of `count` in `blocks` blocks from `block` on: 4 *
/// `parts` vectors for two blocks.
static inline void tk_sum_columns512(tk_decode512 *decode, size_t parts, const tk_tables512 *tables,
                                     const tk_strands *w, size_t block, size_t blocks,
                                     const int8_t *q, const int32_t *list, size_t first, size_t end,
                                     size_t count, __m512i *sums) {
  size_t most = TK_GROUP_BYTES_512 / (blocks * TK_BLOCK_BYTES) / 4 * 4;
  size_t group = most < TK_GROUP_COLUMNS_512 ? most : TK_GROUP_COLUMNS_512;
  memset(sums, 0, (blocks + 1) / 2 * 4 * parts * sizeof *sums);
  for (; first < end; first += group) {
    tk_columns512 g;
    tk_fill_columns512(&g, w, block, q, list, first, end - first < group ? end - first : group,
                       TK_GROUPS_AHEAD_512 * group, count);
    __m512i *s = sums;
    for (size_t b = 0; b < blocks; b += 2, s += 4 * parts) {
      size_t offset = b * TK_BLOCK_BYTES;
      if (blocks - b > 1) {
        tk_add_columns512(decode, parts, tables, &g, offset, true, false, s);
        tk_add_columns512(decode, parts, tables, &g, offset, true, true, s + 2 * parts);
      } else {
        tk_add_columns512(decode, parts, tables, &g, offset, false, false, s);
        tk_add_columns512(decode, parts, tables, &g, offset, false, true, s + 2 * parts);
      }
    }
  }
}

/// The sums of two blocks of rows in order, `width` rows each.
static inline void tk_order_rows512(tk_finish512 *finish, size_t parts, const __m512i *sums,
                                    size_t width, int32_t *rows) {
  const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
  const __m512i second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  for (size_t half = 0; half < 2; half++, sums += 2 * parts) {
    tk_fields512 low = {0}, high = {0};
    for (size_t p = 0; p < parts; p++) {
      low.u[p] = sums[2 * p];
      high.u[p] = sums[2 * p + 1];
    }
    low = finish(low);
    high = finish(high);
    for (size_t f = 0; f < parts; f++) {
      int32_t *out = rows + f * TK_BLOCK_BYTES + half * 8;
      __m512i a = _mm512_permutex2var_epi64(low.u[f], first, high.u[f]);
      __m512i b = _mm512_permutex2var_epi64(low.u[f], second, high.u[f]);
      _mm256_storeu_si256((__m256i *)out, _mm512_castsi512_si256(a));
      _mm256_storeu_si256((__m256i *)(out + 16), _mm512_extracti64x4_epi64(a, 1));
      _mm256_storeu_si256((__m256i *)(out + width), _mm512_castsi512_si256(b));
      _mm256_storeu_si256((__m256i *)(out + width + 16), _mm512_extracti64x4_epi64(b, 1));
    }
  }
}

/// tk_gemv_columns for one layout, whose bytes `decode` takes apart into `parts` parts.
static inline void tk_gemv_columns512(tk_decode512 *decode, tk_finish512 *finish, size_t parts,
                                      const tk_tables512 *tables, const tk_strands *w,
                                      const int8_t *q, int32_t sum, const int32_t *list,
                                      size_t count, size_t row_begin, size_t row_end, int32_t *y) {
  size_t width = tk_describe(w->layout).columns, rows = row_end - row_begin;
  size_t blocks = (rows + width - 1) / width;
  size_t chunks = (blocks + TK_CHUNK_BLOCKS_512 - 1) / TK_CHUNK_BLOCKS_512;
  size_t chunk = chunks > 0 ? (blocks + 2 * chunks - 1) / (2 * chunks) * 2 : 0;
  for (size_t r = 0; r < rows; r++) {
    y[r] = -sum;
  }
  for (size_t b = 0; b < blocks; b += chunk) {
    for (size_t first = 0; first < count; first += TK_COLUMNS_PER_FLUSH_512) {
      __m512i sums[TK_CHUNK_SUMS_512];
      size_t size = blocks - b < chunk ? blocks - b : chunk, left = count - first;
      size_t end = left < TK_COLUMNS_PER_FLUSH_512 ? count : first + TK_COLUMNS_PER_FLUSH_512;
      tk_sum_columns512(decode, parts, tables, w, row_begin / width + b, size, q, list, first, end,
                        count, sums);
      for (size_t i = 0; i < size; i += 2) {
        int32_t ordered[2 * TK_T5_COLUMNS];
        tk_order_rows512(finish, parts, sums + i * 2 * parts, width, ordered);
        for (size_t r = 0, row = (b + i) * width; r < 2 * width && row + r < rows; r++) {
          y[row + r] += ordered[r];
        }
      }
    }
  }
}

#pragma clang attribute pop

#endif
