// What the x86 scans of a head stored as Q6_K share: the sums of four rows in one block, as floats.

#ifndef TK_HEAD_Q6_K_AVX2_H
#define TK_HEAD_Q6_K_AVX2_H

#include "head/head.h"

#include <immintrin.h>

#pragma clang fp contract(off)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

enum { TK_HEAD_Q6_K_ROWS = 4 };

/// The 16 scales times the state's multipliers: of even groups in the lower half, of odd ones in
/// the upper.
static inline __m256i tk_head_scales(const uint8_t *block, const int16_t *multipliers) {
  const __m128i apart = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
  const __m128i scales = _mm_loadu_si128((const __m128i *)(block + TK_HEAD_Q6_K_SCALES));
  const __m256i wide = _mm256_cvtepi8_epi16(_mm_shuffle_epi8(scales, apart));
  return _mm256_mullo_epi16(wide, _mm256_loadu_si256((const __m256i *)(const void *)multipliers));
}

/// What the 32 in every code is too much, taken back.
static inline __m256i tk_head_offset(__m256i scales, const int16_t *offsets) {
  const __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)offsets);
  return _mm256_slli_epi32(_mm256_madd_epi16(scales, x), 1);
}

static inline __m128 tk_head_reduce4(__m256i a, __m256i b, __m256i c, __m256i d) {
  const __m256i pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
  return _mm_cvtepi32_ps(
      _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1)));
}

/// d of the same block of four rows.
static inline __m128 tk_head_load_d(const uint8_t *const rows[TK_HEAD_Q6_K_ROWS], size_t offset) {
  uint16_t half[TK_HEAD_Q6_K_ROWS];
  for (size_t r = 0; r < TK_HEAD_Q6_K_ROWS; r++) {
    memcpy(&half[r], rows[r] + offset + TK_HEAD_Q6_K_D, sizeof half[r]);
  }
  return _mm_cvtph_ps(_mm_loadl_epi64((const __m128i *)(const void *)half));
}

/// Adds one block of four rows, each in eight lanes, to their scores.
static inline __m128 tk_head_add_block(__m128 total, const __m256i sums[TK_HEAD_Q6_K_ROWS],
                                       __m128 d, float scale) {
  const __m128 sum = tk_head_reduce4(sums[0], sums[1], sums[2], sums[3]);
  return _mm_fmadd_ps(sum, _mm_mul_ps(d, _mm_set1_ps(scale)), total);
}

/// The state for the next block.
static inline tk_head_q6_k_state tk_head_next_block(tk_head_q6_k_state s) {
  s.q += TK_HEAD_Q6_K_COLUMNS;
  s.multipliers += TK_HEAD_Q6_K_GROUPS;
  s.offsets += TK_HEAD_Q6_K_GROUPS;
  s.scales++;
  return s;
}

/// The first rows of a range: `first` and three more, the last of the range again past its end.
static inline void tk_head_four_rows(const tk_head *h, size_t first, size_t row_end,
                                     const uint8_t *rows[TK_HEAD_Q6_K_ROWS]) {
  for (size_t r = 0; r < TK_HEAD_Q6_K_ROWS; r++) {
    rows[r] = tk_head_q6_k_row(h, first + r < row_end ? first + r : row_end - 1);
  }
}

/// Writes the scores of up to four rows.
static inline void tk_head_store4(__m128 total, float scale, size_t count, float *scores) {
  float out[TK_HEAD_Q6_K_ROWS];
  _mm_storeu_ps(out, _mm_mul_ps(total, _mm_set1_ps(scale)));
  memcpy(scores, out, (count < TK_HEAD_Q6_K_ROWS ? count : TK_HEAD_Q6_K_ROWS) * sizeof *out);
}

#pragma clang attribute pop

#endif
