// AVX2 dense GEMV for Q4_0. Two rows share each vector, so that interleaving bytes with constants
// turns codes into floats without any move between register halves:
//
//   lower half: row r       16 codes -> 16-bit pairs -> lanes 0-3 | 4-7 | 8-11 | 12-15 of row r
//   upper half: row r + 1   the same for row r + 1
//
// A code u in bits 16-19 of 0x43uu0000 is the float 2^7 + u, and then
//
//   w = fma(2^7 + u, d, -(2^7 + 8) * d) = (u - 8) * d, as tk_decode gives it
//
// because d is a float16 (11 bits) and 2^7 + 8 = 2^3 * 17, so that the bias is exact. In a paired
// measurement this was 1.4 times as fast as vpmovsxbd and vcvtdq2ps, which are better for Q8_0 and
// Q6_K, where they take bytes from memory.

#if defined(__x86_64__)

#include "dense/dense.h"
#include "float/float_avx2.h"

#pragma clang fp contract(off)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

enum {
  PAIRS = 2, ///< Pairs of rows at a time: eight chains of fma hide its latency.
  ROWS = 2 * PAIRS,
};

/// The 16 lanes of two rows: quarter i holds lanes 4 i ... 4 i + 3 of both.
typedef struct pair_lanes {
  __m256 quarter[4];
} pair_lanes;

/// 16 bytes of one row and of the next.
static inline __m256i load_pair(const uint8_t *first, const uint8_t *second) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)first)),
                                 _mm_loadu_si128((const __m128i *)second), 1);
}

static inline float half_to_float(const uint8_t *p) {
  uint16_t half;
  memcpy(&half, p, sizeof half);
  return _cvtsh_ss(half);
}

/// One float for each row.
static inline __m256 spread(float first, float second) {
  return _mm256_blend_ps(_mm256_set1_ps(first), _mm256_set1_ps(second), 0xF0);
}

/// Adds 16 columns: w = fma(magic, d, -bias), lane = fma(w, x, lane).
static inline __attribute__((always_inline)) void add16(pair_lanes *lanes, const __m256i magic[4],
                                                        __m256 d, __m256 bias, const float *x) {
  for (int i = 0; i < 4; i++) {
    const __m256 w = _mm256_fmsub_ps(_mm256_castsi256_ps(magic[i]), d, bias);
    const __m256 x4 = _mm256_broadcast_ps((const __m128 *)(x + 4 * i));
    lanes->quarter[i] = _mm256_fmadd_ps(w, x4, lanes->quarter[i]);
  }
}

/// Floats 2^7 + u for codes u < 128.
static inline void magic_floats(__m256i codes, __m256i magic[4]) {
  const __m256i zero = _mm256_setzero_si256();
  const __m256i exponent = _mm256_set1_epi8(0x43);
  const __m256i low = _mm256_unpacklo_epi8(codes, exponent);
  const __m256i high = _mm256_unpackhi_epi8(codes, exponent);
  magic[0] = _mm256_unpacklo_epi16(zero, low);
  magic[1] = _mm256_unpackhi_epi16(zero, low);
  magic[2] = _mm256_unpacklo_epi16(zero, high);
  magic[3] = _mm256_unpackhi_epi16(zero, high);
}

static inline void dot_q4_0(const uint8_t *const rows[ROWS], size_t columns, const float *x,
                            pair_lanes lanes[PAIRS]) {
  const __m256i nibble = _mm256_set1_epi8(15);
  for (size_t c = 0, offset = 0; c < columns; c += 32, offset += 18) {
    tk_prefetch_rows(rows, ROWS, offset, 18);
    for (int p = 0; p < PAIRS; p++) {
      const uint8_t *first = rows[2 * p] + offset, *second = rows[2 * p + 1] + offset;
      const __m256 d = spread(half_to_float(first), half_to_float(second));
      const __m256 bias = _mm256_mul_ps(d, _mm256_set1_ps(0x1p7f + 8.0f));
      const __m256i codes = load_pair(first + 2, second + 2);
      __m256i magic[4];
      magic_floats(_mm256_and_si256(codes, nibble), magic);
      add16(&lanes[p], magic, d, bias, x + c);
      magic_floats(_mm256_and_si256(_mm256_srli_epi16(codes, 4), nibble), magic);
      add16(&lanes[p], magic, d, bias, x + c + 16);
    }
  }
}

/// tk_lane_sum of both rows, in the lowest lane of each half.
static inline __m256 pair_sum(pair_lanes lanes) {
  const __m256 s0 = _mm256_add_ps(lanes.quarter[0], lanes.quarter[2]);
  const __m256 s1 = _mm256_add_ps(lanes.quarter[1], lanes.quarter[3]);
  __m256 s = _mm256_add_ps(s0, s1);
  s = _mm256_add_ps(s, _mm256_permute_ps(s, 0x4E));
  return _mm256_add_ps(s, _mm256_permute_ps(s, 0xB1));
}

void tk_dense_gemv_q4_0_avx2(tk_type type, const void *data, size_t columns, const float *x,
                             size_t row_begin, size_t row_end, float *y) {
  const size_t bytes = columns / tk_type_block_size(type) * tk_type_block_bytes(type);
  for (size_t first = row_begin; first < row_end; first += ROWS) {
    // Rows past the last repeat it.
    const uint8_t *rows[ROWS];
    for (size_t r = 0; r < ROWS; r++) {
      rows[r] = (const uint8_t *)data + (first + r < row_end ? first + r : row_end - 1) * bytes;
    }
    pair_lanes lanes[PAIRS] = {0};
    dot_q4_0(rows, columns, x, lanes);
    float sums[ROWS];
    for (int p = 0; p < PAIRS; p++) {
      const __m256 s = pair_sum(lanes[p]);
      sums[2 * p] = _mm256_cvtss_f32(s);
      sums[2 * p + 1] = _mm_cvtss_f32(_mm256_extractf128_ps(s, 1));
    }
    const size_t count = row_end - first < ROWS ? row_end - first : ROWS;
    memcpy(y + (first - row_begin), sums, count * sizeof *y);
  }
}

#pragma clang attribute pop

#endif
