// Checks the kernels that skip zeros, of every kernel set that this CPU supports, against plain
// loops over the trits. Plain C, so that it also runs under an emulator (ternary_check.c says how).
//
// Given names of sets, it checks only those, and fails if one of them cannot run here. With
// `--fewer-shapes` it takes every size with some others only, not with all of them.
//
// Usage: sparse_check [--fewer-shapes] [SET...]

#include "CTernaryKernels.h"
#include "check.h"
#include "sets.h"

#include <math.h>

static const size_t sizes[] = {1, 3, 31, 32, 33, 127, 128, 129, 160, 161, 321, 700};
enum { SIZES = sizeof sizes / sizeof *sizes };

/// How a list is made.
typedef enum choice { ALL, NONE, ONE, LAST, THREE, FIVE, SOME, MOST, CHOICES } choice;

static size_t choose(choice how, size_t n, uint64_t *state, int32_t *list) {
  size_t count = 0;
  for (size_t i = 0; i < n; i++) {
    int draw = random_int(state, 0, 99);
    if (how == ALL || (how == ONE && i == n / 2) || (how == LAST && i == n - 1) ||
        (how == THREE && i < 3) || (how == FIVE && i + 5 >= n) || (how == SOME && draw < 15) ||
        (how == MOST && draw < 85)) {
      list[count++] = (int32_t)i;
    }
  }
  return count;
}

/// W[rows, columns] by rows, by columns and as trits, and one activation row for each of the two.
typedef struct problem {
  size_t rows, columns;
  tk_layout layout;
  int8_t *trits;
  uint8_t *by_rows, *by_columns;
  int8_t *q; ///< `columns` values and the padding.
  char detail[160];
} problem;

/// `extreme` is the activation of all columns, each of which has only ones; 0 stands for random.
static problem make_problem(const tk_kernels *k, tk_layout layout, size_t rows, size_t columns,
                            int extreme) {
  uint64_t state = rows * 1009 + columns;
  problem p = {.rows = rows, .columns = columns, .layout = layout};
  p.trits = allocate(rows * columns);
  for (size_t i = 0; i < rows * columns; i++) {
    p.trits[i] = (int8_t)(extreme ? 1 : random_int(&state, -1, 1));
  }
  p.by_rows = allocate(tk_strands_size(layout, rows, columns));
  p.by_columns = allocate(tk_strands_size(layout, columns, rows));
  // Two calls each, as two threads would.
  size_t half = rows / 2, block = rows / 2 / tk_block_columns(layout) * tk_block_columns(layout);
  tk_pack_rows(layout, p.trits, columns, 0, half, p.by_rows);
  tk_pack_rows(layout, p.trits + half * columns, columns, half, rows, p.by_rows);
  tk_pack_columns(layout, p.trits, rows, columns, 0, block, p.by_columns);
  tk_pack_columns(layout, p.trits + block * columns, rows, columns, block, rows, p.by_columns);
  p.q = allocate(columns + TK_ACTIVATION_PADDING);
  for (size_t c = 0; c < columns; c++) {
    p.q[c] = (int8_t)(extreme ? extreme : random_int(&state, -127, 127));
  }
  snprintf(p.detail, sizeof p.detail, "%s %s, %zu x %zu, extreme %d", tk_kernel_set_name(k),
           tk_layout_name(layout), rows, columns, extreme);
  return p;
}

static void free_problem(problem p) {
  free(p.trits);
  free(p.by_rows);
  free(p.by_columns);
  free(p.q);
}

static void check_packing(const problem *p) {
  tk_strands rows = {p->by_rows, p->rows, p->columns, p->layout};
  tk_strands columns = {p->by_columns, p->columns, p->rows, p->layout};
  size_t begin = p->rows / 3, count = p->rows - begin;
  int8_t *trits = allocate(count * p->columns);
  tk_unpack_rows(&rows, begin, p->rows, trits);
  check_same(p->trits + begin * p->columns, trits, count * p->columns, 1, "unpack rows", p->detail);
  memset(trits, 9, count * p->columns);
  tk_unpack_columns(&columns, begin, p->rows, trits);
  check_same(p->trits + begin * p->columns, trits, count * p->columns, 1, "unpack columns",
             p->detail);
  free(trits);
}

static void check_tiles(const tk_kernels *k, const problem *p) {
  tk_strands rows = {p->by_rows, p->rows, p->columns, p->layout};
  tk_strands columns = {p->by_columns, p->columns, p->rows, p->layout};
  size_t block = tk_block_columns(p->layout), starts[2] = {0, p->rows / 2 / block * block};
  for (size_t s = 0; s < 2; s++) {
    for (int by_columns = 0; by_columns < 2; by_columns++) {
      size_t begin = starts[s], count = p->rows - begin;
      tk_layout layout = by_columns ? TK_LAYOUT_T2 : p->layout;
      guarded expected = guarded_allocate(tk_packed_size(layout, count, p->columns), 0);
      guarded tiles = guarded_allocate(expected.bytes, 0);
      tk_pack(layout, p->trits + begin * p->columns, count, p->columns, 0, count, expected.data);
      if (by_columns) {
        tk_tile_columns(k, &columns, begin, p->rows, tiles.data);
      } else {
        tk_tile_rows(&rows, begin, p->rows, tiles.data);
      }
      check_same(expected.data, tiles.data, tiles.bytes, 1,
                 by_columns ? "tile columns" : "tile rows", p->detail);
      guarded_free(expected, "pack writes outside its range", p->detail);
      guarded_free(tiles, "tiles are written outside their range", p->detail);
    }
  }
}

static int32_t product(const problem *p, size_t row, const int32_t *list, size_t count) {
  int32_t total = 0;
  for (size_t i = 0; i < count; i++) {
    total += p->trits[row * p->columns + (size_t)list[i]] * p->q[list[i]];
  }
  return total;
}

/// Without a list where `how` is ALL.
static void check_rows(const tk_kernels *k, const problem *p, choice how, uint64_t *state) {
  tk_strands w = {p->by_rows, p->rows, p->columns, p->layout};
  int32_t *list = allocate(p->rows * sizeof *list), *every = allocate(p->columns * sizeof *every);
  size_t count = choose(how, p->rows, state, list), all = choose(ALL, p->columns, state, every);
  int32_t sum = 0;
  for (size_t c = 0; c < p->columns; c++) {
    sum += p->q[c];
  }
  int32_t *expected = allocate(p->rows * sizeof *expected);
  memset(expected, GUARD, p->rows * sizeof *expected);
  size_t begin = how == THREE || how == FIVE ? 0 : count / 3;
  for (size_t i = begin; i < count; i++) {
    expected[list[i]] = product(p, (size_t)list[i], every, all);
  }
  guarded y = guarded_allocate(p->rows * sizeof *expected, 0);
  tk_gemv_rows(k, &w, p->q, sum, how == ALL ? NULL : list, begin, count, (int32_t *)y.data);
  check_same(expected, y.data, p->rows, sizeof *expected, "gemv by rows", p->detail);
  guarded_free(y, "gemv by rows writes outside its range", p->detail);
  free(list);
  free(every);
  free(expected);
}

static void check_columns(const tk_kernels *k, const problem *p, choice how, uint64_t *state) {
  tk_strands w = {p->by_columns, p->columns, p->rows, p->layout};
  int32_t *list = allocate(p->columns * sizeof *list);
  size_t count = choose(how, p->columns, state, list), block = tk_block_columns(p->layout);
  int32_t sum = 0;
  for (size_t i = 0; i < count; i++) {
    sum += p->q[list[i]];
  }
  for (int part = 0; part < 3; part++) {
    size_t begin = part == 2 ? p->rows / 2 / block * block : 0;
    size_t end = part == 1 ? p->rows / 2 / block * block : p->rows;
    int32_t *expected = allocate((end - begin) * sizeof *expected);
    for (size_t r = begin; r < end; r++) {
      expected[r - begin] = product(p, r, list, count);
    }
    guarded y = guarded_allocate((end - begin) * sizeof *expected, 0);
    tk_gemv_columns(k, &w, p->q, sum, how == ALL ? NULL : list, count, begin, end,
                    (int32_t *)y.data);
    check_same(expected, y.data, end - begin, sizeof *expected, "gemv by columns", p->detail);
    guarded_free(y, "gemv by columns writes outside its range", p->detail);
    free(expected);
  }
  free(list);
}

static void check_lists(const tk_kernels *k) {
  uint64_t state = 5;
  for (size_t s = 0; s < SIZES; s++) {
    for (int share = 0; share <= 100; share += 25) {
      size_t n = sizes[s], active = 0, nonzero = 0;
      float *x = allocate(n * sizeof *x);
      int8_t *q = allocate(n + TK_ACTIVATION_PADDING);
      int32_t *positive = allocate(n * sizeof *positive), *set = allocate(n * sizeof *set);
      for (size_t i = 0; i < n; i++) {
        bool zero = random_int(&state, 1, 100) <= share;
        int kind = random_int(&state, 0, 9);
        x[i] = zero ? (kind == 0  ? -INFINITY
                       : kind < 4 ? -0.0f
                       : kind < 7 ? 0.0f
                                  : -1.5f)
                    : (kind == 0   ? NAN
                       : kind == 1 ? INFINITY
                       : kind == 2 ? 1e-45f
                                   : 2.0f);
        q[i] = (int8_t)(zero ? 0 : random_int(&state, 1, 127) * (kind % 2 ? 1 : -1));
        if (!zero) {
          positive[active++] = (int32_t)i;
          set[nonzero++] = (int32_t)i;
        }
      }
      q[n] = 1; // must not be counted, whatever follows
      int32_t *list = allocate(tk_list_size(n) * sizeof *list);
      check(tk_active(k, x, n, list) == active, "active: count", tk_kernel_set_name(k));
      check_same(positive, list, active, sizeof *list, "active", tk_kernel_set_name(k));
      check(tk_nonzero(k, q, n, list) == nonzero, "nonzero: count", tk_kernel_set_name(k));
      check_same(set, list, nonzero, sizeof *list, "nonzero", tk_kernel_set_name(k));
      free(x);
      free(q);
      free(positive);
      free(set);
      free(list);
    }
  }
}

static void check_problem(const tk_kernels *k, tk_layout layout, size_t rows, size_t columns,
                          int extreme, bool tiles, uint64_t *state) {
  problem p = make_problem(k, layout, rows, columns, extreme);
  check_packing(&p);
  if (tiles) {
    check_tiles(k, &p);
  }
  for (int how = 0; how < CHOICES; how++) {
    check_rows(k, &p, (choice)how, state);
    check_columns(k, &p, (choice)how, state);
  }
  free_problem(p);
}

static void check_shapes(const tk_kernels *k, tk_layout layout, bool fewer, bool tiles,
                         uint64_t *state) {
  for (size_t r = 0; r < SIZES; r++) {
    for (size_t c = 0; c < SIZES; c++) {
      int extreme = (r + c) % 4 == 0 ? ((r + c) % 8 == 0 ? -127 : 127) : 0;
      if (!fewer || (r + c) % 3 == 0) {
        check_problem(k, layout, sizes[r], sizes[c], extreme, tiles, state);
      }
    }
  }
}

/// Where kernels take a matrix in parts: many blocks of rows, many columns, and more of them than
/// 32-bit sums of masked fields can take.
static void check_parts(const tk_kernels *k, tk_layout layout, bool tiles, uint64_t *state) {
  check_problem(k, layout, 5201, 9, 0, tiles, state);
  check_problem(k, layout, 3, 100003, 127, false, state);
}

/// The longest rows there are, of ones, times the largest activations.
static void check_longest_row(const tk_kernels *k, tk_layout layout) {
  enum { COLUMNS = TK_MAX_COLUMNS };
  int8_t *trits = allocate(COLUMNS), *q = allocate(COLUMNS + TK_ACTIVATION_PADDING);
  uint8_t *packed = allocate(tk_strands_size(layout, 1, COLUMNS));
  memset(trits, 1, COLUMNS);
  tk_pack_rows(layout, trits, COLUMNS, 0, 1, packed);
  tk_strands w = {packed, 1, COLUMNS, layout};
  for (int sign = -1; sign <= 1; sign += 2) {
    const int32_t expected = sign * 127 * COLUMNS;
    int32_t y = 0;
    memset(q, sign * 127, COLUMNS);
    tk_gemv_rows(k, &w, q, expected, NULL, 0, 1, &y);
    check_same(&expected, &y, 1, sizeof y, "gemv of the longest row", tk_kernel_set_name(k));
  }
  free(trits);
  free(q);
  free(packed);
}

int main(int argc, char **argv) {
  int named = argc - 1;
  char **names = argv + 1;
  const bool fewer = take_option("--fewer-shapes", &named, &names);
  check_wanted_sets(named, names);
  uint64_t state = 7;
  for (size_t i = 0; i < tk_kernel_set_count(); i++) {
    const tk_kernels *k = tk_kernel_set(i);
    if (!is_wanted_set(k, named, names)) {
      continue;
    }
    if (!tk_kernel_set_supported(k)) {
      printf("%s: not supported here\n", tk_kernel_set_name(k));
      continue;
    }
    if (is_new(tk_lists_of(k), 0)) {
      check_lists(k);
    }
    const bool tiles = is_new(tk_split_of(k), 0);
    for (tk_layout layout = 0; layout < TK_LAYOUT_COUNT; layout++) {
      if (!tk_has_strands(layout)) {
        continue;
      }
      const bool products = is_new(tk_sparse_of(k, layout), layout);
      if (!products && !tiles) {
        continue;
      }
      check_shapes(k, layout, fewer, tiles, &state);
      check_parts(k, layout, tiles, &state);
      check_longest_row(k, layout);
    }
    printf("%s: checked\n", tk_kernel_set_name(k));
    fflush(stdout);
  }
  printf("%zu passed, 0 failed\n", checks_passed);
  return 0;
}
