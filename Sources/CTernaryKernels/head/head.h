// Private: the family of scans of the two-stage LM head, and how rows are held for them. Rows are
// padded to 8, columns to 32; padding codes are 0.
//
// INT8: tiles of 4 rows; for each block of 32 columns 32 bytes of row 0, of row 1, of row 2, of row
// 3, so that a scan reads one sequential stream and loads a block's activations once for four rows.
// Codes are in [-127, 127], one float scale a row.
//
//   tile 0 | block 0: row 0 (32 B), row 1, row 2, row 3 | block 1: ...
//
// INT4: panels of 8 rows, a row in each 32-bit lane, so that sums need no horizontal adds and the
// scales of a block are one vector. A block of 32 columns takes 144 bytes:
//
//   4 steps of 32 bytes; in step s byte 4 r + j holds column 8 s + j of row r in bits 0-3 and
//   column 8 s + 4 + j in bits 4-7, as code + 8 with codes in [-8, 7]
//   8 float16 scales, of rows 0 to 7
//
// Q6_K: the rows as ggml stores them, in blocks of 256 columns with 6-bit codes in [0, 63] that
// stand for code - 32, a scale in int8 for 16 columns and a float16 d (decode.c).
//
// Q8_0 and Q4_0, together Q_0: the rows as ggml stores them, in blocks of 32 columns: a float16 d,
// then 32 codes in int8, or 16 bytes with columns 0 to 15 in bits 0-3 and columns 16 to 31 in bits
// 4-7, as code + 8.
//
// A rounded state (tk_head_round) is, for INT8, int16 of magnitude at most tk_head_limit(columns);
// for INT4, int8 in [-127, 127], and from tk_head_sums() on, for each block 8 times its sum, which
// takes back the 8 that was added to every code. For Q6_K it is tk_head_q6_k_state, for Q8_0 and
// Q4_0 tk_head_q_0_state.

#ifndef TK_HEAD_H
#define TK_HEAD_H

#include "float/float.h"
#include "limits/prefetch.h"

/// The scan of one type of head.
typedef struct tk_head_kernels {
  void (*scan)(const tk_head *h, const void *q, float scale, size_t row_begin, size_t row_end,
               float *scores);
} tk_head_kernels;

extern const tk_head_kernels tk_head_int8_scalar, tk_head_int4_scalar, tk_head_q6_k_scalar;
extern const tk_head_kernels tk_head_q8_0_scalar, tk_head_q4_0_scalar;
extern const tk_head_kernels tk_head_int8_avx2, tk_head_int4_avx2, tk_head_q6_k_avx2;
extern const tk_head_kernels tk_head_q8_0_avx2, tk_head_q4_0_avx2;
extern const tk_head_kernels tk_head_int8_avxvnni, tk_head_int4_avxvnni;
extern const tk_head_kernels tk_head_q8_0_avxvnni, tk_head_q4_0_avxvnni;
extern const tk_head_kernels tk_head_int8_avx512_vnni, tk_head_int4_avx512_vnni;
extern const tk_head_kernels tk_head_q6_k_avx512_vnni;
extern const tk_head_kernels tk_head_q8_0_avx512_vnni, tk_head_q4_0_avx512_vnni;
extern const tk_head_kernels tk_head_int8_neon, tk_head_int4_neon, tk_head_q6_k_neon;
extern const tk_head_kernels tk_head_q8_0_neon, tk_head_q4_0_neon;
extern const tk_head_kernels tk_head_int8_neon_dotprod, tk_head_int4_neon_dotprod;
extern const tk_head_kernels tk_head_q8_0_neon_dotprod, tk_head_q4_0_neon_dotprod;

enum {
  TK_HEAD_BLOCK = 32,
  TK_HEAD_INT8_ROWS = 4,
  TK_HEAD_INT8_BYTES = TK_HEAD_INT8_ROWS * TK_HEAD_BLOCK,
  TK_HEAD_INT4_STEPS = 4,
  TK_HEAD_INT4_SCALES = TK_HEAD_INT4_STEPS * TK_HEAD_BLOCK, ///< Where a block's scales begin.
  TK_HEAD_INT4_BYTES = TK_HEAD_INT4_SCALES + 2 * TK_HEAD_TILE_ROWS,
};

static inline size_t tk_head_blocks(size_t columns) {
  return (columns + TK_HEAD_BLOCK - 1) / TK_HEAD_BLOCK;
}

/// The tile of 4 rows that begins with `row`, INT8.
static inline const uint8_t *tk_head_int8_tile(const tk_head *h, size_t row) {
  return h->codes + row / TK_HEAD_INT8_ROWS * tk_head_blocks(h->columns) * TK_HEAD_INT8_BYTES;
}

/// The panel of 8 rows that begins with `row`, INT4.
static inline const uint8_t *tk_head_int4_panel(const tk_head *h, size_t row) {
  return h->codes + row / TK_HEAD_TILE_ROWS * tk_head_blocks(h->columns) * TK_HEAD_INT4_BYTES;
}

/// The block sums of a state rounded for INT4.
static inline const int32_t *tk_head_sums(const void *q, size_t columns) {
  return (const int32_t *)((const uint8_t *)q + tk_head_blocks(columns) * TK_HEAD_BLOCK);
}

enum {
  TK_HEAD_Q6_K_COLUMNS = 256,
  TK_HEAD_Q6_K_BYTES = 210,
  TK_HEAD_Q6_K_SCALES = 192, ///< Where a block's 16 scales begin.
  TK_HEAD_Q6_K_D = 208,
  TK_HEAD_Q6_K_GROUP = 16, ///< Columns of a group, which has a scale in int8.
  TK_HEAD_Q6_K_GROUPS = TK_HEAD_Q6_K_COLUMNS / TK_HEAD_Q6_K_GROUP,
  TK_HEAD_Q6_K_MULTIPLIER = 16, ///< The largest that a state has.
};

/// A state rounded for Q6_K: x is about q * multiplier of its group * scale of its block * the
/// state's scale. So a large element costs accuracy in its own group of 16 only.
///
/// Groups are in the order 0, 2, ... 14, 1, 3, ... 15 in each block, as vectors of two halves
/// hold them.
typedef struct tk_head_q6_k_state {
  int8_t *q; ///< `columns`, in [-127, 127].
  /// One for each group, 1 to 16, or 0 in a block that stands for zeros. The sum of a block is at
  /// most 256 * 32 * 128 * 127 * 16 < 2^31.
  int16_t *multipliers;
  /// -16 times the sum of q over each group, half of what the 32 in every code is too much.
  int16_t *offsets;
  float *scales; ///< One for each block, in [0, 1].
} tk_head_q6_k_state;

/// Where group `g` of a block is.
static inline size_t tk_head_q6_k_place(size_t g) { return g % 2 * 8 + g / 2; }

static inline tk_head_q6_k_state tk_head_q6_k_state_at(void *q, size_t columns) {
  tk_head_q6_k_state s = {.q = q};
  s.multipliers = (int16_t *)(void *)(s.q + columns);
  s.offsets = s.multipliers + columns / TK_HEAD_Q6_K_GROUP;
  s.scales = (float *)(void *)(s.offsets + columns / TK_HEAD_Q6_K_GROUP);
  return s;
}

enum {
  TK_HEAD_Q8_0_BYTES = 34,
  TK_HEAD_Q4_0_BYTES = 18,
  TK_HEAD_Q_0_CODES = 2, ///< Where a block's codes begin; its d is before them.
};

/// A state rounded for Q8_0 or Q4_0: a sum of terms, q * scale of the term * the state's scale in
/// the 32 columns of a block. Each block has a term; those whose elements are much larger than most
/// have another, for what the first leaves, so that a large element costs its neighbours no
/// accuracy.
typedef struct tk_head_q_0_state {
  size_t count; ///< Of terms.
  /// 32 for each term, in [-127, 127]. The sum of a term is at most 32 * 128 * 127 < 2^24, so that
  /// it is a float too; at most 32 * 255 * 127 with codes that 128 was added to.
  int8_t *q;
  /// For each term -128 (Q8_0) or -8 (Q4_0) times the sum of q, which takes back what codes are too
  /// large as bytes without a sign.
  int32_t *offsets;
  float *scales;    ///< One for each term, in [0, 1].
  uint32_t *blocks; ///< The block of each term, in order.
} tk_head_q_0_state;

/// The most terms that blocks can have.
static inline size_t tk_head_q_0_terms(size_t blocks) { return blocks + blocks / 8; }

/// The state at `q`, of which the first 64 bytes hold the number of terms.
static inline tk_head_q_0_state tk_head_q_0_state_at(void *q, size_t columns) {
  const size_t most = tk_head_q_0_terms(columns / TK_HEAD_BLOCK);
  tk_head_q_0_state s = {.q = (int8_t *)q + 64};
  s.offsets = (int32_t *)(void *)(s.q + most * TK_HEAD_BLOCK);
  s.scales = (float *)(void *)(s.offsets + most);
  s.blocks = (uint32_t *)(void *)(s.scales + most);
  uint32_t count;
  memcpy(&count, q, sizeof count);
  s.count = count;
  return s;
}

/// Bytes of a block of a Q_0 head.
static inline size_t tk_head_q_0_bytes(tk_head_type type) {
  return type == TK_HEAD_Q4_0 ? TK_HEAD_Q4_0_BYTES : TK_HEAD_Q8_0_BYTES;
}

/// Row `row` of a Q_0 head.
static inline const uint8_t *tk_head_q_0_row(const tk_head *h, size_t row) {
  return h->codes + row * (h->columns / TK_HEAD_BLOCK * tk_head_q_0_bytes(h->type));
}

/// Code `i` of a block.
static inline int tk_head_q_0_code(tk_head_type type, const uint8_t *block, size_t i) {
  const uint8_t *codes = block + TK_HEAD_Q_0_CODES;
  if (type == TK_HEAD_Q8_0) {
    return (int8_t)codes[i];
  }
  return (i < 16 ? codes[i] & 15 : codes[i - 16] >> 4) - 8;
}

/// The float16 at `p` as a float.
static inline float tk_head_half(const uint8_t *p) {
  return tk_half_to_float((uint16_t)(p[0] | p[1] << 8));
}

/// A float that is not below x.
static inline float tk_head_round_up(double x) {
  const float f = (float)x;
  return (double)f < x ? nextafterf(f, INFINITY) : f;
}

/// The largest magnitude; NaN if there is one.
static inline float tk_head_largest(const float *x, size_t n) {
  float largest = 0.0f;
  for (size_t i = 0; i < n; i++) {
    const float a = fabsf(x[i]);
    if (a != a) {
      return a;
    }
    largest = a > largest ? a : largest;
  }
  return largest;
}

/// Row `row` of a Q6_K head.
static inline const uint8_t *tk_head_q6_k_row(const tk_head *h, size_t row) {
  return h->codes + row * (h->columns / TK_HEAD_Q6_K_COLUMNS * TK_HEAD_Q6_K_BYTES);
}

/// The largest magnitude of an int16 activation: 127 * limit * columns < 2^31, so that no sum of
/// products overflows, in whatever order it is added; and at most 127 * 256, so that the upper
/// byte, rounded, is an int8 (head_neon_dotprod.c).
static inline int32_t tk_head_limit(size_t columns) {
  const int64_t limit = INT32_MAX / (127 * (int64_t)columns);
  return limit < 127 * 256 ? (int32_t)limit : 127 * 256;
}

/// Writes up to `count` of a tile's scores, INT8.
static inline void tk_head_int8_store(const tk_head *h, const int32_t *sums, float scale,
                                      size_t row, size_t count, float *scores) {
  for (size_t r = 0; r < TK_HEAD_INT8_ROWS && r < count; r++) {
    scores[r] = (float)sums[r] * (h->scales[row + r] * scale);
  }
}

#endif
