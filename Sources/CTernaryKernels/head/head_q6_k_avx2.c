// The scan of a head stored as Q6_K, with AVX2: integer products of the codes as they lie in the
// file with a state in int8.
//
// 32 codes in [0, 63] times 32 bytes of the state in vpmaddubsw (at most 2 * 63 * 127 = 16002 a
// 16-bit lane); each half of that vector is one group of 16 columns, so that vpmaddwd multiplies by
// the groups' scales and adds up. Lanes may wrap around, the sum of a block fits (head.h). The 32
// that every code is too large is taken back with the sums of the state over the groups.

#if defined(__x86_64__)

#include "head/head_q6_k_avx2.h"

#pragma clang fp contract(off)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

enum { ROWS = TK_HEAD_Q6_K_ROWS, STEPS = TK_HEAD_Q6_K_COLUMNS / 32 };

static inline __m256i load(const void *p) { return _mm256_loadu_si256(p); }

/// The codes of 32 columns, step `i` of 8; a constant where this is inlined.
static inline __attribute__((always_inline)) __m256i codes_at(const uint8_t *block, size_t i) {
  const size_t half = i / 4, quarter = i % 4;
  const __m256i low = load(block + 64 * half + 32 * (quarter % 2));
  const __m256i high = load(block + 128 + 32 * half);
  const __m256i bits = quarter == 0   ? _mm256_slli_epi16(high, 4)
                       : quarter == 1 ? _mm256_slli_epi16(high, 2)
                       : quarter == 2 ? high
                                      : _mm256_srli_epi16(high, 2);
  return _mm256_or_si256(
      _mm256_and_si256(quarter < 2 ? low : _mm256_srli_epi16(low, 4), _mm256_set1_epi8(15)),
      _mm256_and_si256(bits, _mm256_set1_epi8(0x30)));
}

static inline __attribute__((always_inline)) __m256i sum_block(const uint8_t *block,
                                                               tk_head_q6_k_state s) {
  const __m256i scales = tk_head_scales(block, s.multipliers);
  __m256i sum = tk_head_offset(scales, s.offsets);
#pragma clang loop unroll(full)
  for (size_t i = 0; i < STEPS; i++) {
    // Scale i of each half in all of its lanes.
    const __m256i pick = _mm256_set1_epi16((int16_t)(2 * i | (2 * i + 1) << 8));
    const __m256i scale = _mm256_shuffle_epi8(scales, pick);
    const __m256i p = _mm256_maddubs_epi16(codes_at(block, i), load(s.q + 32 * i));
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(p, scale));
  }
  return sum;
}

static void scan_q6_k(const tk_head *h, const void *q, float scale, size_t row_begin,
                      size_t row_end, float *scores) {
  for (size_t first = row_begin; first < row_end; first += ROWS) {
    const uint8_t *rows[ROWS];
    tk_head_four_rows(h, first, row_end, rows);
    tk_head_q6_k_state s = tk_head_q6_k_state_at((void *)(uintptr_t)q, h->columns);
    __m128 total = _mm_setzero_ps();
    for (size_t block = 0; block < h->columns / TK_HEAD_Q6_K_COLUMNS; block++) {
      const size_t offset = block * TK_HEAD_Q6_K_BYTES;
      tk_prefetch_rows(rows, ROWS, offset, TK_HEAD_Q6_K_BYTES);
      __m256i sums[ROWS];
      for (size_t r = 0; r < ROWS; r++) {
        sums[r] = sum_block(rows[r] + offset, s);
      }
      total = tk_head_add_block(total, sums, tk_head_load_d(rows, offset), *s.scales);
      s = tk_head_next_block(s);
    }
    tk_head_store4(total, scale, row_end - first, scores + (first - row_begin));
  }
}

const tk_head_kernels tk_head_q6_k_avx2 = {scan_q6_k};

#pragma clang attribute pop

#endif
