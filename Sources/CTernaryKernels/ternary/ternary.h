// Private: the families of ternary kernels, and what they agree on. Shapes and ranges that are not
// said here are those of the public calls of the same names (CTernaryKernels.h).
//
// Kernels multiply unsigned codes trit + 1 and subtract the sum of the activations at the end:
// sum((t + 1) q) - sum(q) = sum(t q). With |q| <= 127 and columns <= TK_MAX_COLUMNS = 2^23 the
// first sum is at most 2 * 127 * 2^23 = 2130706432 < 2^31.

#ifndef TK_TERNARY_H
#define TK_TERNARY_H

#include "limits/prefetch.h"
#include "ternary/layout.h"

#include <string.h>

/// What becomes of the sums of a few rows for a few tokens.
typedef struct tk_tile_end {
  size_t rows, tokens; ///< To write.
  const int32_t *sums; ///< Of the tokens' activations; NULL where they were subtracted before.
  const float *scales; ///< Of the tokens; NULL where more columns follow: y stays int32.
  const float *beta;   ///< Of the rows, as of tk_dequantize.
  size_t beta_stride;
} tk_tile_end;

/// What happens to activations around a product.
typedef struct tk_activation_kernels {
  float (*quantize)(const float *x, size_t n, int8_t *q, int32_t *sum);
  void (*dequantize)(const int32_t *acc, size_t n, float scale, const float *beta,
                     size_t beta_stride, float *y);
  /// Begins y with the sums out[t * tile + r] less those of the activations, or adds them to what
  /// is there, and makes floats of the result if no columns follow.
  void (*finish)(const int32_t *out, size_t tile, const tk_tile_end *end, int32_t *y,
                 size_t y_stride);
} tk_activation_kernels;

extern const tk_activation_kernels tk_activations_scalar, tk_activations_avx2,
    tk_activations_avx512, tk_activations_neon;

/// GEMV of one layout.
typedef struct tk_gemv_kernels {
  void (*gemv)(const tk_matrix *w, const int8_t *q, int32_t sum, size_t block_begin,
               size_t block_end, size_t row_begin, size_t row_end, int32_t *y);
} tk_gemv_kernels;

extern const tk_gemv_kernels tk_gemv_scalar;
extern const tk_gemv_kernels tk_gemv_t2_avx2, tk_gemv_t5_avx2, tk_gemv_l2_avx2;
extern const tk_gemv_kernels tk_gemv_t2_avxvnni, tk_gemv_t5_avxvnni;
extern const tk_gemv_kernels tk_gemv_t2_avx512_vnni, tk_gemv_t5_avx512_vnni;
extern const tk_gemv_kernels tk_gemv_t5_avx512, tk_gemv_l2_avx512;
extern const tk_gemv_kernels tk_gemv_t2_neon, tk_gemv_t5_neon, tk_gemv_l2_neon;
extern const tk_gemv_kernels tk_gemv_t2_neon_dotprod, tk_gemv_t5_neon_dotprod;

/// GEMM of one layout for a few activation rows, which use the codes while they are in registers.
typedef struct tk_gemm_small_kernels {
  /// `batch` is in [1, TK_SMALL_BATCH]; scalar takes any.
  void (*gemm)(const tk_matrix *w, const int8_t *q, size_t q_stride, const int32_t *sums,
               size_t batch, size_t row_begin, size_t row_end, int32_t *y, size_t y_stride);
} tk_gemm_small_kernels;

extern const tk_gemm_small_kernels tk_gemm_small_scalar;
extern const tk_gemm_small_kernels tk_gemm_small_t2_avx2, tk_gemm_small_t5_avx2;
extern const tk_gemm_small_kernels tk_gemm_small_t2_avxvnni, tk_gemm_small_t5_avxvnni;
extern const tk_gemm_small_kernels tk_gemm_small_t2_avx512_vnni, tk_gemm_small_t5_avx512_vnni;
extern const tk_gemm_small_kernels tk_gemm_small_t5_avx512;
extern const tk_gemm_small_kernels tk_gemm_small_t2_neon, tk_gemm_small_t5_neon;
extern const tk_gemm_small_kernels tk_gemm_small_t2_neon_dotprod, tk_gemm_small_t5_neon_dotprod;

/// Writes the codes trit + 1 of `blocks` blocks of TK_TILE_ROWS rows, the first of which begins at
/// `tile`, in column order: row r of the tile starts at codes + r * TK_PANEL_COLUMNS.
typedef void tk_gemm_unpack(const uint8_t *tile, size_t blocks, uint8_t *codes);
/// out[t * rows + r] = sum of codes[r][c] * q[t * q_stride + c] over c in [0, columns); columns is
/// a multiple of 32 up to the panel's, t in [0, tokens), r in [0, rows).
typedef void tk_gemm_multiply(const uint8_t *codes, size_t columns, const int8_t *q,
                              size_t q_stride, size_t tokens, int32_t *out);

typedef struct tk_gemm_kernels tk_gemm_kernels;

/// A GEMM that goes through a matrix in an order of its own.
typedef struct tk_gemm_product {
  /// tk_gemm for as many of the first activation rows as are returned, with `scratch_size` bytes of
  /// scratch. `k` is whose product this is.
  size_t (*multiply)(const tk_gemm_kernels *k, const tk_matrix *w, const int8_t *q, size_t q_stride,
                     const int32_t *sums, size_t batch, size_t row_begin, size_t row_end,
                     int32_t *y, size_t y_stride, void *scratch);
  size_t (*scratch_size)(const tk_matrix *w);
  /// What it best takes at a time; SIZE_MAX where there is no limit.
  size_t rows, tokens;
  /// Fewer rows or activation rows are left to the panels.
  size_t least_rows, least_tokens;
} tk_gemm_product;

/// GEMM of one layout by panels of unpacked codes; tk_gemm_panels() goes through them. Most
/// instruction sets keep the codes of a row together and multiply one tile at a time; those with
/// wider tiles set `unpack_panel` instead of `unpack`. One whose `product` takes every batch needs
/// no functions for panels.
struct tk_gemm_kernels {
  /// The fewest activation rows for which these kernels are meant: fewer go to the set below.
  size_t least_batch;
  /// The most activation rows for which tk_gemm_small_kernels are faster.
  size_t small_batch;
  /// The most tokens `multiply` takes, at most TK_MAX_TOKENS.
  size_t tokens;
  /// Rows that `multiply` takes: TK_TILE_ROWS, or with `unpack_panel` up to TK_MAX_PANEL_ROWS.
  size_t rows;
  tk_gemm_unpack *unpack;
  /// Writes the codes of `tiles` tiles, each tile_stride bytes after the one before, in whatever
  /// order `multiply` reads. `tiles` is less than `rows` needs at the end of a matrix, where all
  /// other codes may be anything.
  void (*unpack_panel)(const uint8_t *tile, size_t tile_stride, size_t tiles, size_t blocks,
                       uint8_t *codes);
  tk_gemm_multiply *multiply;
  const tk_gemm_product *product; ///< Used before the panels, if there is one.
};

extern const tk_gemm_kernels tk_gemm_scalar;
extern const tk_gemm_kernels tk_gemm_t2_avx2, tk_gemm_t5_avx2, tk_gemm_l2_avx2;
extern const tk_gemm_kernels tk_gemm_t2_avxvnni, tk_gemm_t5_avxvnni, tk_gemm_l2_avxvnni;
extern const tk_gemm_kernels tk_gemm_t2_avx512_vnni, tk_gemm_t5_avx512_vnni;
extern const tk_gemm_kernels tk_gemm_t5_avx512;
extern const tk_gemm_kernels tk_gemm_t2_amx, tk_gemm_t5_amx;
extern const tk_gemm_kernels tk_gemm_t2_neon, tk_gemm_t5_neon, tk_gemm_l2_neon;
extern const tk_gemm_kernels tk_gemm_t2_neon_dotprod, tk_gemm_t5_neon_dotprod;
extern const tk_gemm_kernels tk_gemm_l2_neon_dotprod;
extern const tk_gemm_kernels tk_gemm_t2_neon_i8mm, tk_gemm_t5_neon_i8mm;
extern const tk_gemm_product tk_gemm_lut_avx2;

enum {
  // Fields of 32 columns in a block of a layout in tiles: T2 has 2 bits of each in a byte.
  TK_T2_FIELDS = TK_T2_COLUMNS / TK_BLOCK_BYTES,
  TK_T5_FIELDS = TK_T5_COLUMNS / TK_BLOCK_BYTES,

  TK_SMALL_BATCH = 8, ///< The most activation rows that tk_gemm_small_kernels take.
  // GEMM works on panels of unpacked codes: 8 rows x 2048 columns = 16 KiB, half of the smallest
  // level 1 cache in use, beside three activation rows of 2 KiB each. 2048 columns are also as many
  // as 16-bit sums can take (see gemm_avx2.c).
  TK_PANEL_ROWS = 8,
  TK_PANEL_COLUMNS = 2048,
  // Activation rows swept per panel: 128 x 2 KiB = 256 KiB, which stays in a level 2 cache.
  TK_PANEL_TOKENS = 128,
  // Where panels have 32 rows the CPU has AVX-512 and 1 MiB of level 2 or more, which holds 80 KiB
  // of codes and 256 activation rows of 2.5 KiB. The sums of a matrix of one range stay in
  // registers.
  TK_WIDE_PANEL_COLUMNS = 2560,
  TK_WIDE_PANEL_TOKENS = 256,
  TK_MAX_TOKENS = 10,     ///< The most tokens an instruction set multiplies at once.
  TK_MAX_PANEL_ROWS = 32, ///< The most rows an instruction set multiplies at once.
  TK_MAX_PANEL_BYTES = TK_MAX_PANEL_ROWS * TK_WIDE_PANEL_COLUMNS,
};

/// The bits of 1e-5f, the least that activations are divided by.
enum { TK_LEAST_MAGNITUDE_BITS = 0x3727C5AC };

/// What activations are multiplied by whose largest magnitude has these bits: torch's `127 / a`,
/// which is a reciprocal, then a product, each rounded. Rounding once flips int8 ties against
/// transformers. NaN where there is one, 0 where there is an infinity.
static inline float tk_activation_scale(uint32_t largest) {
  float a;
  memcpy(&a, &largest, sizeof a);
  return largest > 0x7f800000 ? __builtin_nanf("") : (1.0f / a) * 127.0f;
}

/// What a weight adds to a sum: the activation, its negative, or nothing. The scalar kernels only
/// add and subtract.
static inline int32_t tk_term(int8_t trit, int8_t q) { return trit > 0 ? q : trit < 0 ? -q : 0; }

/// tk_gemm_scaled by panels, or tk_gemm where there is no `scaling`.
void tk_gemm_panels(const tk_gemm_kernels *k, const tk_activation_kernels *activations,
                    const tk_matrix *w, const int8_t *q, size_t q_stride, const int32_t *sums,
                    const tk_scaling *scaling, size_t batch, size_t row_begin, size_t row_end,
                    int32_t *y, size_t y_stride, void *scratch);
/// tk_dequantize of the sums of every token, where they lie.
void tk_scale_tokens(const tk_activation_kernels *activations, const tk_scaling *scaling,
                     size_t tokens, size_t rows, int32_t *y, size_t y_stride);
/// tk_gemm_sweep by panels.
size_t tk_gemm_panels_sweep(const tk_gemm_kernels *k, size_t batch, size_t threads);
/// tk_gemm_panel_rows by panels.
size_t tk_gemm_panels_rows(const tk_gemm_kernels *k, size_t rows, size_t batch, size_t threads);
/// `unpack` of L2, which is made for GEMV: its bytes are only taken apart.
tk_gemm_unpack tk_gemm_unpack_l2;

#endif
