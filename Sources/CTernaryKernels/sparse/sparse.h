// Private to the kernels that skip zeros: where a strand lies, and what instruction sets share.
//
// A strand is one row of a matrix held by rows (`up`), or one column of one held by columns
// (`down`): 32 bytes for each block of 128 (T2) or 160 (T5) trits, coded as in ternary.h.
//
//   strand 0 | block 0 | block 1 | ... | strand 1 | block 0 | ...
//
// By rows, a strand meets the whole activation vector and gives one sum: a GEMV of a tile, but
// every row is a stream of its own. By columns, a strand meets one activation and is added to all
// sums.

#ifndef TK_SPARSE_H
#define TK_SPARSE_H

#include "ternary/ternary.h"

enum {
  /// Columns that sums of 16 bits can take: with |q| <= 127 and codes of at most 2, 4 times too
  /// large where they are masked in place, a column adds at most 127 * 2 * 4 = 1016; 32 columns add
  /// 32512 <= 32767. The 32 columns of 640 bytes of a 2B model are 20 KiB, which stay in level 1
  /// while one block of rows after the other goes through them.
  TK_COLUMN_GROUP = 32,
};

/// The code of a byte of zero trits.
static inline int tk_zero_code(tk_layout layout) {
  return layout == TK_LAYOUT_T5 ? TK_T5_ZERO : 0x55;
}

/// Bytes of one strand.
static inline size_t tk_strand_bytes(const tk_strands *w) {
  return tk_block_count(w->layout, w->length) * TK_BLOCK_BYTES;
}

/// The strand at place i of a list, or strand i where there is no list.
static inline size_t tk_strand_at(const int32_t *list, size_t i) {
  return list ? (size_t)list[i] : i;
}

/// For every 4-bit mask, the places of its set bits, then anything: what moves those 32-bit lanes
/// of a vector to its start, as bytes for a byte shuffle.
extern const uint8_t tk_compact_lanes[16][16];

#endif
