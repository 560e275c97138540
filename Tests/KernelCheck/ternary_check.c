// Checks every ternary kernel of every kernel set that this CPU supports against plain loops over
// the unpacked trits. Plain C, so that it also runs under an emulator:
//
//   clang -std=c17 -O2 -ISources/CTernaryKernels/include -ISources/CTernaryKernels \
//     Tests/KernelCheck/ternary_check.c $(find Sources/CTernaryKernels -name "*.c") \
//     -lm -o ternary_check &&
//     ./ternary_check [--fewer-shapes] [SET...]
//
// Given names of sets, it checks only those, and fails if one of them cannot run here. With
// `--fewer-shapes` before them it takes every size and every fill with some others only, not with
// all of them.

#include "CTernaryKernels.h"
#include "activations.h"
#include "check.h"
#include "sets.h"

// 2048, 2080 and 2176 are a whole GEMM panel of T2 and one block more than a panel of T5 and of T2;
// 2560 and 2688 are a whole panel of 32 rows and one block of T2 more.
static const size_t columns_to_try[] = {1,    31,   127,  128,  129,  160,  161,
                                        1281, 2048, 2080, 2176, 2560, 2688, 6912};

/// How a matrix or an activation row is filled.
typedef enum fill { RANDOM, LARGEST, SMALLEST, ZERO, FILLS } fill;

/// n values in [-limit, limit]; eight of a random number, since an emulated machine takes its time.
static void fill_values(fill f, int limit, uint64_t *state, size_t n, int8_t *values) {
  if (f != RANDOM) {
    memset(values, f == LARGEST ? limit : f == SMALLEST ? -limit : 0, n);
    return;
  }
  for (size_t i = 0; i < n; i += 8) {
    uint64_t bits = next_random(state);
    for (size_t j = i; j < n && j < i + 8; j++, bits >>= 8) {
      values[j] = (int8_t)(((int)(bits & 255) * (2 * limit + 1) >> 8) - limit);
    }
  }
}

// ---------------------------------------------------------------------------------------------
// A matrix with its trits, activations as tk_quantize leaves them, and the plain product
// ---------------------------------------------------------------------------------------------

typedef struct problem {
  tk_matrix w;
  int8_t *trits;
  uint8_t *packed;
  int8_t *q; ///< Starts at an odd address.
  int8_t *q_base;
  size_t q_stride, batch;
  int32_t *sums;
} problem;

/// Activations behind the last block are those of a neighbour, where a matrix is part of a wider
/// one: they are not 0 here, and do not count.
static problem make_problem(tk_layout layout, size_t rows, size_t columns, size_t batch,
                            fill weights, fill activations) {
  const size_t block = tk_block_columns(layout), end = (columns + block - 1) / block * block;
  vary_prefetch_distance();
  uint64_t state = rows * 1000003 + columns * 101 + batch;
  problem p = {.q_stride = columns + TK_ACTIVATION_PADDING + 13, .batch = batch};
  p.trits = allocate(rows * columns);
  fill_values(weights, 1, &state, rows * columns, p.trits);
  p.packed = allocate(tk_packed_size(layout, rows, columns));
  tk_pack(layout, p.trits, rows, columns, 0, rows, p.packed);
  p.q_base = allocate(batch * p.q_stride + 1);
  p.q = p.q_base + 1;
  p.sums = allocate(batch * sizeof *p.sums);
  for (size_t t = 0; t < batch; t++) {
    fill_values(activations, 127, &state, columns, p.q + t * p.q_stride);
    for (size_t c = 0; c < columns; c++) {
      p.sums[t] += p.q[t * p.q_stride + c];
    }
    memset(p.q + t * p.q_stride + end, 127, columns + TK_ACTIVATION_PADDING - end);
  }
  p.w = (tk_matrix){p.packed, rows, columns, layout};
  return p;
}

static void free_problem(problem p) {
  free(p.trits);
  free(p.packed);
  free(p.q_base);
  free(p.sums);
}

static int32_t product(const problem *p, size_t row, size_t token, size_t begin, size_t end) {
  int32_t total = 0;
  for (size_t c = begin; c < end && c < p->w.columns; c++) {
    total += p->trits[row * p->w.columns + c] * p->q[token * p->q_stride + c];
  }
  return total;
}

// ---------------------------------------------------------------------------------------------
// GEMV and GEMM
// ---------------------------------------------------------------------------------------------

static void check_gemv_range(const tk_kernels *k, const problem *p, size_t block_begin,
                             size_t block_end, size_t row_begin) {
  size_t block = tk_block_columns(p->w.layout);
  size_t begin = block_begin * block, end = block_end * block, count = p->w.rows - row_begin;
  char detail[160];
  snprintf(detail, sizeof detail, "%s %s, rows %zu from %zu, columns %zu, blocks %zu to %zu",
           tk_kernel_set_name(k), tk_layout_name(p->w.layout), p->w.rows, row_begin, p->w.columns,
           block_begin, block_end);
  int32_t sum = 0;
  for (size_t c = begin; c < end && c < p->w.columns; c++) {
    sum += p->q[c];
  }
  int32_t *expected = allocate(count * sizeof *expected);
  for (size_t r = 0; r < count; r++) {
    expected[r] = product(p, row_begin + r, 0, begin, end);
  }
  guarded y = guarded_allocate(count * sizeof *expected, 0);
  tk_gemv(k, &p->w, p->q, sum, block_begin, block_end, row_begin, p->w.rows, (int32_t *)y.data);
  check_same(expected, y.data, count, sizeof *expected, "gemv", detail);
  guarded_free(y, "gemv writes outside its range", detail);
  free(expected);
}

static void check_gemv(const tk_kernels *k, tk_layout layout, bool fewer) {
  static const size_t rows_to_try[] = {1, 3, 4, 9, 37};
  for (size_t i = 0; i < sizeof columns_to_try / sizeof *columns_to_try; i++) {
    for (size_t j = 0; j < sizeof rows_to_try / sizeof *rows_to_try; j++) {
      for (int f = 0; f < FILLS * FILLS; f++) {
        if (fewer && f > 0 && (i + (size_t)f) % 5 != j) {
          continue;
        }
        problem p = make_problem(layout, rows_to_try[j], columns_to_try[i], 1, (fill)(f / FILLS),
                                 (fill)(f % FILLS));
        size_t block = tk_block_columns(p.w.layout);
        size_t blocks = (p.w.columns + block - 1) / block;
        check_gemv_range(k, &p, 0, blocks, 0);
        if (p.w.rows > TK_TILE_ROWS) {
          check_gemv_range(k, &p, 0, blocks, TK_TILE_ROWS);
        }
        check_gemv_range(k, &p, blocks / 3, blocks - blocks / 4, 0);
        check_gemv_range(k, &p, blocks / 2, blocks / 2, 0); // an empty range gives zeros
        free_problem(p);
      }
    }
  }
}

/// The same product as floats: `sums` are the integers.
static void check_scaled_gemm(const tk_kernels *k, const problem *p, size_t row_begin,
                              const int32_t *sums, size_t y_stride, size_t beta_stride,
                              void *scratch, const char *detail) {
  const size_t count = p->w.rows - row_begin, size = p->batch * y_stride * sizeof(float);
  float *scales = allocate((p->batch + 1) * sizeof *scales);
  float *beta = allocate(count * sizeof *beta);
  for (size_t t = 0; t < p->batch; t++) {
    scales[t] = 0.7f + (float)t * 0.3f;
  }
  for (size_t r = 0; r < count; r++) {
    beta[r] = 1.1f - (float)r * 0.25f;
  }
  float *expected = allocate(size);
  memset(expected, GUARD, size);
  for (size_t t = 0; t < p->batch; t++) {
    for (size_t r = 0; r < count; r++) {
      const double factor = (double)beta[r * beta_stride] / (double)scales[t];
      expected[t * y_stride + r] = (float)((double)sums[t * y_stride + r] * factor);
    }
  }
  const tk_scaling scaling = {scales, beta, beta_stride};
  guarded y = guarded_allocate(size, 0);
  tk_gemm_scaled(k, &p->w, p->q, p->q_stride, p->sums, &scaling, p->batch, row_begin, p->w.rows,
                 (float *)y.data, y_stride, scratch);
  check_same(expected, y.data, p->batch * y_stride, sizeof *expected, "scaled gemm", detail);
  guarded_free(y, "scaled gemm writes outside its range", detail);
  free(expected);
  free(beta);
  free(scales);
}

static void check_gemm_problem(const tk_kernels *k, const problem *p, size_t row_begin) {
  size_t count = p->w.rows - row_begin, y_stride = count + 3;
  char detail[160];
  snprintf(detail, sizeof detail, "%s %s, rows %zu from %zu, columns %zu, batch %zu",
           tk_kernel_set_name(k), tk_layout_name(p->w.layout), p->w.rows, row_begin, p->w.columns,
           p->batch);
  guarded y = guarded_allocate(p->batch * y_stride * sizeof(int32_t), 0);
  int32_t *expected = allocate(p->batch * y_stride * sizeof *expected);
  memset(expected, GUARD, p->batch * y_stride * sizeof *expected);
  for (size_t t = 0; t < p->batch; t++) {
    for (size_t r = 0; r < count; r++) {
      expected[t * y_stride + r] = product(p, row_begin + r, t, 0, p->w.columns);
    }
  }
  size_t scratch_size = tk_gemm_scratch_size(k, &p->w);
  uint8_t *scratch = allocate(scratch_size + GUARD_BYTES);
  memset(scratch, GUARD, scratch_size + GUARD_BYTES);
  tk_gemm(k, &p->w, p->q, p->q_stride, p->sums, p->batch, row_begin, p->w.rows, (int32_t *)y.data,
          y_stride, scratch);
  check_same(expected, y.data, p->batch * y_stride, sizeof *expected, "gemm", detail);
  guarded_free(y, "gemm writes outside its range", detail);
  check_scaled_gemm(k, p, row_begin, expected, y_stride, p->batch % 2, scratch, detail);
  if (p->batch > 128) { // more than most sets sweep at once
    check_scaled_gemm(k, p, row_begin, expected, y_stride, 1 - p->batch % 2, scratch, detail);
  }
  check_guard(scratch + scratch_size, GUARD_BYTES, "gemm writes past its scratch", detail);
  free(scratch);
  free(expected);
}

static void check_gemm(const tk_kernels *k, tk_layout layout, bool fewer) {
  static const size_t batches[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 17, 32, 64, 130, 0};
  static const size_t rows_to_try[] = {1, 5, 8, 13, 36};
  for (size_t i = 0; i < sizeof columns_to_try / sizeof *columns_to_try; i++) {
    for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
      for (size_t j = 0; j < sizeof rows_to_try / sizeof *rows_to_try; j++) {
        fill f = RANDOM, g = RANDOM;
        if (batches[b] <= 9 && j == 1) { // all +1 times all 127 and all -127, among others
          g = (fill)(b / 2 % FILLS);
          f = b % 2 ? LARGEST : g;
        }
        if (batches[b] > 11 && rows_to_try[j] != 13) {
          continue;
        }
        if (rows_to_try[j] > 32 && batches[b] < 9) { // more than one panel of 32 rows
          continue;
        }
        if (fewer && (i + b + j) % 3 != 0) {
          continue;
        }
        problem p = make_problem(layout, rows_to_try[j], columns_to_try[i], batches[b], f, g);
        check_gemm_problem(k, &p, 0);
        if (p.w.rows > TK_TILE_ROWS) {
          check_gemm_problem(k, &p, TK_TILE_ROWS);
        }
        free_problem(p);
      }
    }
  }
}

/// More rows than any set unpacks at once, with tokens and columns that end in every kind of rest:
/// 16 and 32 tokens and some, T5 blocks in odd and even numbers, one range of columns and several.
static void check_large_gemm(const tk_kernels *k, tk_layout layout, bool fewer) {
  static const size_t batches[] = {16, 31, 33, 49};
  static const size_t columns[] = {161, 480, 2721, 5300};
  for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
    for (size_t j = 0; j < sizeof columns / sizeof *columns; j++) {
      if (fewer && i != j) {
        continue;
      }
      problem p =
          make_problem(layout, 256 + 37, columns[j], batches[i], RANDOM, i == j ? LARGEST : RANDOM);
      check_gemm_problem(k, &p, 0);
      check_gemm_problem(k, &p, 256 - TK_TILE_ROWS);
      free_problem(p);
    }
  }
  // More tokens than any set sweeps at once.
  problem p = make_problem(layout, 13, 2561, 261, RANDOM, LARGEST);
  check_gemm_problem(k, &p, 0);
  free_problem(p);
  if (fewer) {
    return;
  }
  // Sums as large as they become, in every lane, and more rows and tokens than are taken at a time.
  static const fill fills[] = {LARGEST, SMALLEST};
  for (size_t f = 0; f < 2; f++) {
    p = make_problem(layout, 256, 1281, 32, LARGEST, fills[f]);
    check_gemm_problem(k, &p, 0);
    free_problem(p);
  }
  p = make_problem(layout, 1280 + 41, 200, 289, RANDOM, RANDOM);
  check_gemm_problem(k, &p, 0);
  free_problem(p);
}

/// All 3^5 bytes of T5 in one row: each trit comes back alone through a one-hot activation row.
static void check_every_code(const tk_kernels *k) {
  enum { CODES = 243, COLUMNS = 8 * 160 };
  int8_t *trits = allocate(COLUMNS), *q = allocate(COLUMNS + TK_ACTIVATION_PADDING);
  for (int code = 0; code < CODES; code++) {
    for (int i = 0, v = code; i < 5; i++, v /= 3) {
      trits[code / 32 * 160 + i * 32 + code % 32] = (int8_t)(v % 3 - 1);
    }
  }
  uint8_t *packed = allocate(tk_packed_size(TK_LAYOUT_T5, 1, COLUMNS));
  tk_pack(TK_LAYOUT_T5, trits, 1, COLUMNS, 0, 1, packed);
  tk_matrix w = {packed, 1, COLUMNS, TK_LAYOUT_T5};
  for (size_t c = 0; c < COLUMNS; c++) {
    q[c] = 127;
    int32_t y = 0;
    tk_gemv(k, &w, q, 127, 0, 8, 0, 1, &y);
    check(y == 127 * trits[c], "T5 code", tk_kernel_set_name(k));
    q[c] = 0;
  }
  free(trits);
  free(q);
  free(packed);
}

/// The longest rows there are, all +1 times all 127 and all -127: sums as large as they can become,
/// past every flush of partial sums. Returns how many sets took part.
static size_t check_longest_rows(tk_layout layout, int named, char **names) {
  enum { COLUMNS = TK_MAX_COLUMNS, STRIDE = COLUMNS + TK_ACTIVATION_PADDING };
  int8_t *trits = allocate(COLUMNS), *q = allocate(2 * (size_t)STRIDE);
  memset(trits, 1, COLUMNS);
  memset(q, 127, COLUMNS);
  memset(q + STRIDE, -127, COLUMNS);
  uint8_t *packed = allocate(tk_packed_size(layout, 1, COLUMNS));
  tk_pack(layout, trits, 1, COLUMNS, 0, 1, packed);
  tk_matrix w = {packed, 1, COLUMNS, layout};
  size_t blocks = (COLUMNS + tk_block_columns(layout) - 1) / tk_block_columns(layout), sets = 0;
  const int32_t expected[2] = {127 * COLUMNS, -127 * COLUMNS};
  for (size_t i = 0; i + 1 < tk_kernel_set_count(); i++) { // scalar has no partial sums
    const tk_kernels *k = tk_kernel_set(i);
    if (!tk_kernel_set_supported(k) || !is_wanted_set(k, named, names)) {
      continue;
    }
    void *scratch = allocate(tk_gemm_scratch_size(k, &w));
    int32_t y[2];
    for (size_t t = 0; t < 2; t++) {
      tk_gemv(k, &w, q + t * STRIDE, expected[t], 0, blocks, 0, 1, y + t);
    }
    check_same(expected, y, 2, sizeof *y, "gemv of the longest rows", tk_kernel_set_name(k));
    tk_gemm(k, &w, q, STRIDE, expected, 2, 0, 1, y, 1, scratch);
    check_same(expected, y, 2, sizeof *y, "gemm of the longest rows", tk_kernel_set_name(k));
    free(scratch);
    sets++;
  }
  free(trits);
  free(q);
  free(packed);
  return sets;
}

int main(int argc, char **argv) {
  int named = argc - 1;
  char **names = argv + 1;
  const bool fewer = take_option("--fewer-shapes", &named, &names);
  size_t count = tk_kernel_set_count();
  check_wanted_sets(named, names);
  const tk_kernels *scalar = tk_kernel_set(count - 1);
  for (size_t i = 0; i < count; i++) {
    const tk_kernels *k = tk_kernel_set(i);
    if (!is_wanted_set(k, named, names)) {
      continue;
    }
    if (!tk_kernel_set_supported(k)) {
      printf("%s: not supported here\n", tk_kernel_set_name(k));
      continue;
    }
    const char *disagreement = tk_self_test(k);
    check(disagreement == NULL, "self-test", disagreement ? disagreement : "");
    if (is_new(tk_activations_of(k), 0)) {
      check_quantize(k, scalar);
      check_dequantize(k);
    }
    for (tk_layout layout = 0; layout < TK_LAYOUT_COUNT; layout++) {
      const bool gemv = is_new(tk_gemv_of(k, layout), layout);
      if (gemv) {
        check_gemv(k, layout, fewer);
      }
      if (gemv && layout == TK_LAYOUT_T5) {
        check_every_code(k);
      }
      // A few rows of L2 are so many GEMVs.
      const bool small = is_new(tk_gemm_small_of(k, layout), layout);
      if (is_new(tk_gemm_of(k, layout), layout) || small || gemv) {
        check_gemm(k, layout, fewer);
      }
      if (tk_gemm_of(k, layout)->product) {
        check_large_gemm(k, layout, fewer);
      }
    }
    printf("%s: checked\n", tk_kernel_set_name(k));
    fflush(stdout);
  }
  // Sums of L2 are widened every two blocks, and one row takes the memory of 32.
  const int layouts = fewer ? TK_LAYOUT_L2 : TK_LAYOUT_COUNT;
  for (int layout = 0; layout < layouts; layout++) {
    printf("%s: %zu sets take the longest rows\n", tk_layout_name((tk_layout)layout),
           check_longest_rows((tk_layout)layout, named, names));
  }
  printf("%zu passed, 0 failed\n", checks_passed);
  return 0;
}
