// The scan of a head stored as Q6_K, with AVX-512 VNNI: as in head_q6_k_avx2.c, 64 codes at a time,
// four groups of 16, and with vpdpwssd for the multiplication by the scales and the addition.

#if defined(__x86_64__)

#include "head_q6_k_avx2.h"

#pragma clang fp contract(off)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,"           \
                                                   "avx512vnni,avx2,fma,f16c"))),                  \
                             apply_to = function)

enum { ROWS = TK_HEAD_Q6_K_ROWS, STEPS = TK_HEAD_Q6_K_COLUMNS / 64 };

/// The codes of 64 columns, step `i` of 4; a constant where this is inlined.
static inline __attribute__((always_inline)) __m512i codes_at(const uint8_t *block, size_t i) {
  const __m512i low = _mm512_loadu_si512(block + 64 * (i / 2));
  const __m512i high =
      _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)(block + 128 + 32 * (i / 2))));
  const __m512i nibbles = i % 2 == 0 ? low : _mm512_srli_epi16(low, 4);
  const __m512i pairs = i % 2 == 0
                            ? _mm512_sllv_epi64(high, _mm512_setr_epi64(4, 4, 4, 4, 2, 2, 2, 2))
                            : _mm512_srlv_epi64(high, _mm512_setr_epi64(0, 0, 0, 0, 2, 2, 2, 2));
  // (nibbles & 15) | (pairs & 0x30)
  return _mm512_ternarylogic_epi32(_mm512_and_si512(nibbles, _mm512_set1_epi8(15)), pairs,
                                   _mm512_set1_epi8(0x30), 0xF8);
}

/// The 16 scales: in the order of the sums of a state, and, in quarter l of a vector, those of
/// groups l, 4 + l, 8 + l and 12 + l.
static inline void scales_of(const uint8_t *block, __m256i *apart, __m512i *steps) {
  const __m128i scales = _mm_loadu_si128((const __m128i *)(block + TK_HEAD_Q6_K_SCALES));
  const __m128i halves = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
  const __m128i fours = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  *apart = _mm256_cvtepi8_epi16(_mm_shuffle_epi8(scales, halves));
  const __m256i wide = _mm256_cvtepi8_epi16(_mm_shuffle_epi8(scales, fours));
  *steps = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 0, 1, 1, 2, 2, 3, 3),
                                    _mm512_castsi256_si512(wide));
}

static inline __m256i halve(__m512i sum) {
  return _mm256_add_epi32(_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64(sum, 1));
}

static inline __attribute__((always_inline)) tk_head_lanes sum_block(const uint8_t *block,
                                                                     tk_head_split s) {
  __m256i apart;
  __m512i scales;
  scales_of(block, &apart, &scales);
  __m512i upper = _mm512_zextsi256_si512(tk_head_minus_offset(apart, s.upper_sums));
  __m512i lower = _mm512_zextsi256_si512(tk_head_minus_offset(apart, s.lower_sums));
#pragma clang loop unroll(full)
  for (size_t i = 0; i < STEPS; i++) {
    const __m512i codes = codes_at(block, i);
    // Scale i of each quarter in all of its lanes.
    const __m512i pick = _mm512_set1_epi16((int16_t)(2 * i | (2 * i + 1) << 8));
    const __m512i scale = _mm512_shuffle_epi8(scales, pick);
    const __m512i p = _mm512_maddubs_epi16(codes, _mm512_loadu_si512(s.upper + 64 * i));
    const __m512i r = _mm512_maddubs_epi16(codes, _mm512_loadu_si512(s.lower + 64 * i));
    upper = _mm512_dpwssd_epi32(upper, p, scale);
    lower = _mm512_dpwssd_epi32(lower, r, scale);
  }
  return (tk_head_lanes){halve(upper), halve(lower)};
}

void tk_head_q6_k_avx512_vnni(const tk_head *h, const void *q, float scale, size_t row_begin,
                              size_t row_end, float *scores) {
  for (size_t first = row_begin; first < row_end; first += ROWS) {
    const uint8_t *rows[ROWS];
    tk_head_four_rows(h, first, row_end, rows);
    tk_head_split s = tk_head_split_at((void *)(uintptr_t)q, h->columns);
    __m128 total = _mm_setzero_ps();
    for (size_t block = 0; block < h->columns / TK_HEAD_Q6_K_COLUMNS; block++) {
      const size_t offset = block * TK_HEAD_Q6_K_BYTES;
      tk_prefetch_rows(rows, ROWS, offset, TK_HEAD_Q6_K_BYTES);
      tk_head_lanes sum[ROWS];
      for (size_t r = 0; r < ROWS; r++)
        sum[r] = sum_block(rows[r] + offset, s);
      total = tk_head_add_block(total, sum, tk_head_load_d(rows, offset));
      s = tk_head_next_block(s);
    }
    tk_head_store4(total, scale, row_end - first, scores + (first - row_begin));
  }
}

#pragma clang attribute pop

#endif
