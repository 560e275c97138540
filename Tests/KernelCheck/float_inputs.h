// What the checks of float kernels share: inputs of many kinds, and the comparison with scalar.

#ifndef TK_FLOAT_INPUTS_H
#define TK_FLOAT_INPUTS_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "CTernaryKernels.h"

typedef enum pattern { UNIFORM, SMALL, ZEROS, SPECIAL, NOT_FINITE, PATTERN_COUNT } pattern;

static FILE *dump; ///< NULL where nothing is to be written.
static size_t passed;
static const tk_kernels *scalar;
static uint64_t state;

static inline uint32_t next_random(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 32);
}

static inline void *allocate(size_t bytes) {
  void *p = malloc(bytes > 0 ? bytes : 1);
  if (p == NULL) {
    fprintf(stderr, "out of memory\n");
    exit(2);
  }
  return p;
}

static inline float value(pattern p) {
  static const float special[16] = {0.0f,     -0.0f,     1e-41f,  -1e-41f, 1e-30f, -1e-30f,
                                    3.4e38f,  -3.4e38f,  65504.f, 65520.f, 6e-8f,  2.9e-8f,
                                    88.7228f, -87.3365f, 1.0f,    -1.0f};
  static const float not_finite[4] = {INFINITY, -INFINITY, NAN, -NAN};
  const uint32_t bits = next_random();
  const float uniform = (float)(int32_t)bits * 0x1p-31f;
  switch (p) {
  case UNIFORM:
    return uniform * 4.0f;
  case SMALL:
    return uniform * 0x1p-60f;
  case ZEROS:
    return bits & 1 ? -0.0f : 0.0f;
  case SPECIAL:
    return special[bits >> 28];
  default:
    return bits >> 29 == 0 ? not_finite[bits & 3] : uniform * 100.0f;
  }
}

static inline float *floats(size_t n, pattern p) {
  float *x = allocate(n * sizeof *x);
  for (size_t i = 0; i < n; i++) {
    x[i] = value(p);
  }
  return x;
}

static inline float *copy(const float *x, size_t n) {
  float *y = allocate(n * sizeof *y);
  memcpy(y, x, n * sizeof *y);
  return y;
}

// -- Comparison -----------------------------------------------------------------------------------

static inline void record(const float *x, size_t n) {
  for (size_t i = 0; dump != NULL && i < n; i++) {
    const float out = isnan(x[i]) ? NAN : x[i];
    if (fwrite(&out, sizeof out, 1, dump) != 1) {
      fprintf(stderr, "the dump cannot be written\n");
      exit(2);
    }
  }
}

static inline void expect_same(const tk_kernels *k, const char *kernel, const char *shape,
                               const float *a, const float *b, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (memcmp(&a[i], &b[i], sizeof a[i]) != 0 && !(isnan(a[i]) && isnan(b[i]))) {
      printf("%s %s (%s): element %zu is %a, scalar gives %a\n", tk_kernel_set_name(k), kernel,
             shape, i, (double)a[i], (double)b[i]);
      exit(1);
    }
  }
  record(b, n);
  record(a, n);
  passed++;
}

#endif
