// CTernaryKernels: ternary (1.58-bit) matrix products and the float steps around them.
//
// Weights are trits {-1, 0, +1}, activations are int8 with one absmax scale per token, sums are
// int32. Integer results are exact: every instruction set equals `scalar` bit for bit. Float steps
// use one fixed order (see "Float order") and are bit-identical on every instruction set too.
//
// The library allocates nothing, starts no threads and does no I/O. The caller owns all memory and
// splits work by row ranges, and by tokens. Unless said otherwise pointers must not alias, need no
// alignment beyond their type, and must stay valid for the call only.

#ifndef C_TERNARY_KERNELS_H
#define C_TERNARY_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

// ---------------------------------------------------------------------------------------------
// Kernel sets
// ---------------------------------------------------------------------------------------------

/// One implementation of every kernel for one instruction set ("avx2", "neon", "scalar", ...).
typedef struct tk_kernels tk_kernels;

/// Number of kernel sets compiled in; set 0 is the fastest, the last one is "scalar".
size_t tk_kernel_set_count(void);
/// Kernel set `index`, in [0, tk_kernel_set_count()).
const tk_kernels *tk_kernel_set(size_t index);
/// Name of a set, static.
const char *tk_kernel_set_name(const tk_kernels *k);
/// NULL where this CPU and operating system claim to support the set, else a static string that
/// says what is missing.
///
/// Asking for "amx" asks Linux for the tile registers, which it gives to a whole process only on
/// demand (arch_prctl with ARCH_REQ_XCOMP_PERM) and for good: all threads have them then, and the
/// frames that signals lay on stacks grow by 8 KiB. Asking again costs a system call and changes
/// nothing.
const char *_Nullable tk_kernel_set_obstacle(const tk_kernels *k);
/// Whether there is no obstacle.
bool tk_kernel_set_supported(const tk_kernels *k);
/// Runs every kernel of `k` on small inputs and compares with scalar, bit for bit. Returns NULL on
/// agreement, else a static string that names the kernel that disagrees. Call only when supported.
const char *_Nullable tk_self_test(const tk_kernels *k);

/// Tells the core that this is a spin-wait loop.
static inline void tk_spin_hint(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// ---------------------------------------------------------------------------------------------
// Packed ternary matrices
// ---------------------------------------------------------------------------------------------

/// How trits lie in memory for the kernels: rows padded to a whole tile or panel, columns to a
/// whole block, padding trits 0. ternary/layout.h has the pictures.
typedef enum tk_layout {
  /// 2 bits per weight, in tiles of TK_TILE_ROWS rows and blocks of 128 columns.
  TK_LAYOUT_T2 = 0,
  /// 1.6 bits per weight, five trits a byte, in tiles of TK_TILE_ROWS rows and blocks of 160
  /// columns.
  TK_LAYOUT_T5 = 1,
  /// 2 bits per weight, for look-ups of activation sums: panels of 32 rows, blocks of 128 columns.
  TK_LAYOUT_L2 = 2,
} tk_layout;

enum {
  TK_LAYOUT_COUNT = 3,
  TK_TILE_ROWS = 4,
  /// Zero bytes that must follow every quantised activation row (tk_quantize writes them).
  TK_ACTIVATION_PADDING = 320,
  /// Columns a kernel accepts: the int32 sum of 127 * columns, with room to spare.
  TK_MAX_COLUMNS = 1 << 23,
  /// Floats must be readable (and are treated as data) up to a multiple of this many elements.
  TK_FLOAT_LANES = 16,
};

/// A packed matrix W[rows, columns]. `data` is 64-byte aligned, tk_packed_size() bytes.
typedef struct tk_matrix {
  const uint8_t *data;
  size_t rows;
  size_t columns;
  tk_layout layout;
} tk_matrix;

/// "T2", "T5" or "L2", static.
const char *tk_layout_name(tk_layout layout);
/// Columns in one block: 128, of T5 160.
size_t tk_block_columns(tk_layout layout);
/// Activation rows up to which tk_gemm is one tk_gemv for each of them; 0 where it never is.
size_t tk_gemv_batch(tk_layout layout);
/// Bytes of a packed matrix (always a multiple of 128).
size_t tk_packed_size(tk_layout layout, size_t rows, size_t columns);
/// Packs rows [row_begin, row_end) of a matrix of `rows` x `columns` into `packed`, which is the
/// start of the whole packed matrix. `trits` is row-major and starts at row_begin. row_begin is a
/// multiple of TK_TILE_ROWS; row_end is too, or equals `rows` (then padding rows are written).
void tk_pack(tk_layout layout, const int8_t *trits, size_t rows, size_t columns, size_t row_begin,
             size_t row_end, uint8_t *packed);
/// Inverse of tk_pack for any row range: writes (row_end - row_begin) * w->columns trits.
void tk_unpack(const tk_matrix *w, size_t row_begin, size_t row_end, int8_t *trits);
/// zero[r] = whether all trits of row r are 0, for all rows.
void tk_zero_rows(const tk_matrix *w, bool *zero);
/// Packs rows [begin, end) of the matrix of `count` rows that consists of rows[0], rows[1], ... of
/// `w`, in the same layout; `packed` is the start of the whole packed matrix. `begin` is a multiple
/// of the rows that lie together (32 is, of every layout); `end` is too, or equals `count`.
void tk_keep_rows(const tk_matrix *w, const int32_t *rows, size_t count, size_t begin, size_t end,
                  uint8_t *packed);

// ---------------------------------------------------------------------------------------------
// Activations
// ---------------------------------------------------------------------------------------------

/// Quantises one row of activations to int8:
///   a = max(max|x|, 1e-5), scale = (1 / a) * 127, q = clamp(round_half_even(x * scale), -127, 127)
/// in float32, the scale rounded twice as torch rounds `127 / a`.
/// Writes n values and TK_ACTIVATION_PADDING zeros to `q`, the sum of q to `*sum`; returns scale.
/// n <= TK_MAX_COLUMNS. The scale is
/// 0 where x has an infinity and NaN where it has a NaN; q is of no use then.
float tk_quantize(const tk_kernels *k, const float *x, size_t n, int8_t *q, int32_t *sum);

/// Sum of n int8, n <= TK_MAX_COLUMNS: what tk_gemv needs for a range of blocks.
int32_t tk_sum(const int8_t *x, size_t n);

/// The largest magnitude among n floats, 0 where there are none; a NaN counts as larger than
/// infinity and is returned.
float tk_largest_magnitude(const float *x, size_t n);

/// y[i] = (float)(acc[i] * (beta[i * beta_stride] / scale)), i in [0, n), in double and rounded
/// once. beta_stride is 0 (one scale per tensor) or 1 (one per row). y may alias acc.
void tk_dequantize(const tk_kernels *k, const int32_t *acc, size_t n, float scale,
                   const float *beta, size_t beta_stride, float *y);

// ---------------------------------------------------------------------------------------------
// Ternary products
// ---------------------------------------------------------------------------------------------

/// GEMV over a range of rows and of column blocks:
///   y[r - row_begin] = sum over columns of blocks [block_begin, block_end) of W[r, c] * q[c].
/// `q` points to the first column of the WHOLE row, as tk_quantize wrote it (padding included).
/// `sum` is the sum of q over exactly those blocks' columns (for all blocks: tk_quantize's sum).
/// row_begin is a multiple of TK_TILE_ROWS; row_end is too, or equals w->rows.
void tk_gemv(const tk_kernels *k, const tk_matrix *w, const int8_t *q, int32_t sum,
             size_t block_begin, size_t block_end, size_t row_begin, size_t row_end, int32_t *y);

/// GEMM: y[t * y_stride + r - row_begin] = sum_c W[r, c] * q[t * q_stride + c] for t in [0, batch).
/// Every row of q is as tk_quantize wrote it; q_stride >= columns + TK_ACTIVATION_PADDING.
/// `scratch` has tk_gemm_scratch_size(k, w) bytes, 64-byte aligned, one per thread.
void tk_gemm(const tk_kernels *k, const tk_matrix *w, const int8_t *q, size_t q_stride,
             const int32_t *sums, size_t batch, size_t row_begin, size_t row_end, int32_t *y,
             size_t y_stride, void *scratch);
size_t tk_gemm_scratch_size(const tk_kernels *k, const tk_matrix *w);
/// How a batch is best split between threads, or done one part after the other: in parts of up to
/// so many activation rows, for which the codes of a panel are taken apart once.
size_t tk_gemm_sweep(const tk_kernels *k, const tk_matrix *w, size_t batch, size_t threads);
/// Rows that tk_gemm best takes at a time for so many activation rows, where so many threads share
/// the rows; TK_TILE_ROWS where it does not matter. Of panels, a range that ends inside one costs
/// as much as one that ends with it.
size_t tk_gemm_panel_rows(const tk_kernels *k, const tk_matrix *w, size_t batch, size_t threads);

/// What makes numbers of the sums of several activation rows: tk_dequantize's scale of each, and
/// its factors of the rows of the matrix from row_begin on.
typedef struct tk_scaling {
  const float *scales; ///< One for each activation row.
  const float *beta;
  size_t beta_stride; ///< 0 or 1.
} tk_scaling;

/// tk_gemm and tk_dequantize of every row in one; the sums need not pass through memory. Where they
/// do, they are int32 in the memory of y.
void tk_gemm_scaled(const tk_kernels *k, const tk_matrix *w, const int8_t *q, size_t q_stride,
                    const int32_t *sums, const tk_scaling *scaling, size_t batch, size_t row_begin,
                    size_t row_end, float *y, size_t y_stride, void *scratch);

// ---------------------------------------------------------------------------------------------
// Products that skip zeros
//
// Behind a squared ReLU most neurons of a feed-forward layer are 0. Rows of `up` whose gate is 0
// and columns of `down` whose input is 0 need not be read: sums stay the same, exactly.
// ---------------------------------------------------------------------------------------------

/// A packed ternary matrix of which single rows, or single columns, can be left out. A strand is
/// one row or one column, and contiguous: the blocks of its layout one after the other, padded with
/// zeros to whole blocks. `data` is 64-byte aligned, tk_strands_size() bytes.
typedef struct tk_strands {
  const uint8_t *data;
  size_t count;     ///< Strands: rows of a matrix held by rows, columns of one held by columns.
  size_t length;    ///< Trits of a strand.
  tk_layout layout; ///< TK_LAYOUT_T2 or TK_LAYOUT_T5.
} tk_strands;

/// Bytes of `count` strands of `length` trits.
size_t tk_strands_size(tk_layout layout, size_t count, size_t length);
/// Packs rows [row_begin, row_end) of W[rows, columns] by rows. `trits` is row-major and starts at
/// row_begin, `packed` is the start of all strands.
void tk_pack_rows(tk_layout layout, const int8_t *trits, size_t columns, size_t row_begin,
                  size_t row_end, uint8_t *packed);
/// Packs rows [row_begin, row_end) of W[rows, columns] by columns: a part of every strand.
/// row_begin is a multiple of tk_block_columns(layout); row_end is too, or equals `rows`.
void tk_pack_columns(tk_layout layout, const int8_t *trits, size_t rows, size_t columns,
                     size_t row_begin, size_t row_end, uint8_t *packed);
/// Inverses of the two, for any range of rows: write (row_end - row_begin) rows of W, row-major.
void tk_unpack_rows(const tk_strands *w, size_t row_begin, size_t row_end, int8_t *trits);
void tk_unpack_columns(const tk_strands *w, size_t row_begin, size_t row_end, int8_t *trits);

/// Elements that a list of n indices must have room for: kernels write whole vectors.
size_t tk_list_size(size_t n);
/// Writes the indices, ascending, of those x[i] that are not <= 0 (NaN counts) and returns how
/// many. `list` has tk_list_size(n) elements.
size_t tk_active(const tk_kernels *k, const float *x, size_t n, int32_t *list);
/// Writes the indices, ascending, of those q[i] that are not 0 and returns how many. `list` has
/// tk_list_size(n) elements. Reads q up to TK_ACTIVATION_PADDING elements past n.
size_t tk_nonzero(const tk_kernels *k, const int8_t *q, size_t n, int32_t *list);

/// GEMV over some rows of a matrix held by rows, for i in [begin, end):
///   y[list[i]] = sum_c W[list[i], c] * q[c],  or, where list is NULL, y[i] = sum_c W[i, c] * q[c].
/// `q` and `sum` are as tk_quantize wrote them; other elements of y are not touched.
void tk_gemv_rows(const tk_kernels *k, const tk_strands *w, const int8_t *q, int32_t sum,
                  const int32_t *_Nullable list, size_t begin, size_t end, int32_t *y);
/// GEMV over some columns of a matrix held by columns: for r in [row_begin, row_end),
///   y[r - row_begin] = sum over i in [0, count) of W[r, list[i]] * q[list[i]].
/// Where list is NULL all columns [0, count) are taken. `sum` is the sum of those q. row_begin is a
/// multiple of tk_block_columns(w->layout); row_end is too, or equals w->length.
void tk_gemv_columns(const tk_kernels *k, const tk_strands *w, const int8_t *q, int32_t sum,
                     const int32_t *_Nullable list, size_t count, size_t row_begin, size_t row_end,
                     int32_t *y);

/// Rearranges rows [row_begin, row_end) as a tiled matrix for tk_gemm: `tiles` gets
/// tk_packed_size(layout, row_end - row_begin, columns) bytes. tk_tile_rows keeps the layout and
/// takes any range; tk_tile_columns always writes TK_LAYOUT_T2, and takes ranges as
/// tk_gemv_columns does.
void tk_tile_rows(const tk_strands *w, size_t row_begin, size_t row_end, uint8_t *tiles);
void tk_tile_columns(const tk_kernels *k, const tk_strands *w, size_t row_begin, size_t row_end,
                     uint8_t *tiles);

// ---------------------------------------------------------------------------------------------
// Float order
//
// Sums use 16 virtual lanes: lane l adds elements l, 16 + l, 32 + l, ... in that order with one
// fused multiply-add each; then lanes are added as a fixed tree: s[l] + s[l + 8], then + 4, + 2,
// + 1. Element-wise steps use exactly the operations written here, fused only where `fma` is said.
// Arrays need not be a multiple of 16 long, except where said.
// ---------------------------------------------------------------------------------------------

/// y[i] = (x[i] * r) * weight[i], r = 1 / sqrt(sum(x^2) / n + eps); returns r, which is 0 or NaN
/// where the sum is not finite. y may alias x.
float tk_rms_norm(const tk_kernels *k, const float *x, const float *weight, size_t n, float eps,
                  float *y);

/// Half-split rotary embedding in place for `heads` vectors of `head_dim` floats, `cos` and `sin`
/// of head_dim / 2 values: a = x[i], b = x[i + head_dim / 2];
///   x[i] = fma(a, cos[i], -(b * sin[i])),  x[i + head_dim / 2] = fma(b, cos[i], a * sin[i]).
void tk_rope(const tk_kernels *k, float *x, const float *cos, const float *sin, size_t heads,
             size_t head_dim);

/// y[i] = x[i] + y[i].
void tk_add(const tk_kernels *k, const float *x, size_t n, float *y);

/// out[i] = (max(gate[i], 0) * max(gate[i], 0)) * up[i]. out may alias either input.
void tk_relu2_mul(const tk_kernels *k, const float *gate, const float *up, size_t n, float *out);

/// out[i] = (gate[i] / (1 + exp(-gate[i]))) * up[i] with the library's own exp. out may alias.
void tk_silu_mul(const tk_kernels *k, const float *gate, const float *up, size_t n, float *out);

/// out[i] = (gate[i] / (1 + exp(z))) * up[i] with z = gate[i] * fma(gate[i] * gate[i], b, a) and
/// the library's own exp: GELU in its tanh form, 0.5 x (1 + tanh(k (x + 0.044715 x^3))), k = sqrt(2
/// / pi), since 0.5 (1 + tanh(u)) = 1 / (1 + exp(-2 u)); a = -2 k, b = 0.044715 a. out may alias.
void tk_gelu_mul(const tk_kernels *k, const float *gate, const float *up, size_t n, float *out);

/// y[i] = exp(x[i]); the library's own exp, accurate to 2 ulp on [-87, 88], 0 below, inf above.
void tk_exp(const tk_kernels *k, const float *x, size_t n, float *y);

/// In place softmax of n floats: subtracts the maximum, exp, divides by the sum (fixed order).
void tk_softmax(const tk_kernels *k, float *x, size_t n);

/// IEEE binary16, round half to even both ways.
void tk_f32_to_f16(const tk_kernels *k, const float *x, size_t n, uint16_t *y);
void tk_f16_to_f32(const tk_kernels *k, const uint16_t *x, size_t n, float *y);

/// How a KV cache stores its elements.
typedef enum tk_cache_type { TK_CACHE_F32 = 0, TK_CACHE_F16 = 1, TK_CACHE_INT8 = 2 } tk_cache_type;

/// Keys or values of one KV head: position p is p * stride elements after position 0, at `data`.
typedef struct tk_cache {
  tk_cache_type type;
  const void *data;
  /// A factor for each position of TK_CACHE_INT8, whose elements stand for (float)element *
  /// scales[p], rounded to float32; the other types have none.
  const float *_Nullable scales;
  size_t stride;
} tk_cache;

// Attention of `count` query heads that share one KV head, in three steps:
//   scores = dot(query, keys[p]) * scale     a range of positions at a time
//   e[p] = exp(scores[p] - maximum), total = sum_p e[p]
//   out = (sum_p e[p] * values[p]) / total   a range of dimensions at a time
// How heads are grouped and ranges are cut changes no bit, so that threads can share the positions
// of the first step and the dimensions of the last. Of a head_dim that is no multiple of 8, at most
// TK_RAGGED_HEAD_DIM, the elements of keys and values up to the next multiple are read as well;
// they are finite and change nothing.
enum { TK_RAGGED_HEAD_DIM = 1024 };

/// scores[h * score_stride + p] = dot(queries + h * head_dim, keys[p]) * scale for h in [0, count)
/// and p in [begin, end), in the 16-lane order over head_dim. Writes nothing else.
void tk_attention_scores(const tk_kernels *k, const tk_cache *keys, const float *queries,
                         size_t count, size_t head_dim, float scale, size_t begin, size_t end,
                         float *scores, size_t score_stride);

/// In place x[p] = exp(x[p] - maximum) for the scores of one head; returns their sum in the 16-lane
/// order over p, 1 for no positions.
float tk_attention_weights(const tk_kernels *k, float *x, size_t positions);

/// out[h * head_dim + i] = (sum_p weights[h * weight_stride + p] * values[p][i]) / totals[h] for h
/// in [0, count) and i in [dim_begin, dim_end), multiples of 8 or head_dim; the sum is a chain of
/// fma over p from position 0 upwards, starting from 0. Writes nothing else.
void tk_attention_values(const tk_kernels *k, const tk_cache *values, const float *weights,
                         size_t weight_stride, const float *totals, size_t count, size_t positions,
                         size_t head_dim, size_t dim_begin, size_t dim_end, float *out);

/// Rounds one vector for an int8 cache: returns scale = max|x| / 127 in float32 and writes
/// q[i] = clamp(round_half_even(x[i] / scale), -127, 127), the quotient in float32; all 0 where
/// scale is 0. If an x is not finite the scale is NaN, so that nothing computed from it looks
/// sound.
float tk_quantize_cache(const float *x, size_t n, int8_t *q);

// ---------------------------------------------------------------------------------------------
// Dense matrices: embeddings and LM heads as stored in files
// ---------------------------------------------------------------------------------------------

/// Element types of GGUF tensors, with their GGUF type ids.
typedef enum tk_type {
  TK_F32 = 0,
  TK_F16 = 1,
  TK_Q4_0 = 2,
  TK_Q4_1 = 3,
  TK_Q5_0 = 6,
  TK_Q5_1 = 7,
  TK_Q8_0 = 8,
  TK_Q4_K = 12,
  TK_Q5_K = 13,
  TK_Q6_K = 14,
  TK_IQ4_NL = 20,
  TK_BF16 = 30,
  TK_TQ1_0 = 34,
  TK_TQ2_0 = 35,
  /// Groups of 64 weights; files in which the same id stands for groups of 128 are told apart by
  /// their size, and have an id of our own here.
  TK_Q2_0 = 42,
  TK_Q2_0_128 = 1042,
  /// ik_llama.cpp's ternary types: rows begin with their scale, so that blocks alone mean nothing.
  /// Read by tk_decode_bn and tk_bn_scales, not by tk_decode.
  TK_IQ1_BN = 134,
  TK_IQ2_BN = 135,
  /// Four rows of IQ2_BN, interleaved.
  TK_IQ2_BN_R4 = 335,
} tk_type;

/// Weights per block (1 for F32, F16, BF16; 32; 64; 128; 256) and bytes per block; 0 for an unknown
/// type.
size_t tk_type_block_size(tk_type type);
size_t tk_type_block_bytes(tk_type type);
/// Bytes of a row besides its blocks: the scale of IQ1_BN, IQ2_BN and IQ2_BN_R4, 0 for all others.
size_t tk_type_row_bytes(tk_type type);
/// Decodes n weights (a multiple of the block size) to float32, exactly as ggml does. Does nothing
/// for types whose blocks have no scale.
void tk_decode(tk_type type, const void *data, size_t n, float *y);
/// Whether tk_encode can write `type`: F32, F16, BF16, Q8_0, Q4_0, Q6_K.
bool tk_can_encode(tk_type type);
/// Encodes n floats (a multiple of the block size), like ggml's reference quantisers.
void tk_encode(tk_type type, const float *x, size_t n, void *data);

/// Whether tk_dense_gemv has a kernel for `type`: F32, F16, BF16, Q8_0, Q6_K, Q4_0.
bool tk_can_dense_gemv(tk_type type);
/// y[r - row_begin] = sum_c W[r, c] * x[c] with W decoded to float32 and the 16-lane order.
/// `data` is row-major as in the file (rows of whole blocks); columns is a multiple of 16.
void tk_dense_gemv(const tk_kernels *k, tk_type type, const void *data, size_t columns,
                   const float *x, size_t row_begin, size_t row_end, float *y);

// ---------------------------------------------------------------------------------------------
// Two-stage LM head: a scan of all rows in a small format says which rows of the stored matrix
// can still be among the k largest logits; only those are computed with tk_dense_gemv.
//
//   tk_head_round -> tk_head_scan, tk_head_rank (row ranges, threads) -> the k-th best lower bound
//   -> tk_head_candidates (row ranges) -> tk_dense_gemv for each candidate
// ---------------------------------------------------------------------------------------------

/// How the rows are held for the scan.
typedef enum tk_head_type {
  /// int8 with one scale a row; its bounds are strict.
  TK_HEAD_INT8 = 0,
  /// 4-bit codes with a float16 scale for 32 columns, 4.5 bits a weight; its bounds are
  /// statistical.
  TK_HEAD_INT4 = 1,
  /// The stored matrix itself, where that is Q6_K: no copy, and its bounds are strict.
  TK_HEAD_Q6_K = 2,
  /// The same where it is Q8_0 or Q4_0.
  TK_HEAD_Q8_0 = 3,
  TK_HEAD_Q4_0 = 4,
} tk_head_type;

enum {
  TK_HEAD_COUNT = 5,
  /// Row ranges of scans start at multiples of this.
  TK_HEAD_TILE_ROWS = 8,
};

/// A dense matrix W[rows, columns] as a scan reads it, columns a multiple of 16 (of Q6_K 256, of
/// Q8_0 and Q4_0 32).
typedef struct tk_head {
  tk_head_type type;
  size_t rows;
  size_t columns;
  /// tk_head_size() bytes, 64-byte aligned; of a stored matrix the rows as in the file, anywhere.
  const uint8_t *codes;
  /// `rows` values; NULL but for TK_HEAD_INT8.
  const float *_Nullable scales;
  /// At least the norm of W[r] minus what the codes say; inf: W[r] is not finite or cannot be
  /// coded. NULL where the codes are W.
  const float *_Nullable errors;
  /// At least the norm of W[r]; inf where W[r] is not finite.
  const float *norms;
} tk_head;

/// Bytes of the codes of INT8 and INT4.
size_t tk_head_size(tk_head_type type, size_t rows, size_t columns);
/// Codes rows [row_begin, row_end) as INT8 or INT4, given as floats (row-major, starting at
/// row_begin), into arrays that start at row 0. row_begin is a multiple of TK_HEAD_TILE_ROWS;
/// row_end is too, or is `rows`.
void tk_head_pack(tk_head_type type, const float *w, size_t rows, size_t columns, size_t row_begin,
                  size_t row_end, uint8_t *codes, float *scales, float *errors, float *norms);
/// For Q6_K, Q8_0 and Q4_0: the norms of `rows` stored rows that begin at `data`.
void tk_head_norms(tk_head_type type, const void *data, size_t rows, size_t columns, float *norms);
/// What the codes of one row say: `columns` floats.
void tk_head_decode_row(const tk_head *h, size_t row, float *w);

/// A hidden state rounded for a scan: x is about scale * q, for a stored matrix with more scales
/// (head.h).
typedef struct tk_head_input {
  float scale;    ///< 0 where x is too small, too large or not finite: compute all rows then.
  float norm;     ///< At least the norm of x.
  float residual; ///< At least the norm of x minus what stands for it.
} tk_head_input;

/// Bytes of a rounded state, of any type of scan.
size_t tk_head_input_size(size_t columns);
/// Rounds x to integers in `q`: tk_head_input_size() bytes, 64-byte aligned.
tk_head_input tk_head_round(tk_head_type type, const float *x, size_t columns, void *q);

/// scores[r - row_begin] = what the codes of row r times the rounded state give, in float32:
/// INT8: (float)(integer sum) * (scales[r] * scale). INT4: a chain of fma over the blocks of 32
/// columns, (float)(integer sum) and scale of the block, then times `scale`. Q6_K, Q8_0, Q4_0: the
/// same over their blocks, where the scale of a block is d times that of the state's block; of Q8_0
/// and Q4_0 a block of the state can be the sum of two.
void tk_head_scan(const tk_kernels *k, const tk_head *h, const void *q, float scale,
                  size_t row_begin, size_t row_end, float *scores);

/// How far a logit can be from its score: errors[r] * error + norms[r] * norm + constant.
typedef struct tk_head_margin {
  float error, norm, constant;
} tk_head_margin;

/// A strict margin for what tk_dense_gemv computes, for all but INT4; the derivation is in head.c.
tk_head_margin tk_head_strict_margin(tk_head_type type, const tk_head_input *input, size_t columns);
/// A statistical one: `deviations` standard deviations of a sum of independent rounding errors.
/// `spread` is the root mean square of x, weighted by each column's share of the squared errors.
tk_head_margin tk_head_likely_margin(const tk_head_input *input, size_t columns, float spread,
                                     float deviations);

/// Merges the lower bounds score - margin of rows [row_begin, row_end) into `best`: k values, the
/// largest first (-infinity to begin with). `scores` starts at row_begin.
void tk_head_rank(const tk_head *h, const tk_head_margin *margin, const float *scores,
                  size_t row_begin, size_t row_end, float *best, size_t k);
/// Writes the rows of [row_begin, row_end) whose upper bound score + margin reaches `threshold` to
/// `ids`, in order, and -infinity to all of `scores`, which starts at row_begin. Returns how many.
size_t tk_head_candidates(const tk_head *h, const tk_head_margin *margin, float threshold,
                          size_t row_begin, size_t row_end, float *scores, uint32_t *ids);

// ---------------------------------------------------------------------------------------------
// Ternary interchange formats <-> trits (int8 -1, 0, +1)
// Decoders return -1, or the index of the first invalid code (e.g. the unused fourth 2-bit code).
// ---------------------------------------------------------------------------------------------

/// I2_S byte orders; nothing in a file says which, A is the published one.
typedef enum tk_i2s_order { TK_I2S_A = 0, TK_I2S_B = 1, TK_I2S_C = 2 } tk_i2s_order;

/// Decodes weights [first, first + n) (flat row-major indices) of an I2_S tensor of `columns`
/// columns whose codes start at `data`. Order C needs first and n to be multiples of 4 * columns.
ptrdiff_t tk_decode_i2s(tk_i2s_order order, const uint8_t *data, size_t columns, size_t first,
                        size_t n, int8_t *trits);
/// Encodes a whole I2_S tensor of n weights in order A; n is a multiple of 128.
void tk_encode_i2s(const int8_t *trits, size_t n, uint8_t *data);
/// TQ1_0 / TQ2_0: n is a multiple of 256. `scales` gets n / 256 floats.
ptrdiff_t tk_decode_tq(tk_type type, const uint8_t *data, size_t n, int8_t *trits, float *scales);
/// `scale` is stored in every block (0 in blocks without a non-zero trit), rounded to float16.
void tk_encode_tq(tk_type type, const int8_t *trits, size_t n, float scale, uint8_t *data);
/// Q2_0 in groups of 64 or 128 weights, each a float16 scale and then 2-bit codes, the first weight
/// of a byte in bits 0-1; code - 1 is the trit, 3 (for +2) is invalid. n is a multiple of `group`;
/// `scales` gets n / group floats.
ptrdiff_t tk_decode_q2_0(size_t group, const uint8_t *data, size_t n, int8_t *trits, float *scales);
/// The float16 scales of TQ1_0, TQ2_0 or Q2_0 blocks of n weights, one for each block.
void tk_block_scales(tk_type type, const void *data, size_t n, float *scales);
/// IQ1_BN, IQ2_BN or IQ2_BN_R4: decodes rows [row_begin, row_end) of a matrix that begins at
/// `data`; columns is a multiple of 64. IQ2_BN_R4 has a multiple of four rows; any of them can be
/// decoded. The weights of a row whose scale is 0 are 0, whatever its trits.
ptrdiff_t tk_decode_bn(tk_type type, const uint8_t *data, size_t columns, size_t row_begin,
                       size_t row_end, int8_t *trits);
/// The scales of the first `rows` rows of such a matrix.
void tk_bn_scales(tk_type type, const uint8_t *data, size_t columns, size_t rows, float *scales);
/// Decodes Q4_0 or Q5_0 blocks that an encoder has made from ternary weights: with d = -a / 8 or
/// -a / 16 it stores one of +a and -a as the lowest code, 0 as the middle one, and has to clip the
/// other to the highest code, which is an eighth or a sixteenth too small. Gives +a and -a back.
/// Returns whether all n weights have one of these three codes; y is unspecified if not.
bool tk_decode_clipped_ternary(tk_type type, const void *data, size_t n, float *y);
/// Encodes trits with one scale as Q8_0 or Q6_K: every weight is code -1, 0 or 1 of a block whose
/// scale is `scale` rounded to float16. n is a multiple of the block size.
void tk_encode_ternary_blocks(tk_type type, const int8_t *trits, size_t n, float scale, void *data);
/// Hugging Face packing, uint8 [rows / 4, columns]: decodes logical rows [row_begin, row_end).
ptrdiff_t tk_decode_hf(const uint8_t *data, size_t rows, size_t columns, size_t row_begin,
                       size_t row_end, int8_t *trits);

/// Absmean quantisation of master weights, in two steps so that threads can share.
/// Sum of |x| of one row in double, fixed order; the caller adds rows in order and divides.
double tk_absolute_sum(const float *x, size_t n);
/// The smallest non-zero magnitude in x (infinity if there is none) and the largest (NaN if x has
/// one): equal when x holds nothing but one magnitude and zeros.
void tk_magnitudes(const float *x, size_t n, float *smallest, float *largest);
/// tk_magnitudes of every `block` floats of x; the last block may be shorter.
void tk_block_magnitudes(const float *x, size_t n, size_t block, float *smallest, float *largest);
/// trits[i] = the sign of x[i]; 0 for NaN.
void tk_signs(const float *x, size_t n, int8_t *trits);
/// y[i] = trits[i] * scale.
void tk_scale_trits(const int8_t *trits, size_t n, float scale, float *y);
/// Adds the squared differences of x and y to `*error` and the squares of x to `*total`, in double.
void tk_squared_error(const float *x, const float *y, size_t n, double *error, double *total);
/// How many of n trits are 0.
size_t tk_count_zeros(const int8_t *trits, size_t n);
/// trits[i] = clamp(round_half_even(x[i] * g), -1, 1).
void tk_ternarize(const float *x, size_t n, float g, int8_t *trits);

// ---------------------------------------------------------------------------------------------
// Training: float32 products and gradients
//
// An element of a product is one chain of fused multiply-adds in the order of the depth. How work
// is cut changes no bit, and every instruction set gives the same.
// ---------------------------------------------------------------------------------------------

enum {
  /// Columns of a panel of a packed factor.
  TK_FACTOR_PANEL = 32,
  /// Floats of scratch that tk_training_product needs for each thread.
  TK_PRODUCT_SCRATCH = 140 * 256,
};

/// What the right factor B[depth, columns] of a product is made of.
typedef enum tk_source {
  /// Floats: B[k][n] = data[k * stride + n].
  TK_SOURCE_F32 = 0,
  /// Floats: B[k][n] = data[n * stride + k].
  TK_SOURCE_F32_TRANSPOSED = 1,
  /// int8 activations: B[k][n] = data[k * stride + n] / scales[k].
  TK_SOURCE_INT8 = 2,
  /// Shadow weights: B[k][n] = trit(data[k * stride + n] * factors[k]) * scales[k].
  TK_SOURCE_TERNARY = 3,
} tk_source;

typedef struct tk_factor {
  tk_source source;
  const void *data;
  size_t stride;
  size_t depth;
  size_t columns;
  const float *_Nullable scales;
  const float *_Nullable factors;
} tk_factor;

/// Floats of a packed factor.
size_t tk_packed_factor_size(size_t depth, size_t columns);
/// Packs depths [depth_begin, depth_end) into `packed`, the start of the whole packed factor.
void tk_pack_factor(const tk_kernels *k, const tk_factor *f, size_t depth_begin, size_t depth_end,
                    float *packed);

/// C[m][n] = sum over k of A[m][k] * B[k][n], added to what C held if `accumulate`.
typedef struct tk_product {
  /// A[m][k] = a[m * a_stride + k], or a[k * a_stride + m] if it is transposed.
  const float *a;
  size_t a_stride;
  bool a_is_transposed;
  /// As tk_pack_factor wrote it, of a factor with b_depth >= depth and at least `columns` columns.
  const float *b;
  size_t b_depth;
  size_t depth;
  size_t columns;
  float *c;
  size_t c_stride;
  bool accumulate;
} tk_product;

/// Rows [row_begin, row_end) of a product. `scratch` has TK_PRODUCT_SCRATCH floats.
void tk_training_product(const tk_kernels *k, const tk_product *p, size_t row_begin, size_t row_end,
                         float *scratch);

/// y[t * y_stride + r] = dot(x + t * x_stride, w + r * columns) for t in [0, tokens) and r in
/// [row_begin, row_end), in the 16-lane order: the bits of tk_dense_gemv with TK_F32. columns is a
/// multiple of 16.
void tk_dot_products(const tk_kernels *k, const float *x, size_t x_stride, size_t tokens,
                     const float *w, size_t columns, size_t row_begin, size_t row_end, float *y,
                     size_t y_stride);

/// Backward of tk_rms_norm: with r = 1 / sqrt(sum(x^2) / n + eps),
///   dx[i] += r * (dy[i] * weight[i] - x[i] * r^2 / n * sum_j(dy[j] * weight[j] * x[j])),
///   d_weight[i] += dy[i] * (x[i] * r).
void tk_rms_norm_backward(const tk_kernels *k, const float *x, const float *weight, const float *dy,
                          size_t n, float eps, float *dx, float *d_weight);

/// Backward of tk_relu2_mul, a = max(gate, 0): d_up = dy * a^2, d_gate = dy * up * 2 a. Outputs may
/// alias inputs of the same index.
void tk_relu2_mul_backward(const tk_kernels *k, const float *gate, const float *up, const float *dy,
                           size_t n, float *d_gate, float *d_up);

/// Backward of a softmax p of scores that had been multiplied by `scale`, in place:
///   dp[i] = p[i] * (dp[i] - sum_j(p[j] * dp[j])) * scale.
void tk_softmax_backward(const tk_kernels *k, const float *p, float *dp, size_t n, float scale);

/// x[i] *= factor.
void tk_scale(const tk_kernels *k, float *x, size_t n, float factor);

/// Cross entropy of n logits and its gradient times `factor`, which takes their place. Returns the
/// loss, log(sum_i exp(x[i])) - x[target], in nats.
double tk_cross_entropy(const tk_kernels *k, float *logits, size_t n, size_t target, float factor);

/// Sum of n squares in double, in a fixed order.
double tk_sum_of_squares(const tk_kernels *k, const float *x, size_t n);

/// One step of AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101) as factors of its steps.
typedef struct tk_adamw {
  float gradient_factor; ///< Clipping.
  float decay;           ///< 1 - learning rate * weight decay.
  float beta1, beta2;
  float rate;        ///< learning rate / (1 - beta1^step).
  float root_factor; ///< 1 / sqrt(1 - beta2^step).
  float epsilon;
} tk_adamw;

/// g = gradient * gradient_factor; w *= decay; mean = beta1 mean + (1 - beta1) g; square = beta2
/// square + (1 - beta2) g^2; w -= rate * mean / (sqrt(square) * root_factor + epsilon).
void tk_adamw_step(const tk_kernels *k, const tk_adamw *step, const float *gradient, size_t n,
                   float *weights, float *mean, float *square);

// ---------------------------------------------------------------------------------------------
// Limits of the machine
// ---------------------------------------------------------------------------------------------

/// How many bytes behind the weights that they multiply kernels ask memory for more, where they
/// read from front to back: 4096 until it is set. No result depends on it, speed does, and which
/// distance is fastest depends on the machine. It is one figure for all threads of the process.
size_t tk_prefetch_distance(void);
void tk_set_prefetch_distance(size_t bytes);
/// Reads `bytes` bytes (whole 64-byte lines) once, front to back, asking for those `ahead` bytes
/// behind, as the kernels read weights. Returns a sum of the words, so that nothing is optimised
/// away.
uint64_t tk_read(const void *data, size_t bytes, size_t ahead);
/// Multiplies and adds int8 on registers alone, `rounds` times a few hundred products (with AMX,
/// 65536); returns how many. The time it takes gives the peak that GEMM is compared with; AVX2's
/// GEMM, which adds sums that it looks up, can pass it.
uint64_t tk_int8_peak(const tk_kernels *k, size_t rounds);

// ---------------------------------------------------------------------------------------------
// Float baselines: what the ternary kernels are compared with
// ---------------------------------------------------------------------------------------------

/// Functions of an OpenBLAS that the caller has loaded, with 32-bit integers. This library opens
/// nothing itself.
typedef struct tk_blas {
  /// cblas_sgemv and cblas_sgemm; their enumerations are ints to C.
  void (*sgemv)(int order, int transpose, int m, int n, float alpha, const float *a, int lda,
                const float *x, int x_step, float beta, float *y, int y_step);
  void (*sgemm)(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha,
                const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);
  /// Of an OpenBLAS with OpenMP, else NULL: the products below call it with 1 on their own thread.
  void (*_Nullable omp_set_num_threads)(int threads);
} tk_blas;

/// The widest of OpenBLAS's kernels that an x86-64 CPU can run; PLAIN on every other.
typedef enum tk_blas_width {
  TK_BLAS_PLAIN = 0,
  /// With FMA.
  TK_BLAS_AVX2 = 1,
  /// F, CD, BW, DQ and VL.
  TK_BLAS_AVX512 = 2,
} tk_blas_width;

/// What this CPU and operating system can run.
tk_blas_width tk_blas_cpu_width(void);

/// y = W x with W in float16 (row-major): tiles are widened to float32 in `tile`, then sgemv.
/// tile_rows >= 1; `tile` has tile_rows * columns floats. Returns false for sizes beyond int.
bool tk_blas_gemv_f16(const tk_blas *blas, const tk_kernels *k, const uint16_t *w, size_t rows,
                      size_t columns, const float *x, float *tile, size_t tile_rows, float *y);
/// y = W x with W already in float32. Returns false for sizes beyond int.
bool tk_blas_gemv_f32(const tk_blas *blas, const float *w, size_t rows, size_t columns,
                      const float *x, float *y);
/// y[batch, rows] = x[batch, columns] * W^T, tiles widened as above, then sgemm.
bool tk_blas_gemm_f16(const tk_blas *blas, const tk_kernels *k, const uint16_t *w, size_t rows,
                      size_t columns, const float *x, size_t batch, float *tile, size_t tile_rows,
                      float *y);
/// y[batch, rows] = x[batch, columns] * W^T, W in float32. Returns false for sizes beyond int.
bool tk_blas_gemm_f32(const tk_blas *blas, const float *w, size_t rows, size_t columns,
                      const float *x, size_t batch, float *y);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#ifdef __cplusplus
}
#endif

#endif
