// Private: the family of attention kernels, how a group of heads is cut into blocks for them, and
// what they ask memory for.

#ifndef TK_ATTENTION_H
#define TK_ATTENTION_H

#include "CTernaryKernels.h"

enum {
  /// Query heads that attention kernels take at once.
  TK_ATTENTION_HEADS = 4,
  /// Positions of which attention kernels take all heads and dimensions before the next: 12 KiB of
  /// float16 where head_dim is 128, so that all but the first four heads, and all but the first few
  /// dimensions of values, find them in level 1. A multiple of every tile of positions.
  TK_ATTENTION_BLOCK = 48,
};

/// Part of tk_attention_scores: `heads` heads, 1 to TK_ATTENTION_HEADS, at positions [begin, end).
typedef struct tk_score_block {
  tk_cache keys;
  const float *queries;
  size_t heads, head_dim;
  float scale;
  size_t begin, end;
  float *scores;
  size_t stride;
} tk_score_block;

/// Part of tk_attention_values: `heads` heads, 1 to TK_ATTENTION_HEADS, at positions [begin, end)
/// of `positions`. Sums begin with 0 where `begin` is 0 and with `out` elsewhere; where `end` is
/// `positions` they are divided.
typedef struct tk_value_block {
  tk_cache values;
  const float *weights;
  size_t stride;
  const float *totals;
  size_t heads, head_dim;
  size_t begin, end, positions;
  size_t dim_begin, dim_end;
  float *out;
} tk_value_block;

/// Shares of the public steps, for up to TK_ATTENTION_HEADS heads.
typedef struct tk_attention_kernels {
  void (*scores)(const tk_score_block *b);
  void (*values)(const tk_value_block *b);
} tk_attention_kernels;

extern const tk_attention_kernels tk_attention_scalar, tk_attention_avx2, tk_attention_avx512,
    tk_attention_neon;

/// A cache whose type the compiler knows where this is inlined.
static inline tk_cache tk_typed_cache(tk_cache rows, tk_cache_type type) {
  rows.type = type;
  return rows;
}

/// Bytes of an element.
static inline size_t tk_cache_bytes(tk_cache_type type) {
  switch (type) {
  case TK_CACHE_F32:
    return 4;
  case TK_CACHE_F16:
    return 2;
  case TK_CACHE_INT8:
    return 1;
  }
  __builtin_trap(); // there is no such type
}

/// Asks for `count` elements from `element` on; the type is a constant where this is inlined.
static inline __attribute__((always_inline)) void tk_prefetch_cache(tk_cache rows, size_t element,
                                                                    size_t count) {
  const size_t size = tk_cache_bytes(rows.type);
  const uintptr_t start = (uintptr_t)rows.data + element * size;
  for (size_t offset = 0; offset < count * size; offset += 64) {
    // An address past the end is never read, but must not be a pointer.
    __builtin_prefetch((const void *)(start + offset));
  }
}

/// Keys of some tiles further on. They are read front to back, which the hardware sees, but not
/// past the end of a page: with this, 2048 positions came from memory at 1.15 times the rate
/// (AVX2).
static inline __attribute__((always_inline)) void tk_prefetch_keys(tk_cache keys, size_t position,
                                                                   size_t head_dim) {
  tk_prefetch_cache(keys, (position + TK_ATTENTION_BLOCK / 2) * keys.stride, head_dim);
}

/// What to ask for while a pass adds values: `step` elements further with every position.
typedef struct tk_values_ahead {
  size_t element, step;
} tk_values_ahead;

/// The share of the next block for the pass that adds `count` dimensions from i on. A pass takes a
/// few dimensions of all positions of its block, which leaves the hardware no stream to learn, so
/// passes over whole vectors ask for the next block as it lies in memory: values of 2048 positions
/// came at 1.9 times the rate. Others ask for their own elements of it, which is worth 1.45 (AVX2).
static inline tk_values_ahead tk_next_values(const tk_value_block *b, size_t i, size_t count) {
  if (b->end == b->positions) {
    return (tk_values_ahead){b->begin * b->values.stride + i, 0};
  }
  const size_t next = b->end * b->values.stride;
  if (b->dim_end - b->dim_begin == b->values.stride) {
    return (tk_values_ahead){next + i * (b->end - b->begin), count};
  }
  return (tk_values_ahead){next + i, b->values.stride};
}

#endif
