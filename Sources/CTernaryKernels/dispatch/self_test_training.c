// The training half of tk_self_test: every kernel of a set against scalar, bit for bit, on small
// inputs with tails in every direction.

#include "dispatch/self_test.h"

enum { COUNT = 53, ROWS = 13, DEPTH = 11, COLUMNS = 41, PACKED = 64 * DEPTH, DOTS = 32 };

static void fill(float *x, size_t n, uint32_t state) {
  for (size_t i = 0; i < n; i++) {
    state = state * 1664525u + 1013904223u;
    x[i] = (float)(int32_t)state * 0x1p-30f;
  }
}

static bool same(const float *a, const float *b, size_t n) {
  return memcmp(a, b, n * sizeof *a) == 0;
}

static bool pack_agrees(const tk_kernels *k, const tk_kernels *scalar) {
  float x[DEPTH * COLUMNS], factors[DEPTH], scales[DEPTH], a[PACKED], b[PACKED];
  fill(x, DEPTH * COLUMNS, 1);
  for (size_t i = 0; i < DEPTH; i++) {
    factors[i] = 0.25f * (float)(i + 1);
    scales[i] = 1.0f / factors[i];
  }
  for (int source = TK_SOURCE_F32; source <= TK_SOURCE_TERNARY; source++) {
    const size_t stride = source == TK_SOURCE_F32_TRANSPOSED ? DEPTH : COLUMNS;
    const tk_factor f = {(tk_source)source, x, stride, DEPTH, COLUMNS, scales, factors};
    tk_training_of(k)->pack_factor(&f, 0, DEPTH, a);
    tk_training_of(scalar)->pack_factor(&f, 0, DEPTH, b);
    if (!same(a, b, PACKED)) {
      return false;
    }
  }
  return true;
}

static bool product_agrees(const tk_kernels *k, const tk_kernels *scalar) {
  float x[ROWS * DEPTH], packed[PACKED], a[ROWS * COLUMNS], b[ROWS * COLUMNS];
  float scratch[2048];
  fill(x, ROWS * DEPTH, 2);
  fill(packed, PACKED, 3);
  for (int transposed = 0; transposed < 2; transposed++) {
    fill(a, ROWS * COLUMNS, 4);
    fill(b, ROWS * COLUMNS, 4);
    tk_product p = {.a = x,
                    .a_stride = transposed ? ROWS : DEPTH,
                    .a_is_transposed = transposed,
                    .b = packed,
                    .b_depth = DEPTH,
                    .depth = DEPTH,
                    .columns = COLUMNS,
                    .c = a,
                    .c_stride = COLUMNS,
                    .accumulate = transposed};
    tk_training_of(k)->product(&p, 0, ROWS, scratch);
    p.c = b;
    tk_training_of(scalar)->product(&p, 0, ROWS, scratch);
    if (!same(a, b, ROWS * COLUMNS)) {
      return false;
    }
  }
  return true;
}

static bool dots_agree(const tk_kernels *k, const tk_kernels *scalar) {
  float x[5 * DOTS], w[7 * DOTS], a[5 * 7], b[5 * 7];
  fill(x, 5 * DOTS, 5);
  fill(w, 7 * DOTS, 6);
  tk_training_of(k)->dot_products(x, DOTS, 5, w, DOTS, 0, 7, a, 7);
  tk_training_of(scalar)->dot_products(x, DOTS, 5, w, DOTS, 0, 7, b, 7);
  return same(a, b, 5 * 7);
}

static bool gradients_agree(const tk_kernels *k, const tk_kernels *scalar) {
  const tk_kernels *sets[2] = {k, scalar};
  float out[2][6][COUNT];
  float x[COUNT], weight[COUNT], dy[COUNT];
  fill(x, COUNT, 7);
  fill(weight, COUNT, 8);
  fill(dy, COUNT, 9);
  for (size_t i = 0; i < 2; i++) {
    const tk_training_kernels *kernels = tk_training_of(sets[i]);
    fill(out[i][0], sizeof out[i] / sizeof(float), 10);
    kernels->rms_norm_backward(x, weight, dy, COUNT, 1e-5f, out[i][0], out[i][1]);
    kernels->relu2_mul_backward(x, weight, dy, COUNT, out[i][2], out[i][3]);
    kernels->softmax_backward(x, out[i][4], COUNT, 0.125f);
    kernels->scale(out[i][5], COUNT, kernels->maximum(x, COUNT));
    out[i][5][0] += (float)kernels->sum_of_squares(dy, COUNT);
  }
  return same(out[0][0], out[1][0], 6 * COUNT);
}

static bool adamw_agrees(const tk_kernels *k, const tk_kernels *scalar) {
  const tk_kernels *sets[2] = {k, scalar};
  const tk_adamw step = {0.5f, 0.999f, 0.9f, 0.95f, 1e-3f, 1.5f, 1e-8f};
  float out[2][3][COUNT], gradient[COUNT];
  fill(gradient, COUNT, 11);
  for (size_t i = 0; i < 2; i++) {
    fill(out[i][0], 3 * COUNT, 12);
    for (size_t j = 0; j < COUNT; j++) {
      out[i][2][j] *= out[i][2][j];
    }
    tk_training_of(sets[i])->adamw(&step, gradient, COUNT, out[i][0], out[i][1], out[i][2]);
  }
  return same(out[0][0], out[1][0], 3 * COUNT);
}

const char *tk_self_test_training(const tk_kernels *k, const tk_kernels *scalar) {
  if (!pack_agrees(k, scalar)) {
    return "tk_pack_factor";
  }
  if (!product_agrees(k, scalar)) {
    return "tk_training_product";
  }
  if (!dots_agree(k, scalar)) {
    return "tk_dot_products";
  }
  if (!gradients_agree(k, scalar)) {
    return "a gradient kernel";
  }
  return adamw_agrees(k, scalar) ? NULL : "tk_adamw_step";
}
