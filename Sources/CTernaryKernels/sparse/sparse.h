// Private to the kernels that skip zeros: where a strand lies, and what instruction sets share.
//
// A strand is one row of a matrix held by rows (`up`), or one column of one held by columns
// (`down`): 32 bytes for each block of 128 (T2) or 160 (T5) trits, coded as in layout.h.
//
//   strand 0 | block 0 | block 1 | ... | strand 1 | block 0 | ...
//
// By rows, a strand is multiplied by the whole activation vector and gives one sum: a GEMV of a
// tile, but every row is a stream of its own. By columns, a strand is multiplied by one activation
// and is added to all sums.

#ifndef TK_SPARSE_H
#define TK_SPARSE_H

#include "ternary/ternary.h"

/// Which elements are not zero.
typedef struct tk_list_kernels {
  size_t (*active)(const float *x, size_t n, int32_t *list);
  size_t (*nonzero)(const int8_t *q, size_t n, int32_t *list);
} tk_list_kernels;

extern const tk_list_kernels tk_lists_scalar, tk_lists_avx2, tk_lists_avx512, tk_lists_neon;

/// Products of one layout that leave rows or columns out.
typedef struct tk_sparse_kernels {
  void (*gemv_rows)(const tk_strands *w, const int8_t *q, int32_t sum, const int32_t *list,
                    size_t begin, size_t end, int32_t *y);
  void (*gemv_columns)(const tk_strands *w, const int8_t *q, int32_t sum, const int32_t *list,
                       size_t count, size_t row_begin, size_t row_end, int32_t *y);
} tk_sparse_kernels;

extern const tk_sparse_kernels tk_sparse_scalar;
extern const tk_sparse_kernels tk_sparse_t2_avx2, tk_sparse_t5_avx2;
extern const tk_sparse_kernels tk_sparse_t2_avxvnni, tk_sparse_t5_avxvnni;
extern const tk_sparse_kernels tk_sparse_t2_avx512_vnni, tk_sparse_t5_avx512_vnni;
extern const tk_sparse_kernels tk_sparse_t5_avx512;
extern const tk_sparse_kernels tk_sparse_t2_neon, tk_sparse_t5_neon;
extern const tk_sparse_kernels tk_sparse_t2_neon_dotprod, tk_sparse_t5_neon_dotprod;

/// What turns strands of T5 into tiles.
typedef struct tk_split_kernels {
  /// Splits n bytes of T5, a multiple of 32, into 2-bit fields trit + 1: three trits in `low`, two
  /// in `high`.
  void (*split_t5)(const uint8_t *codes, size_t n, uint8_t *low, uint8_t *high);
} tk_split_kernels;

extern const tk_split_kernels tk_split_scalar, tk_split_avx2, tk_split_avx512_vnni, tk_split_neon;

enum {
  /// Columns that sums of 16 bits can take: with |q| <= 127 and codes of at most 2, 4 times too
  /// large where they are masked in place, a column adds at most 127 * 2 * 4 = 1016; 32 columns add
  /// 32512 <= 32767. The 32 columns of 640 bytes of a 2B model are 20 KiB, which stay in level 1
  /// while one block of rows after the other goes through them.
  TK_COLUMN_GROUP = 32,
};

/// Whether strands can have a layout: its rows lie together in a block.
static inline bool tk_has_strands(tk_layout layout) {
  return tk_describe(layout).row_step == TK_BLOCK_BYTES;
}

static inline tk_layout_description tk_describe_strand(tk_layout layout) {
  if (!tk_has_strands(layout)) {
    __builtin_trap();
  }
  return tk_describe(layout);
}

/// Bytes of one strand.
static inline size_t tk_strand_bytes(const tk_strands *w) {
  return tk_block_count(w->layout, w->length) * TK_BLOCK_BYTES;
}

/// The strand at place i of a list, or strand i where there is no list.
static inline size_t tk_strand_at(const int32_t *list, size_t i) {
  return list ? (size_t)list[i] : i;
}

/// How many rows of a list lie between the one that is multiplied and the one that is prefetched:
/// some 12 KiB. Listed rows are no stream that the hardware could learn, so that what is on its way
/// is what was asked for. With 8 rows of 2560 columns ahead, half of the rows came from memory at
/// 21 GB/s, with 24 at 32 (T5, AVX-512, Zen 5).
static inline size_t tk_rows_ahead(const tk_strands *w) {
  enum { AHEAD_BYTES = 12 << 10, LEAST = 4, MOST = 32 };
  const size_t rows = AHEAD_BYTES / (tk_strand_bytes(w) + 1);
  return rows < LEAST ? LEAST : rows > MOST ? MOST : rows;
}

/// For every 4-bit mask, the places of its set bits, then anything: what moves those 32-bit lanes
/// of a vector to its start, as bytes for a byte shuffle.
extern const uint8_t tk_compact_lanes[16][16];

/// tk_tile_columns with this kernel.
void tk_tile_columns_by(const tk_split_kernels *k, const tk_strands *w, size_t row_begin,
                        size_t row_end, uint8_t *tiles);

#endif
