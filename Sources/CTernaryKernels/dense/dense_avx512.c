// AVX-512 dense GEMV: four rows at a time share the loads of x and give four chains of fma; each
// row has its own 16 lanes, one vector, in the order of dense_scalar.c.

#if defined(__x86_64__)

#include "dense/dense.h"
#include "float/float_avx512.h"

#pragma clang fp contract(off)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,"           \
                                                   "avx2,fma,f16c"))),                             \
                             apply_to = function)

enum { ROWS = 4 };

static inline __m512 broadcast_half(const uint8_t *p) {
  uint16_t half;
  memcpy(&half, p, sizeof half);
  return _mm512_set1_ps(_cvtsh_ss(half));
}

/// 16 int8 as floats.
static inline __m512 widen16(const void *p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}

/// 16 weights of a row from column c on; `type` is a constant where this is inlined.
static inline __attribute__((always_inline)) __m512 plain16(tk_type type, const uint8_t *row,
                                                            size_t c) {
  if (type == TK_F32) {
    return _mm512_loadu_ps((const float *)(row + 4 * c));
  }
  const __m256i half = _mm256_loadu_si256((const __m256i *)(row + 2 * c));
  if (type == TK_F16) {
    return _mm512_cvtph_ps(half);
  }
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

static inline __attribute__((always_inline)) void dot4_plain(tk_type type,
                                                             const uint8_t *const rows[ROWS],
                                                             size_t columns, const float *x,
                                                             __m512 lanes[ROWS]) {
  for (size_t c = 0; c < columns; c += 16) {
    const __m512 x0 = _mm512_loadu_ps(x + c);
    for (int r = 0; r < ROWS; r++) {
      lanes[r] = _mm512_fmadd_ps(plain16(type, rows[r], c), x0, lanes[r]);
    }
  }
}

/// Products of d and a code are exact.
static inline void dot4_q8_0(const uint8_t *const rows[ROWS], size_t columns, const float *x,
                             __m512 lanes[ROWS]) {
  for (size_t c = 0, offset = 0; c < columns; c += 32, offset += 34) {
    tk_prefetch_rows(rows, ROWS, offset, 34);
    const __m512 x0 = _mm512_loadu_ps(x + c);
    const __m512 x1 = _mm512_loadu_ps(x + c + 16);
    for (int r = 0; r < ROWS; r++) {
      const uint8_t *block = rows[r] + offset;
      const __m512 d = broadcast_half(block);
      lanes[r] = _mm512_fmadd_ps(_mm512_mul_ps(widen16(block + 2), d), x0, lanes[r]);
      lanes[r] = _mm512_fmadd_ps(_mm512_mul_ps(widen16(block + 18), d), x1, lanes[r]);
    }
  }
}

/// The 16 values of a block's codes are a table in one vector; vpermps looks up by the low four
/// bits of each lane.
static inline void dot4_q4_0(const uint8_t *const rows[ROWS], size_t columns, const float *x,
                             __m512 lanes[ROWS]) {
  const __m512 codes = _mm512_setr_ps(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7);
  for (size_t c = 0, offset = 0; c < columns; c += 32, offset += 18) {
    tk_prefetch_rows(rows, ROWS, offset, 18);
    const __m512 x0 = _mm512_loadu_ps(x + c);
    const __m512 x1 = _mm512_loadu_ps(x + c + 16);
    for (int r = 0; r < ROWS; r++) {
      const uint8_t *block = rows[r] + offset;
      const __m512 table = _mm512_mul_ps(codes, broadcast_half(block));
      const __m512i i = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(block + 2)));
      lanes[r] = _mm512_fmadd_ps(_mm512_permutexvar_ps(i, table), x0, lanes[r]);
      const __m512i j = _mm512_srli_epi32(i, 4);
      lanes[r] = _mm512_fmadd_ps(_mm512_permutexvar_ps(j, table), x1, lanes[r]);
    }
  }
}

/// Codes - 32 of half `h` (128 weights) of a Q6_K block, in column order.
static inline void unpack_q6_k(const uint8_t *block, size_t h, int8_t codes[128]) {
  // Lower and upper half: weights 0-31 and 32-63, or 64-95 and 96-127.
  const __m512i low = _mm512_loadu_si512(block + 64 * h);
  const __m512i high =
      _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)(block + 128 + 32 * h)));
  const __m512i nibble = _mm512_set1_epi8(15);
  const __m512i pair = _mm512_set1_epi8(0x30);
  const __m512i offset = _mm512_set1_epi8(32);
  const __m512i left = _mm512_setr_epi64(4, 4, 4, 4, 2, 2, 2, 2);
  const __m512i right = _mm512_setr_epi64(0, 0, 0, 0, 2, 2, 2, 2);
  const __m512i first = _mm512_or_si512(_mm512_and_si512(low, nibble),
                                        _mm512_and_si512(_mm512_sllv_epi64(high, left), pair));
  const __m512i second = _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi16(low, 4), nibble),
                                         _mm512_and_si512(_mm512_srlv_epi64(high, right), pair));
  _mm512_storeu_si512(codes, _mm512_sub_epi8(first, offset));
  _mm512_storeu_si512(codes + 64, _mm512_sub_epi8(second, offset));
}

/// d * scale is exact; times a code it is rounded once, as in tk_decode. Codes go through a buffer
/// on the stack, from where vpmovsxbd takes 16 at a time.
static inline void dot4_q6_k(const uint8_t *const rows[ROWS], size_t columns, const float *x,
                             __m512 lanes[ROWS]) {
  for (size_t c = 0; c < columns; c += 128) {
    const size_t offset = c / 256 * 210;
    const size_t h = c / 128 % 2;
    tk_prefetch_rows(rows, ROWS, offset + 105 * h, 105);
    int8_t codes[ROWS][128];
    float scales[ROWS][16];
    for (int r = 0; r < ROWS; r++) {
      const uint8_t *block = rows[r] + offset;
      unpack_q6_k(block, h, codes[r]);
      _mm512_storeu_ps(scales[r], _mm512_mul_ps(broadcast_half(block + 208), widen16(block + 192)));
    }
    for (size_t j = 0; j < 8; j++) {
      const __m512 x0 = _mm512_loadu_ps(x + c + 16 * j);
      for (int r = 0; r < ROWS; r++) {
        const __m512 scale = _mm512_set1_ps(scales[r][8 * h + j]);
        lanes[r] = _mm512_fmadd_ps(_mm512_mul_ps(scale, widen16(codes[r] + 16 * j)), x0, lanes[r]);
      }
    }
  }
}

static inline __attribute__((always_inline)) void gemv(tk_type type, const uint8_t *data,
                                                       size_t columns, const float *x,
                                                       size_t row_begin, size_t row_end, float *y) {
  const size_t bytes = columns / tk_type_block_size(type) * tk_type_block_bytes(type);
  for (size_t first = row_begin; first < row_end; first += ROWS) {
    // Rows past the last repeat it.
    const uint8_t *rows[ROWS];
    __m512 lanes[ROWS];
    for (size_t r = 0; r < ROWS; r++) {
      rows[r] = data + (first + r < row_end ? first + r : row_end - 1) * bytes;
      lanes[r] = _mm512_setzero_ps();
    }
    if (type == TK_Q8_0) {
      dot4_q8_0(rows, columns, x, lanes);
    } else if (type == TK_Q4_0) {
      dot4_q4_0(rows, columns, x, lanes);
    } else if (type == TK_Q6_K) {
      dot4_q6_k(rows, columns, x, lanes);
    } else {
      dot4_plain(type, rows, columns, x, lanes);
    }
    const size_t count = row_end - first < ROWS ? row_end - first : ROWS;
    _mm_mask_storeu_ps(y + (first - row_begin), (__mmask8)((1u << count) - 1),
                       tk_lane_sums4_512(lanes));
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
    gemv(TK_Q4_0, data, columns, x, row_begin, row_end, y);
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

const tk_dense_kernels tk_dense_avx512 = {dense_gemv};

#pragma clang attribute pop

#endif
