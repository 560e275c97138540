// Checks the scans of the two-stage head of every kernel set that this CPU supports against scalar,
// scalar against plain loops over the decoded rows, and the strict margin against what
// tk_dense_gemv computes.
//
// Given names of sets, it checks only those, and fails if one of them cannot run here. With
// `--fewer-shapes` it takes the longest rows with one number of rows only.
//
// Usage: head_check [--fewer-shapes] [SET...]

#include "CTernaryKernels.h"
#include "check.h"
#include "sets.h"

#include <math.h>

// Margins as head.c computes them.
#pragma clang fp contract(off)

/// How rows and states are filled. One in 150 OUTLIERS is a thousand times as large: states of
/// models have such elements.
typedef enum fill { RANDOM, LARGEST, SMALLEST, ZERO, HUGE_RANGE, OUTLIERS, FILLS } fill;

static float fill_value(fill f, uint64_t *state) {
  const float uniform = (float)random_int(state, -1000000, 1000000) * 1e-6f;
  switch (f) {
  case LARGEST:
    return 1.0f;
  case SMALLEST:
    return -1.0f;
  case ZERO:
    return 0.0f;
  case HUGE_RANGE:
    return ldexpf(uniform, random_int(state, -60, 4));
  case OUTLIERS:
    return random_int(state, 0, 149) == 0 ? uniform * 1000 : uniform;
  default:
    return uniform;
  }
}

typedef struct problem {
  tk_head head;
  float *w, *x;
  uint8_t *codes, *q;
  float *scales, *errors, *norms;
  tk_head_input input;
} problem;

static problem make_problem(tk_head_type type, size_t rows, size_t columns, fill weights,
                            fill activations) {
  vary_prefetch_distance();
  uint64_t state = rows * 1000003 + columns * 101 + (uint64_t)weights * 7 + (uint64_t)activations;
  problem p = {.w = allocate(rows * columns * sizeof *p.w),
               .x = allocate(columns * sizeof *p.x),
               .codes = allocate(tk_head_size(type, rows, columns)),
               .q = allocate(tk_head_input_size(columns)),
               .scales = allocate(rows * sizeof *p.scales),
               .errors = allocate(rows * sizeof *p.errors),
               .norms = allocate(rows * sizeof *p.norms)};
  for (size_t i = 0; i < rows * columns; i++) {
    p.w[i] = fill_value(weights, &state);
  }
  for (size_t i = 0; i < columns; i++) {
    p.x[i] = fill_value(activations, &state);
  }
  // In two parts: rows are packed by several threads.
  const size_t half = rows > TK_HEAD_TILE_ROWS ? TK_HEAD_TILE_ROWS : rows;
  tk_head_pack(type, p.w, rows, columns, 0, half, p.codes, p.scales, p.errors, p.norms);
  if (half < rows) {
    tk_head_pack(type, p.w + half * columns, rows, columns, half, rows, p.codes, p.scales, p.errors,
                 p.norms);
  }
  p.input = tk_head_round(type, p.x, columns, p.q);
  p.head = (tk_head){type, rows, columns, p.codes, p.scales, p.errors, p.norms};
  return p;
}

static void free_problem(problem p) {
  free(p.w);
  free(p.x);
  free(p.codes);
  free(p.q);
  free(p.scales);
  free(p.errors);
  free(p.norms);
}

/// What the codes say is off by no more than `errors` says, and rows by no more than a step.
static void check_errors(const problem *p, const char *detail) {
  const size_t columns = p->head.columns;
  float *decoded = allocate(columns * sizeof *decoded);
  for (size_t r = 0; r < p->head.rows; r++) {
    tk_head_decode_row(&p->head, r, decoded);
    long double error = 0, norm = 0;
    for (size_t c = 0; c < columns; c++) {
      const long double w = p->w[r * columns + c];
      error += (w - decoded[c]) * (w - decoded[c]);
      norm += w * w;
    }
    // The scale times a code, as decoded, is rounded to float; the bound knows the product itself.
    check(sqrtl(error) <= p->errors[r] + 1e-7L * p->norms[r], "error", detail);
    check(sqrtl(norm) <= p->norms[r], "norm", detail);
    const float most = p->head.type == TK_HEAD_INT8 ? 0.02f : 0.5f;
    check(p->errors[r] <= most * p->norms[r] || norm < 1e-30L, "error is large", detail);
  }
  free(decoded);
}

/// Whether the scan reads the stored matrix.
static bool is_stored(tk_head_type type) { return type >= TK_HEAD_Q6_K; }

/// The type of a matrix that is scanned as it is stored.
static tk_type stored_type(tk_head_type type) {
  return type == TK_HEAD_Q6_K ? TK_Q6_K : type == TK_HEAD_Q8_0 ? TK_Q8_0 : TK_Q4_0;
}

/// What stands for column `c` of the state.
static long double rounded_state(const problem *p, size_t c) {
  const int8_t *bytes = (const int8_t *)p->q;
  const long double scale = p->input.scale;
  if (p->head.type == TK_HEAD_Q8_0 || p->head.type == TK_HEAD_Q4_0) {
    // 64 bytes; 32 codes for each term; multiples of their sums; scales; blocks.
    const size_t most = p->head.columns / 32 + p->head.columns / 256;
    const float *scales = (const float *)(const void *)(p->q + 64 + most * 36);
    const uint32_t *blocks = (const uint32_t *)(const void *)(scales + most);
    long double sum = 0;
    for (size_t t = 0; t < *(const uint32_t *)(const void *)p->q; t++) {
      sum += blocks[t] == c / 32 ? (long double)scales[t] * bytes[64 + t * 32 + c % 32] : 0;
    }
    return scale * sum;
  }
  if (p->head.type == TK_HEAD_INT8) {
    return scale * ((const int16_t *)(const void *)p->q)[c];
  }
  if (p->head.type == TK_HEAD_INT4) {
    return scale * bytes[c];
  }
  // The codes; for each group of 16 a multiplier and its sum; for each block of 256 a scale.
  const int16_t *multipliers = (const int16_t *)(const void *)(p->q + p->head.columns);
  const float *blocks = (const float *)(const void *)(p->q + p->head.columns * 5 / 4);
  const size_t group = c % 256 / 16;
  return scale * blocks[c / 256] * multipliers[c / 256 * 16 + group % 2 * 8 + group / 2] * bytes[c];
}

/// Scores are the product of what the codes and the rounded state say, to float rounding.
static void check_scores(const problem *p, const float *scores, const char *detail) {
  const size_t columns = p->head.columns;
  float *decoded = allocate(columns * sizeof *decoded);
  for (size_t r = 0; r < p->head.rows; r++) {
    tk_head_decode_row(&p->head, r, decoded);
    long double sum = 0, magnitude = 0;
    for (size_t c = 0; c < columns; c++) {
      const long double product = decoded[c] * rounded_state(p, c);
      sum += product;
      magnitude += fabsl(product);
    }
    check(fabsl(sum - scores[r]) <= 1e-5L * magnitude + 1e-30L, "scores", detail);
  }
  free(decoded);
}

static float margin_at(const problem *p, const tk_head_margin *m, size_t row) {
  const float error = p->head.errors ? p->errors[row] * m->error : 0;
  return error + p->norms[row] * m->norm + m->constant;
}

/// No logit is further from its score than the strict margin says.
static void check_margin(const tk_kernels *k, const problem *p, const float *scores,
                         const char *detail) {
  const tk_head_margin m = tk_head_strict_margin(p->head.type, &p->input, p->head.columns);
  float *y = allocate(p->head.rows * sizeof *y);
  if (is_stored(p->head.type)) {
    tk_dense_gemv(k, stored_type(p->head.type), p->codes, p->head.columns, p->x, 0, p->head.rows,
                  y);
  } else {
    tk_dense_gemv(k, TK_F32, p->w, p->head.columns, p->x, 0, p->head.rows, y);
  }
  for (size_t r = 0; r < p->head.rows; r++) {
    const float margin = margin_at(p, &m, r);
    check(y[r] >= scores[r] - margin && y[r] <= scores[r] + margin, "strict margin", detail);
  }
  free(y);
}

/// Ranking and choosing in parts gives what it gives at once, and what a plain loop gives.
static void check_candidates(const problem *p, const float *scores, const char *detail) {
  enum { K = 3 };
  const size_t rows = p->head.rows;
  const tk_head_margin m = tk_head_strict_margin(p->head.type, &p->input, p->head.columns);
  float best[K] = {-INFINITY, -INFINITY, -INFINITY};
  const size_t half = rows / 2 / TK_HEAD_TILE_ROWS * TK_HEAD_TILE_ROWS;
  tk_head_rank(&p->head, &m, scores, 0, half, best, K);
  tk_head_rank(&p->head, &m, scores + half, half, rows, best, K);
  size_t above = 0, reached = 0;
  for (size_t r = 0; r < rows; r++) {
    const float margin = margin_at(p, &m, r);
    above += scores[r] - margin > best[K - 1];
    reached += scores[r] - margin >= best[K - 1];
  }
  check(above < K && (reached >= K || rows < K), "the k-th largest lower bound", detail);
  guarded ids = guarded_allocate(rows * sizeof(uint32_t), 0);
  guarded left = guarded_allocate(rows * sizeof(float), 0);
  memcpy(left.data, scores, rows * sizeof(float));
  const size_t count = tk_head_candidates(&p->head, &m, best[K - 1], 0, rows, (float *)left.data,
                                          (uint32_t *)ids.data);
  size_t next = 0;
  for (size_t r = 0; r < rows; r++) {
    const float margin = margin_at(p, &m, r);
    if (scores[r] + margin >= best[K - 1]) {
      check(next < count && ((uint32_t *)ids.data)[next] == r, "candidates", detail);
      next++;
    }
    check(((float *)left.data)[r] == -INFINITY, "scores are cleared", detail);
  }
  check(next == count && count >= (rows < K ? rows : K), "number of candidates", detail);
  guarded_free(ids, "candidates write outside their range", detail);
  guarded_free(left, "scores are written outside their range", detail);
}

static void check_scan(const tk_kernels *k, const tk_kernels *scalar, const problem *p,
                       size_t row_begin, const char *detail) {
  const size_t count = p->head.rows - row_begin;
  float *expected = allocate(count * sizeof *expected);
  guarded scores = guarded_allocate(count * sizeof *expected, 0);
  tk_head_scan(scalar, &p->head, p->q, p->input.scale, row_begin, p->head.rows, expected);
  tk_head_scan(k, &p->head, p->q, p->input.scale, row_begin, p->head.rows, (float *)scores.data);
  check_same(expected, scores.data, count, sizeof *expected, "head scan", detail);
  guarded_free(scores, "head scan writes outside its range", detail);
  if (row_begin == 0 && k == scalar) {
    check_scores(p, expected, detail);
    check_candidates(p, expected, detail);
  }
  if (row_begin == 0 && p->head.type != TK_HEAD_INT4) {
    check_margin(k, p, expected, detail);
  }
  free(expected);
}

static void check_head(const tk_kernels *k, const tk_kernels *scalar, int type, bool fewer) {
  static const size_t rows_to_try[] = {1, 3, 8, 13, 40};
  static const size_t columns_to_try[] = {16, 32, 48, 256, 2560};
  for (size_t i = 0; i < sizeof rows_to_try / sizeof *rows_to_try; i++) {
    for (size_t j = 0; j < sizeof columns_to_try / sizeof *columns_to_try; j++) {
      if (!fewer || columns_to_try[j] < 2560 || rows_to_try[i] == 3) {
        for (int f = 0; f < OUTLIERS * FILLS; f++) {
          char detail[160];
          snprintf(detail, sizeof detail, "%s int%d, rows %zu, columns %zu, fill %d",
                   tk_kernel_set_name(k), type == TK_HEAD_INT8 ? 8 : 4, rows_to_try[i],
                   columns_to_try[j], f);
          problem p = make_problem((tk_head_type)type, rows_to_try[i], columns_to_try[j],
                                   (fill)(f / FILLS), (fill)(f % FILLS));
          if (f % FILLS == ZERO) {
            check(p.input.scale == 0, "a state of zeros cannot be scanned with", detail);
          } else {
            if (k == scalar) {
              check_errors(&p, detail);
            }
            check_scan(k, scalar, &p, 0, detail);
            if (rows_to_try[i] > TK_HEAD_TILE_ROWS) {
              check_scan(k, scalar, &p, TK_HEAD_TILE_ROWS, detail);
            }
          }
          free_problem(p);
        }
      }
    }
  }
}

/// How the bytes of a stored head come about: from weights by tk_encode; any codes there are, with
/// scales that are small, zero or negative; all codes the lowest or the highest.
typedef enum bytes { ENCODED, ANY_CODES, EXTREME_CODES, BYTES } bytes;

/// The bytes of a Q8_0 or Q4_0 head that no weights were encoded to.
static void fill_blocks(const problem *p, tk_type type, bytes how) {
  enum { SCALES = 7 };
  static const uint16_t scales[SCALES] = {0x2C01, 0xB7FF, 0x0001, 0x83FF, 0x0000, 0x8000, 0x7BFF};
  const size_t size = tk_type_block_bytes(type);
  const size_t count = p->head.rows * p->head.columns / tk_type_block_size(type);
  uint64_t state = count + size;
  for (size_t b = 0; b < count; b++) {
    uint8_t *block = p->codes + b * size;
    const uint16_t d = scales[how == ANY_CODES ? random_int(&state, 0, SCALES - 1) : 0];
    block[0] = (uint8_t)d;
    block[1] = (uint8_t)(d >> 8);
    const bool low = random_int(&state, 0, 1) == 0;
    const int extreme = type == TK_Q8_0 ? (low ? 0x80 : 0x7F) : (low ? 0x00 : 0xFF);
    for (size_t i = 2; i < size; i++) {
      block[i] = (uint8_t)(how == ANY_CODES ? random_int(&state, 0, 255) : extreme);
    }
  }
}

/// A stored head, scanned where it lies: its memory ends with its bytes, so that the address
/// sanitizer sees what is read past them.
static problem make_stored(tk_head_type type, size_t rows, size_t columns, fill weights,
                           fill activations, bytes how) {
  const tk_type stored = stored_type(type);
  problem p = make_problem(TK_HEAD_INT8, rows, columns, weights, activations);
  free(p.codes);
  p.codes = malloc(rows * columns / tk_type_block_size(stored) * tk_type_block_bytes(stored));
  if (!p.codes) {
    abort();
  }
  p.head = (tk_head){type, rows, columns, p.codes, NULL, NULL, p.norms};
  if (how == ENCODED) {
    tk_encode(stored, p.w, rows * columns, p.codes);
  } else {
    fill_blocks(&p, stored, how);
  }
  tk_decode(stored, p.codes, rows * columns, p.w);
  tk_head_norms(type, p.codes, rows, columns, p.norms);
  p.input = tk_head_round(type, p.x, columns, p.q);
  return p;
}

/// Norms are not below those of the decoded rows, and not far above.
static void check_norms(const problem *p, const char *detail) {
  for (size_t r = 0; r < p->head.rows; r++) {
    long double norm = 0;
    for (size_t c = 0; c < p->head.columns; c++) {
      norm += (long double)p->w[r * p->head.columns + c] * p->w[r * p->head.columns + c];
    }
    norm = sqrtl(norm);
    check(norm <= p->norms[r] && p->norms[r] <= norm * 1.000001L, "norm", detail);
  }
}

static void check_stored_shape(const tk_kernels *k, const tk_kernels *scalar, tk_head_type type,
                               size_t rows, size_t columns) {
  for (int f = 0; f < BYTES * FILLS * FILLS; f++) {
    const bytes how = (bytes)(f / (FILLS * FILLS));
    const fill weights = (fill)(f / FILLS % FILLS), activations = (fill)(f % FILLS);
    if (activations == ZERO || (how != ENCODED && (weights != RANDOM || type == TK_HEAD_Q6_K))) {
      continue;
    }
    char detail[160];
    snprintf(detail, sizeof detail, "%s ggml type %d, rows %zu, columns %zu, fill %d",
             tk_kernel_set_name(k), (int)stored_type(type), rows, columns, f);
    problem p = make_stored(type, rows, columns, weights, activations, how);
    if (k == scalar) {
      check_norms(&p, detail);
    }
    check_scan(k, scalar, &p, 0, detail);
    if (rows > TK_HEAD_TILE_ROWS) {
      check_scan(k, scalar, &p, TK_HEAD_TILE_ROWS, detail);
    }
    free_problem(p);
  }
}

static void check_stored(const tk_kernels *k, const tk_kernels *scalar, tk_head_type type) {
  static const size_t rows_to_try[] = {1, 3, 4, 5, 8, 13};
  static const size_t columns_to_try[] = {32, 96, 256, 1280};
  for (size_t i = 0; i < sizeof rows_to_try / sizeof *rows_to_try; i++) {
    for (size_t j = 0; j < sizeof columns_to_try / sizeof *columns_to_try; j++) {
      if (columns_to_try[j] % tk_type_block_size(stored_type(type)) == 0) {
        check_stored_shape(k, scalar, type, rows_to_try[i], columns_to_try[j]);
      }
    }
  }
}

/// The widest matrix has the largest sums: the state is rounded so that they fit.
static void check_overflow(const tk_kernels *k, const tk_kernels *scalar) {
  problem p = make_problem(TK_HEAD_INT8, 5, 1 << 17, LARGEST, LARGEST);
  check_scan(k, scalar, &p, 0, "131072 columns");
  free_problem(p);
}

/// Numbers that are not finite never come out as an ordinary row.
static void check_not_finite(void) {
  static const float bad[] = {NAN, INFINITY, -INFINITY};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    for (int type = 0; type <= TK_HEAD_INT4; type++) {
      problem p = make_problem((tk_head_type)type, 9, 64, RANDOM, RANDOM);
      p.w[2 * 64 + 5] = bad[i];
      tk_head_pack((tk_head_type)type, p.w, 9, 64, 0, 9, p.codes, p.scales, p.errors, p.norms);
      check(p.errors[2] == INFINITY && p.norms[2] == INFINITY, "not finite", "row");
      check(p.errors[1] < 1 && p.errors[3] < 1, "not finite", "rows beside it");
      p.x[7] = bad[i];
      check(tk_head_round((tk_head_type)type, p.x, 64, p.q).scale == 0, "not finite", "state");
      free_problem(p);
    }
  }
}

int main(int argc, char **argv) {
  int named = argc - 1;
  char **names = argv + 1;
  const bool fewer = take_option("--fewer-shapes", &named, &names);
  const size_t count = tk_kernel_set_count();
  const tk_kernels *scalar = tk_kernel_set(count - 1);
  check_wanted_sets(named, names);
  check_not_finite();
  for (size_t i = 0; i < count; i++) {
    const tk_kernels *k = tk_kernel_set(i);
    if (!is_wanted_set(k, named, names)) {
      continue;
    }
    if (!tk_kernel_set_supported(k)) {
      printf("%s: not supported here\n", tk_kernel_set_name(k));
      continue;
    }
    // The margin is about products in full precision too.
    const bool dense = is_new(tk_dense_of(k), 0);
    for (tk_head_type type = 0; type < TK_HEAD_COUNT; type++) {
      const bool scan = is_new(tk_head_of(k, type), type);
      if (scan || dense) {
        if (is_stored(type)) {
          check_stored(k, scalar, type);
        } else {
          check_head(k, scalar, type, fewer);
        }
      }
      if (scan && type == TK_HEAD_INT8) {
        check_overflow(k, scalar);
      }
    }
    printf("%s: checked\n", tk_kernel_set_name(k));
    fflush(stdout);
  }
  printf("%zu passed, 0 failed\n", checks_passed);
  return 0;
}
