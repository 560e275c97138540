// GEMV by look-ups of activation sums (lut.h) with AVX2: four vpshufb, four interleavings and four
// additions for 128 weights.

#if defined(__x86_64__)

#include "ternary/lut.h"

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

static void build(const int8_t *q, size_t pairs, uint8_t *tables) {
  // Entry i is (i % 4 - 1) q[0] + (i / 4 - 1) q[1]; entries with a digit 3 are not used.
  const __m256i first = _mm256_setr_epi16(-1, 0, 1, 0, -1, 0, 1, 0, -1, 0, 1, 0, -1, 0, 1, 0);
  const __m256i second = _mm256_setr_epi16(-1, -1, -1, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0);
  const __m256i low_byte = _mm256_set1_epi16(0xFF);
  for (size_t p = 0; p < pairs; p++) {
    const __m256i a = _mm256_sign_epi16(_mm256_set1_epi16(q[2 * p]), first);
    const __m256i b = _mm256_sign_epi16(_mm256_set1_epi16(q[2 * p + 1]), second);
    const __m256i sums = _mm256_add_epi16(a, b);
    const __m256i bytes =
        _mm256_packus_epi16(_mm256_and_si256(sums, low_byte), _mm256_srli_epi16(sums, 8));
    // Packing works within halves: bring the two low quarters together.
    _mm256_store_si256((__m256i *)(tables + p * TK_LUT_TABLE),
                       _mm256_permute4x64_epi64(bytes, 0xD8));
  }
}

/// Rows 0-7 and 16-23, and rows 8-15 and 24-31.
typedef struct row_sums {
  __m256i even, odd;
} row_sums;

static inline row_sums add_pair(row_sums s, __m256i codes, const uint8_t *table) {
  const __m256i low = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)table));
  const __m256i high = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)(table + 16)));
  const __m256i a = _mm256_shuffle_epi8(low, codes);
  const __m256i b = _mm256_shuffle_epi8(high, codes);
  s.even = _mm256_add_epi16(s.even, _mm256_unpacklo_epi8(a, b));
  s.odd = _mm256_add_epi16(s.odd, _mm256_unpackhi_epi8(a, b));
  return s;
}

static inline __m256i add_half(__m256i total, __m256i sums, int half) {
  const __m128i eight = half ? _mm256_extracti128_si256(sums, 1) : _mm256_castsi256_si128(sums);
  return _mm256_add_epi32(total, _mm256_cvtepi16_epi32(eight));
}

static void sweep(const uint8_t *codes, const uint8_t *tables, size_t blocks,
                  int32_t sums[TK_L2_ROWS]) {
  const size_t ahead = tk_bytes_ahead();
  const __m256i nibble = _mm256_set1_epi8(15);
  __m256i total[4] = {0};
  for (size_t b = 0; b < blocks; b += TK_LUT_BLOCKS) {
    const size_t groups = (blocks - b < TK_LUT_BLOCKS ? 1 : TK_LUT_BLOCKS) * TK_LUT_GROUPS;
    row_sums s = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    for (size_t g = 0; g < groups; g++, codes += TK_L2_ROWS, tables += 2 * TK_LUT_TABLE) {
      if (g % 2 == 0) {
        tk_prefetch(codes, ahead);
      }
      const __m256i c = _mm256_load_si256((const __m256i *)codes);
      s = add_pair(s, _mm256_and_si256(c, nibble), tables);
      s = add_pair(s, _mm256_and_si256(_mm256_srli_epi16(c, 4), nibble), tables + TK_LUT_TABLE);
    }
    total[0] = add_half(total[0], s.even, 0);
    total[1] = add_half(total[1], s.odd, 0);
    total[2] = add_half(total[2], s.even, 1);
    total[3] = add_half(total[3], s.odd, 1);
  }
  for (size_t i = 0; i < 4; i++) {
    _mm256_store_si256((__m256i *)(sums + 8 * i), total[i]);
  }
}

static void gemv_l2(const tk_matrix *w, const int8_t *q, int32_t sum, size_t block_begin,
                    size_t block_end, size_t row_begin, size_t row_end, int32_t *y) {
  static const tk_lut_steps steps = {build, sweep};
  (void)sum;
  tk_lut_gemv(&steps, w, q, block_begin, block_end, row_begin, row_end, y);
}

const tk_gemv_kernels tk_gemv_l2_avx2 = {gemv_l2};

#pragma clang attribute pop

#endif
