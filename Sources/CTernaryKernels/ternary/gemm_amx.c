// Ternary GEMM with AMX: 32 rows x 32 tokens in four tiles of sums (tiles_amx.h), over the panels
// that the AVX-512 kernels unpack (gemm_avx512.h). 16 groups of four columns of such a panel are
// the tiles B0 and B1 side by side; the activations are A as they lie:
//
//   range of columns > 256 rows (unpack) > 32 tokens > 32 rows (multiply) > 64 columns
//
// A block of 256 rows x 2560 columns is 640 KiB of codes, which stay in a level 2 cache of 2 MiB
// while all tokens of a batch pass. Measured on an Emerald Rapids Xeon: 1.0 to 1.15 T products a
// second with unpacking, 75 to 80% of what tiles reached with loads in the same minutes; with 32
// rows x 128 tokens, the order of gemm.c, 0.4 to 0.6 in bad moments.
//
// Up to 16 tokens fill only A0. Then A1 takes the same tokens' next 64 columns, so that four sums
// still hide the latency of the products; they are added at the end.
//
// Blocks of T5 are two and a half steps of 64 columns: the codes of half a step that may be left
// over are 0, whatever activations they meet (of the padding behind them, at most).
//
// Overflow: see ternary.h; tdpbsud does not saturate.

#if defined(__x86_64__) && defined(__linux__)

#include "ternary/ternary.h"
#include "ternary/tiles_amx.h"

#pragma clang attribute push(__attribute__((target(TK_TARGET_AMX))), apply_to = function)

enum {
  PANEL_ROWS = 2 * TK_TILE_HEIGHT,
  TOKENS = 2 * TK_TILE_HEIGHT,
  STEP_COLUMNS = TK_TILE_WIDTH,
  STEP_BYTES = STEP_COLUMNS * PANEL_ROWS, ///< Codes of a panel in one step.
  GROUP_BYTES = 4 * PANEL_ROWS,           ///< Codes of a panel in four columns.
  BLOCK_ROWS = 256,
  RANGE_COLUMNS = 2560,
  /// The fewest tokens for which tiles are taken; fewer go to AVX-512. Not measured at each size:
  /// it is where the peaks of one machine say so. A tile multiplies 16 tokens in the time in which
  /// VNNI (0.33 to 0.38 T products a second) multiplies 3 to 5 (1.3 to 1.95); both read unpacked
  /// codes from 9 tokens on, below which AVX-512 uses them in registers.
  LEAST_TOKENS = TK_SMALL_BATCH + 1,
};

/// The unpacked codes of some rows in a range of columns, and which of the products count.
typedef struct block {
  const uint8_t *codes; ///< Panels of 32 rows, one after the other.
  size_t steps;         ///< Of 64 columns.
  size_t rows;          ///< At least one; others of the last panel are not written.
  bool first;           ///< Whether y is still unwritten.
} block;

static inline size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

// ---------------------------------------------------------------------------------------------
// Tiles
// ---------------------------------------------------------------------------------------------

static inline void store_sums(tk_tiles *t, int32_t *out) {
  tk_tile_store(t, TK_C0, out, TK_TILE_SUM_BYTES);
  tk_tile_store(t, TK_C1, out + TK_TILE_SUMS, TK_TILE_SUM_BYTES);
  tk_tile_store(t, TK_C2, out + 2 * TK_TILE_SUMS, TK_TILE_SUM_BYTES);
  tk_tile_store(t, TK_C3, out + 3 * TK_TILE_SUMS, TK_TILE_SUM_BYTES);
}

static inline void zero_sums(tk_tiles *t) {
  tk_tile_zero(t, TK_C0);
  tk_tile_zero(t, TK_C1);
  tk_tile_zero(t, TK_C2);
  tk_tile_zero(t, TK_C3);
}

/// A panel times 17 to 32 tokens: C0 and C1 are the first 16 tokens, C2 and C3 the others.
static void multiply_two(tk_tiles *t, const uint8_t *codes, size_t steps, const int8_t *q,
                         size_t q_stride, int32_t *out) {
  const int8_t *second = q + TK_TILE_HEIGHT * q_stride;
  zero_sums(t);
  for (size_t s = 0; s < steps; s++) {
    tk_tile_load(t, TK_A0, q + s * STEP_COLUMNS, q_stride);
    tk_tile_load(t, TK_B0, codes + s * STEP_BYTES, GROUP_BYTES);
    tk_tile_dot(t, TK_C0);
    tk_tile_load(t, TK_B1, codes + s * STEP_BYTES + GROUP_BYTES / 2, GROUP_BYTES);
    tk_tile_dot(t, TK_C1);
    tk_tile_load(t, TK_A1, second + s * STEP_COLUMNS, q_stride);
    tk_tile_dot(t, TK_C2);
    tk_tile_dot(t, TK_C3);
  }
  store_sums(t, out);
}

/// A panel times 1 to 16 tokens: C0 and C1 are the even steps, C2 and C3 the odd ones.
static void multiply_one(tk_tiles *t, const uint8_t *codes, size_t steps, const int8_t *q,
                         size_t q_stride, int32_t *out) {
  zero_sums(t);
  for (size_t s = 0; s < steps; s++) {
    tk_tile_load(t, TK_A0, q + s * STEP_COLUMNS, q_stride);
    tk_tile_load(t, TK_B0, codes + s * STEP_BYTES, GROUP_BYTES);
    tk_tile_dot(t, TK_C0);
    tk_tile_load(t, TK_B1, codes + s * STEP_BYTES + GROUP_BYTES / 2, GROUP_BYTES);
    tk_tile_dot(t, TK_C1);
    if (++s == steps) {
      break;
    }
    tk_tile_load(t, TK_A1, q + s * STEP_COLUMNS, q_stride);
    tk_tile_load(t, TK_B0, codes + s * STEP_BYTES, GROUP_BYTES);
    tk_tile_dot(t, TK_C2);
    tk_tile_load(t, TK_B1, codes + s * STEP_BYTES + GROUP_BYTES / 2, GROUP_BYTES);
    tk_tile_dot(t, TK_C3);
  }
  store_sums(t, out);
}

// ---------------------------------------------------------------------------------------------
// From tiles to y
// ---------------------------------------------------------------------------------------------

/// Adds one token's products to y, or starts y with them minus the sum of the activations.
static inline void add_token(__m512i low, __m512i high, size_t rows, bool first, int32_t sum,
                             int32_t *y) {
  const uint32_t all = rows >= PANEL_ROWS ? UINT32_MAX : (1u << rows) - 1;
  const __mmask16 present_low = (__mmask16)all, present_high = (__mmask16)(all >> 16);
  __m512i before_low = _mm512_set1_epi32(-sum), before_high = before_low;
  if (!first) {
    before_low = _mm512_maskz_loadu_epi32(present_low, y);
    before_high = _mm512_maskz_loadu_epi32(present_high, y + 16);
  }
  _mm512_mask_storeu_epi32(y, present_low, _mm512_add_epi32(before_low, low));
  _mm512_mask_storeu_epi32(y + 16, present_high, _mm512_add_epi32(before_high, high));
}

/// `out` holds C0 to C3 as multiply_two and multiply_one leave them; `rows` are those to write.
static void add_products(const int32_t *out, size_t rows, bool first, const int32_t *sums,
                         size_t tokens, int32_t *y, size_t y_stride) {
  for (size_t i = 0; i < tokens; i++, y += y_stride) {
    const int32_t *from = out + i / TK_TILE_HEIGHT * 2 * TK_TILE_SUMS;
    from += i % TK_TILE_HEIGHT * TK_TILE_INTS;
    __m512i low = _mm512_load_si512(from), high = _mm512_load_si512(from + TK_TILE_SUMS);
    if (tokens <= TK_TILE_HEIGHT) {
      low = _mm512_add_epi32(low, _mm512_load_si512(from + 2 * TK_TILE_SUMS));
      high = _mm512_add_epi32(high, _mm512_load_si512(from + 3 * TK_TILE_SUMS));
    }
    add_token(low, high, rows, first, sums[i], y);
  }
}

// ---------------------------------------------------------------------------------------------
// The product
// ---------------------------------------------------------------------------------------------

/// A block times all tokens.
static void sweep(tk_tiles *tiles, const block *b, const int8_t *q, size_t q_stride,
                  const int32_t *sums, size_t batch, int32_t *y, size_t y_stride) {
  _Alignas(64) int32_t out[4 * TK_TILE_SUMS];
  for (size_t t = 0; t < batch; t += TOKENS) {
    const size_t tokens = smaller(batch - t, TOKENS);
    const bool is_one = tokens <= TK_TILE_HEIGHT;
    tk_tiles_configure(tiles, is_one ? tokens : TK_TILE_HEIGHT,
                       is_one ? tokens : tokens - TK_TILE_HEIGHT);
    const int8_t *x = q + t * q_stride;
    for (size_t r = 0; r < b->rows; r += PANEL_ROWS) {
      const uint8_t *codes = b->codes + r * b->steps * STEP_COLUMNS;
      if (is_one) {
        multiply_one(tiles, codes, b->steps, x, q_stride, out);
      } else {
        multiply_two(tiles, codes, b->steps, x, q_stride, out);
      }
      add_products(out, smaller(b->rows - r, PANEL_ROWS), b->first, sums + t, tokens,
                   y + t * y_stride + r, y_stride);
    }
  }
}

/// Blocks of columns in a range: ranges of about equal size, all but the last of whole steps.
static size_t range_blocks(const tk_matrix *w) {
  const size_t width = tk_describe(w->layout).columns;
  const size_t blocks = tk_block_count(w->layout, w->columns);
  const size_t most = RANGE_COLUMNS / width;
  const size_t ranges = (blocks + most - 1) / most;
  const size_t each = ranges > 0 ? (blocks + ranges - 1) / ranges : 0;
  const size_t whole = width % STEP_COLUMNS == 0 ? 1 : 2;
  return (each + whole - 1) / whole * whole;
}

_Static_assert(TK_T5_COLUMNS * 2 % STEP_COLUMNS == 0 && TK_T2_COLUMNS % STEP_COLUMNS == 0 &&
                   RANGE_COLUMNS / TK_T5_COLUMNS % 2 == 0,
               "two blocks are whole steps, and a range is no larger for that");
_Static_assert(TK_MOST_COLUMNS - 1 + STEP_COLUMNS / 2 <= TK_ACTIVATION_PADDING,
               "there are activations for the padding of a block and half a step more");

static size_t steps_of(size_t columns) { return (columns + STEP_COLUMNS - 1) / STEP_COLUMNS; }

/// Writes the codes of `rows` rows from `row` on, in `count` blocks from `first` on, as panels.
static void unpack(const tk_gemm_kernels *avx512, const tk_matrix *w, size_t row, size_t rows,
                   size_t first, size_t count, uint8_t *codes) {
  const size_t stride = tk_block_count(w->layout, w->columns) * TK_TILE_BYTES;
  const size_t columns = count * tk_describe(w->layout).columns;
  const size_t missing = steps_of(columns) * STEP_COLUMNS - columns;
  for (size_t r = 0; r < rows; r += PANEL_ROWS) {
    const size_t tiles = (smaller(rows - r, PANEL_ROWS) + TK_TILE_ROWS - 1) / TK_TILE_ROWS;
    avx512->unpack_panel(tk_packed_row(w, row + r) + first * TK_TILE_BYTES, stride, tiles, count,
                         codes);
    codes += columns * PANEL_ROWS;
    memset(codes, 0, missing * PANEL_ROWS);
    codes += missing * PANEL_ROWS;
  }
}

static size_t product(const tk_gemm_kernels *k, const tk_matrix *w, const int8_t *q,
                      size_t q_stride, const int32_t *sums, size_t batch, size_t row_begin,
                      size_t row_end, int32_t *y, size_t y_stride, void *scratch) {
  (void)k; // has no panels of its own
  const tk_gemm_kernels *avx512 =
      w->layout == TK_LAYOUT_T2 ? &tk_gemm_t2_avx512_vnni : &tk_gemm_t5_avx512;
  const size_t width = tk_describe(w->layout).columns;
  const size_t blocks = tk_block_count(w->layout, w->columns), range = range_blocks(w);
  // One group of tokens reads codes once: from a level closer than that of 256 rows.
  const size_t height = batch <= TOKENS ? PANEL_ROWS : BLOCK_ROWS;
  tk_tiles tiles = {0};
  for (size_t first = 0; first < blocks; first += range) {
    const size_t count = smaller(blocks - first, range);
    for (size_t r = row_begin; r < row_end; r += height) {
      const block b = {scratch, steps_of(count * width), smaller(row_end - r, height), first == 0};
      unpack(avx512, w, r, b.rows, first, count, scratch);
      sweep(&tiles, &b, q + first * width, q_stride, sums, batch, y + r - row_begin, y_stride);
    }
  }
  tk_tiles_release(&tiles);
  return batch;
}

static size_t scratch_size(const tk_matrix *w) {
  const size_t rows = smaller((w->rows + PANEL_ROWS - 1) / PANEL_ROWS * PANEL_ROWS, BLOCK_ROWS);
  return rows * steps_of(range_blocks(w) * tk_describe(w->layout).columns) * STEP_COLUMNS;
}

static const tk_gemm_product amx = {
    .multiply = product,
    .scratch_size = scratch_size,
    .rows = PANEL_ROWS,
    .tokens = SIZE_MAX,
};

const tk_gemm_kernels tk_gemm_t2_amx = {.least_batch = LEAST_TOKENS, .product = &amx};
const tk_gemm_kernels tk_gemm_t5_amx = {.least_batch = LEAST_TOKENS, .product = &amx};

#pragma clang attribute pop

#endif
