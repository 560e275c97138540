// GEMV by look-ups of activation sums (lut.h) with AVX-512: vpermw looks up whole sums of 16 bits,
// so that tables need not be split into bytes nor results put together. Its index is five bits of
// which a code has four: with a table in both halves of a vector the fifth does not matter, and
// neither does what lies above. A row in each of 32 lanes, in order.

#if defined(__x86_64__)

#include "ternary/lut.h"

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,"           \
                                                   "avx2,fma,f16c"))),                             \
                             apply_to = function)

static void build(const int8_t *q, size_t pairs, uint8_t *tables) {
  // Entry i is (i % 4 - 1) q[0] + (i / 4 - 1) q[1]; entries with a digit 3 are not used.
  const __m256i first = _mm256_setr_epi16(-1, 0, 1, 0, -1, 0, 1, 0, -1, 0, 1, 0, -1, 0, 1, 0);
  const __m256i second = _mm256_setr_epi16(-1, -1, -1, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0);
  for (size_t p = 0; p < pairs; p++) {
    const __m256i a = _mm256_sign_epi16(_mm256_set1_epi16(q[2 * p]), first);
    const __m256i b = _mm256_sign_epi16(_mm256_set1_epi16(q[2 * p + 1]), second);
    _mm256_store_si256((__m256i *)(tables + p * TK_LUT_TABLE), _mm256_add_epi16(a, b));
  }
}

static inline __m512i look_up(const uint8_t *table, __m512i index) {
  const __m256i sums = _mm256_load_si256((const __m256i *)table);
  return _mm512_permutexvar_epi16(index, _mm512_broadcast_i64x4(sums));
}

static void sweep(const uint8_t *codes, const uint8_t *tables, size_t blocks,
                  int32_t sums[TK_L2_ROWS]) {
  const size_t ahead = tk_bytes_ahead();
  __m512i low = _mm512_setzero_si512(), high = low;
  for (size_t b = 0; b < blocks; b += TK_LUT_BLOCKS) {
    const size_t groups = (blocks - b < TK_LUT_BLOCKS ? 1 : TK_LUT_BLOCKS) * TK_LUT_GROUPS;
    __m512i first = _mm512_setzero_si512(), second = first;
    for (size_t g = 0; g < groups; g++, codes += TK_L2_ROWS, tables += 2 * TK_LUT_TABLE) {
      if (g % 2 == 0) {
        tk_prefetch(codes, ahead);
      }
      const __m512i c = _mm512_cvtepu8_epi16(_mm256_load_si256((const __m256i *)codes));
      first = _mm512_add_epi16(first, look_up(tables, c));
      second = _mm512_add_epi16(second, look_up(tables + TK_LUT_TABLE, _mm512_srli_epi16(c, 4)));
    }
    const __m512i s = _mm512_add_epi16(first, second);
    low = _mm512_add_epi32(low, _mm512_cvtepi16_epi32(_mm512_castsi512_si256(s)));
    high = _mm512_add_epi32(high, _mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(s, 1)));
  }
  _mm512_store_si512(sums, low);
  _mm512_store_si512(sums + 16, high);
}

static void gemv_l2(const tk_matrix *w, const int8_t *q, int32_t sum, size_t block_begin,
                    size_t block_end, size_t row_begin, size_t row_end, int32_t *y) {
  static const tk_lut_steps steps = {build, sweep};
  (void)sum;
  tk_lut_gemv(&steps, w, q, block_begin, block_end, row_begin, row_end, y);
}

const tk_gemv_kernels tk_gemv_l2_avx512 = {gemv_l2};

#pragma clang attribute pop

#endif
