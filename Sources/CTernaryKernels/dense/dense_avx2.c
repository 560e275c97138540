// AVX2 dense GEMV: four rows at a time share the loads of x and give eight chains of fma, which
// hides its latency; each row has its own 16 lanes, in the order of dense_scalar.c.

#if defined(__x86_64__)

#include "dense/dense.h"
#include "float/float_avx2.h"

#pragma clang fp contract(off)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

enum { ROWS = 4 };

static inline __m256 broadcast_half(const uint8_t *p) {
  uint16_t half;
  memcpy(&half, p, sizeof half);
  return _mm256_set1_ps(_cvtsh_ss(half));
}

/// Eight int8 as floats.
static inline __m256 widen8(const void *p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(p)));
}

/// 16 weights of a row from column c on, decoded as tk_decode does; `type` is a constant where this
/// is inlined.
static inline __attribute__((always_inline)) void decode16(tk_type type, const uint8_t *row,
                                                           size_t c, __m256 *low, __m256 *high) {
  if (type == TK_F32) {
    *low = _mm256_loadu_ps((const float *)(row + 4 * c));
    *high = _mm256_loadu_ps((const float *)(row + 4 * c + 32));
  } else if (type == TK_F16) {
    *low = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(row + 2 * c)));
    *high = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(row + 2 * c + 16)));
  } else { // TK_BF16
    const __m128i a = _mm_loadu_si128((const __m128i *)(row + 2 * c));
    const __m128i b = _mm_loadu_si128((const __m128i *)(row + 2 * c + 16));
    *low = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(a), 16));
    *high = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(b), 16));
  }
}

static inline __attribute__((always_inline)) __m128 dot4(tk_type type,
                                                         const uint8_t *const rows[ROWS],
                                                         size_t columns, const float *x) {
  __m256 low[ROWS];
  __m256 high[ROWS];
  for (int r = 0; r < ROWS; r++) {
    low[r] = high[r] = _mm256_setzero_ps();
  }
  for (size_t c = 0; c < columns; c += 16) {
    const __m256 x0 = _mm256_loadu_ps(x + c);
    const __m256 x1 = _mm256_loadu_ps(x + c + 8);
    for (int r = 0; r < ROWS; r++) {
      __m256 w0;
      __m256 w1;
      decode16(type, rows[r], c, &w0, &w1);
      low[r] = _mm256_fmadd_ps(w0, x0, low[r]);
      high[r] = _mm256_fmadd_ps(w1, x1, high[r]);
    }
  }
  return tk_lane_sums4(low, high);
}

/// Four rows share the loads of x. Products of d and a code are exact.
static inline __m128 dot4_q8_0(const uint8_t *const rows[ROWS], size_t columns, const float *x) {
  __m256 low[ROWS];
  __m256 high[ROWS];
  for (int r = 0; r < ROWS; r++) {
    low[r] = high[r] = _mm256_setzero_ps();
  }
  for (size_t c = 0, offset = 0; c < columns; c += 32, offset += 34) {
    tk_prefetch_rows(rows, ROWS, offset, 34);
    const __m256 x0 = _mm256_loadu_ps(x + c);
    const __m256 x1 = _mm256_loadu_ps(x + c + 8);
    const __m256 x2 = _mm256_loadu_ps(x + c + 16);
    const __m256 x3 = _mm256_loadu_ps(x + c + 24);
    for (int r = 0; r < ROWS; r++) {
      const uint8_t *block = rows[r] + offset;
      const __m256 d = broadcast_half(block);
      low[r] = _mm256_fmadd_ps(_mm256_mul_ps(widen8(block + 2), d), x0, low[r]);
      high[r] = _mm256_fmadd_ps(_mm256_mul_ps(widen8(block + 10), d), x1, high[r]);
      low[r] = _mm256_fmadd_ps(_mm256_mul_ps(widen8(block + 18), d), x2, low[r]);
      high[r] = _mm256_fmadd_ps(_mm256_mul_ps(widen8(block + 26), d), x3, high[r]);
    }
  }
  return tk_lane_sums4(low, high);
}

/// Codes - 32 of half `h` (128 weights) of a Q6_K block, in column order.
static inline void unpack_q6_k(const uint8_t *block, size_t h, int8_t codes[128]) {
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i pair = _mm256_set1_epi8(0x30);
  const __m256i a = _mm256_loadu_si256((const __m256i *)(block + 64 * h));
  const __m256i b = _mm256_loadu_si256((const __m256i *)(block + 64 * h + 32));
  const __m256i high = _mm256_loadu_si256((const __m256i *)(block + 128 + 32 * h));
  const __m256i low_bits[4] = {a, b, _mm256_srli_epi16(a, 4), _mm256_srli_epi16(b, 4)};
  const __m256i high_bits[4] = {_mm256_slli_epi16(high, 4), _mm256_slli_epi16(high, 2), high,
                                _mm256_srli_epi16(high, 2)};
  for (int quarter = 0; quarter < 4; quarter++) {
    const __m256i code = _mm256_or_si256(_mm256_and_si256(low_bits[quarter], nibble),
                                         _mm256_and_si256(high_bits[quarter], pair));
    _mm256_storeu_si256((__m256i *)(codes + 32 * quarter),
                        _mm256_sub_epi8(code, _mm256_set1_epi8(32)));
  }
}

/// d * scale for the 16 sub-blocks of a Q6_K block: exact.
static inline void scale_q6_k(const uint8_t *block, float scales[16]) {
  const __m256 d = broadcast_half(block + 208);
  _mm256_storeu_ps(scales, _mm256_mul_ps(d, widen8(block + 192)));
  _mm256_storeu_ps(scales + 8, _mm256_mul_ps(d, widen8(block + 200)));
}

/// dot4 for Q6_K: codes go through a buffer on the stack, which is cheaper than moving 8 bytes at a
/// time between register halves. (d * scale) * code is rounded once, as in tk_decode.
static inline __m128 dot4_q6_k(const uint8_t *const rows[ROWS], size_t columns, const float *x) {
  __m256 low[ROWS];
  __m256 high[ROWS];
  for (int r = 0; r < ROWS; r++) {
    low[r] = high[r] = _mm256_setzero_ps();
  }
  for (size_t c = 0; c < columns; c += 128) {
    const size_t offset = c / 256 * 210;
    const size_t h = c / 128 % 2;
    int8_t codes[ROWS][128];
    float scales[ROWS][16];
    tk_prefetch_rows(rows, ROWS, offset + 105 * h, 105);
    for (int r = 0; r < ROWS; r++) {
      unpack_q6_k(rows[r] + offset, h, codes[r]);
      scale_q6_k(rows[r] + offset, scales[r]);
    }
    for (size_t j = 0; j < 8; j++) {
      const __m256 x0 = _mm256_loadu_ps(x + c + 16 * j);
      const __m256 x1 = _mm256_loadu_ps(x + c + 16 * j + 8);
      for (int r = 0; r < ROWS; r++) {
        const __m256 scale = _mm256_broadcast_ss(&scales[r][8 * h + j]);
        const __m256 w0 = _mm256_mul_ps(scale, widen8(codes[r] + 16 * j));
        const __m256 w1 = _mm256_mul_ps(scale, widen8(codes[r] + 16 * j + 8));
        low[r] = _mm256_fmadd_ps(w0, x0, low[r]);
        high[r] = _mm256_fmadd_ps(w1, x1, high[r]);
      }
    }
  }
  return tk_lane_sums4(low, high);
}

static inline __attribute__((always_inline)) void gemv(tk_type type, const uint8_t *data,
                                                       size_t columns, const float *x,
                                                       size_t row_begin, size_t row_end, float *y) {
  const size_t bytes = columns / tk_type_block_size(type) * tk_type_block_bytes(type);
  for (size_t first = row_begin; first < row_end; first += ROWS) {
    // Rows past the last repeat it.
    const uint8_t *rows[ROWS];
    for (size_t r = 0; r < ROWS; r++) {
      rows[r] = data + (first + r < row_end ? first + r : row_end - 1) * bytes;
    }
    float sums[ROWS];
    _mm_storeu_ps(sums, type == TK_Q8_0   ? dot4_q8_0(rows, columns, x)
                        : type == TK_Q6_K ? dot4_q6_k(rows, columns, x)
                                          : dot4(type, rows, columns, x));
    const size_t count = row_end - first < ROWS ? row_end - first : ROWS;
    memcpy(y + (first - row_begin), sums, count * sizeof *y);
  }
}

static void dense_gemv(tk_type type, const void *data, size_t columns, const float *x,
                       size_t row_begin, size_t row_end, float *y) {
  switch (type) {
  case TK_F32:
    gemv(TK_F32, data, columns, x, row_begin, row_end, y);
    break;
  case TK_F16:
    gemv(TK_F16, data, columns, x, row_begin, row_end, y);
    break;
  case TK_BF16:
    gemv(TK_BF16, data, columns, x, row_begin, row_end, y);
    break;
  case TK_Q8_0:
    gemv(TK_Q8_0, data, columns, x, row_begin, row_end, y);
    break;
  case TK_Q6_K:
    gemv(TK_Q6_K, data, columns, x, row_begin, row_end, y);
    break;
  case TK_Q4_0:
    tk_dense_gemv_q4_0_avx2(type, data, columns, x, row_begin, row_end, y);
    break;
  case TK_Q4_1:
  case TK_Q5_0:
  case TK_Q5_1:
  case TK_Q4_K:
  case TK_Q5_K:
  case TK_IQ4_NL:
  case TK_TQ1_0:
  case TK_TQ2_0:
  case TK_Q2_0:
  case TK_Q2_0_128:
  case TK_IQ1_BN:
  case TK_IQ2_BN:
  case TK_IQ2_BN_R4:
    tk_dense_scalar.gemv(type, data, columns, x, row_begin, row_end, y);
    break;
  }
}

const tk_dense_kernels tk_dense_avx2 = {dense_gemv};

#pragma clang attribute pop

#endif
