// The OpenBLAS baseline: float16 weights widened tile by tile, then cblas. The caller has loaded
// the library and passes its functions.

#include <limits.h>
#include <string.h>

#include "CTernaryKernels.h"

enum {
  // Values of CBLAS_ORDER and CBLAS_TRANSPOSE in cblas.h, which every cblas shares.
  ROW_MAJOR = 101,
  NO_TRANSPOSE = 111,
  TRANSPOSE = 112,
};

tk_blas_width tk_blas_cpu_width(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
    return TK_BLAS_PLAIN;
  }
  const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
                    __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512vl");
  return wide ? TK_BLAS_AVX512 : TK_BLAS_AVX2;
#else
  return TK_BLAS_PLAIN;
#endif
}

static bool fits(size_t rows, size_t columns, size_t batch) {
  return rows <= INT_MAX && columns <= INT_MAX && batch <= INT_MAX;
}

/// OpenMP counts threads for each thread that asks, so the library's own setting is not enough.
static void stay_on_this_thread(const tk_blas *blas) {
  if (blas->omp_set_num_threads) {
    blas->omp_set_num_threads(1);
  }
}

/// Rows [0, rows) of W times `batch` rows of x, into y with rows `y_stride` apart.
static void product(const tk_blas *blas, const float *w, size_t rows, size_t columns,
                    const float *x, size_t batch, float *y, size_t y_stride) {
  stay_on_this_thread(blas);
  blas->sgemm(ROW_MAJOR, NO_TRANSPOSE, TRANSPOSE, (int)batch, (int)rows, (int)columns, 1.0f, x,
              (int)columns, w, (int)columns, 0.0f, y, (int)y_stride);
}

bool tk_blas_gemv_f32(const tk_blas *blas, const float *w, size_t rows, size_t columns,
                      const float *x, float *y) {
  if (!fits(rows, columns, 1)) {
    return false;
  }
  if (columns == 0) {
    memset(y, 0, rows * sizeof *y);
    return true;
  }
  stay_on_this_thread(blas);
  blas->sgemv(ROW_MAJOR, NO_TRANSPOSE, (int)rows, (int)columns, 1.0f, w, (int)columns, x, 1, 0.0f,
              y, 1);
  return true;
}

bool tk_blas_gemv_f16(const tk_blas *blas, const tk_kernels *k, const uint16_t *w, size_t rows,
                      size_t columns, const float *x, float *tile, size_t tile_rows, float *y) {
  if (!fits(rows, columns, 1) || tile_rows == 0) {
    return false;
  }
  for (size_t r = 0; r < rows; r += tile_rows) {
    const size_t count = rows - r < tile_rows ? rows - r : tile_rows;
    tk_f16_to_f32(k, w + r * columns, count * columns, tile);
    tk_blas_gemv_f32(blas, tile, count, columns, x, y + r);
  }
  return true;
}

bool tk_blas_gemm_f32(const tk_blas *blas, const float *w, size_t rows, size_t columns,
                      const float *x, size_t batch, float *y) {
  if (!fits(rows, columns, batch)) {
    return false;
  }
  if (columns == 0) {
    memset(y, 0, batch * rows * sizeof *y);
  } else if (rows > 0) {
    product(blas, w, rows, columns, x, batch, y, rows);
  }
  return true;
}

bool tk_blas_gemm_f16(const tk_blas *blas, const tk_kernels *k, const uint16_t *w, size_t rows,
                      size_t columns, const float *x, size_t batch, float *tile, size_t tile_rows,
                      float *y) {
  if (!fits(rows, columns, batch) || tile_rows == 0) {
    return false;
  }
  if (columns == 0) {
    memset(y, 0, batch * rows * sizeof *y);
    return true;
  }
  for (size_t r = 0; r < rows; r += tile_rows) {
    const size_t count = rows - r < tile_rows ? rows - r : tile_rows;
    tk_f16_to_f32(k, w + r * columns, count * columns, tile);
    product(blas, tile, count, columns, x, batch, y + r, rows);
  }
  return true;
}
