// The OpenBLAS baseline: float16 weights widened tile by tile, then cblas. Without TK_OPENBLAS
// every function says that it is unavailable.

#include <limits.h>
#include <string.h>

#include "kernels.h"

#ifdef TK_OPENBLAS

#include <cblas.h>

static bool fits(size_t rows, size_t columns, size_t batch) {
  return rows <= INT_MAX && columns <= INT_MAX && batch <= INT_MAX;
}

const char *tk_blas_version(void) { return openblas_get_config(); }

void tk_blas_set_threads(int threads) { openblas_set_num_threads(threads > 0 ? threads : 1); }

/// Rows [0, rows) of W times `batch` rows of x, into y with rows `y_stride` apart.
static void product(const float *w, size_t rows, size_t columns, const float *x, size_t batch,
                    float *y, size_t y_stride) {
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)batch, (int)rows, (int)columns, 1.0f, x,
              (int)columns, w, (int)columns, 0.0f, y, (int)y_stride);
}

bool tk_blas_gemv_f32(const float *w, size_t rows, size_t columns, const float *x, float *y) {
  if (!fits(rows, columns, 1)) {
    return false;
  }
  if (columns == 0) {
    memset(y, 0, rows * sizeof *y);
    return true;
  }
  cblas_sgemv(CblasRowMajor, CblasNoTrans, (int)rows, (int)columns, 1.0f, w, (int)columns, x, 1,
              0.0f, y, 1);
  return true;
}

bool tk_blas_gemv_f16(const tk_kernels *k, const uint16_t *w, size_t rows, size_t columns,
                      const float *x, float *tile, size_t tile_rows, float *y) {
  if (!fits(rows, columns, 1) || tile_rows == 0) {
    return false;
  }
  for (size_t r = 0; r < rows; r += tile_rows) {
    const size_t count = rows - r < tile_rows ? rows - r : tile_rows;
    tk_f16_to_f32(k, w + r * columns, count * columns, tile);
    tk_blas_gemv_f32(tile, count, columns, x, y + r);
  }
  return true;
}

bool tk_blas_gemm_f32(const float *w, size_t rows, size_t columns, const float *x, size_t batch,
                      float *y) {
  if (!fits(rows, columns, batch)) {
    return false;
  }
  if (columns == 0) {
    memset(y, 0, batch * rows * sizeof *y);
  } else if (rows > 0) {
    product(w, rows, columns, x, batch, y, rows);
  }
  return true;
}

bool tk_blas_gemm_f16(const tk_kernels *k, const uint16_t *w, size_t rows, size_t columns,
                      const float *x, size_t batch, float *tile, size_t tile_rows, float *y) {
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
    product(tile, count, columns, x, batch, y + r, rows);
  }
  return true;
}

#else

const char *tk_blas_version(void) { return NULL; }

void tk_blas_set_threads(int threads) { (void)threads; }

bool tk_blas_gemv_f32(const float *w, size_t rows, size_t columns, const float *x, float *y) {
  (void)w, (void)rows, (void)columns, (void)x, (void)y;
  return false;
}

bool tk_blas_gemv_f16(const tk_kernels *k, const uint16_t *w, size_t rows, size_t columns,
                      const float *x, float *tile, size_t tile_rows, float *y) {
  (void)k, (void)w, (void)rows, (void)columns, (void)x, (void)tile, (void)tile_rows, (void)y;
  return false;
}

bool tk_blas_gemm_f32(const float *w, size_t rows, size_t columns, const float *x, size_t batch,
                      float *y) {
  (void)w, (void)rows, (void)columns, (void)x, (void)batch, (void)y;
  return false;
}

bool tk_blas_gemm_f16(const tk_kernels *k, const uint16_t *w, size_t rows, size_t columns,
                      const float *x, size_t batch, float *tile, size_t tile_rows, float *y) {
  (void)k, (void)w, (void)rows, (void)columns, (void)x, (void)batch, (void)tile, (void)tile_rows;
  (void)y;
  return false;
}

#endif
