// The scan of a head stored as Q6_K, with AVX-512 VNNI: as in head_q6_k_avx2.c, 64 codes at a time,
// four groups of 16, and with vpdpwssd for the multiplication by the scales and the addition.

#if defined(__x86_64__)

#include "head/head_q6_k_avx2.h"

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

static inline __m256i halve(__m512i sum) {
  return _mm256_add_epi32(_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64(sum, 1));
}

static inline __attribute__((always_inline)) __m256i sum_block(const uint8_t *block,
                                                               tk_head_q6_k_state s) {
  const __m256i apart = tk_head_scales(block, s.multipliers);
  const __m512i scales = _mm512_broadcast_i64x4(apart);
  __m512i sum = _mm512_zextsi256_si512(tk_head_offset(apart, s.offsets));
#pragma clang loop unroll(full)
  for (size_t i = 0; i < STEPS; i++) {
    // The scale of group 4 i in all of the first quarter, of 4 i + 1 in the second ...
    const __m256i first = _mm256_set1_epi16((int16_t)(4 * i | (4 * i + 1) << 8));
    const __m256i second = _mm256_set1_epi16((int16_t)((4 * i + 2) | (4 * i + 3) << 8));
    const __m512i pick = _mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1);
    const __m512i scale = _mm512_shuffle_epi8(scales, pick);
    const __m512i p = _mm512_maddubs_epi16(codes_at(block, i), _mm512_loadu_si512(s.q + 64 * i));
    sum = _mm512_dpwssd_epi32(sum, p, scale);
  }
  return halve(sum);
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

const tk_head_kernels tk_head_q6_k_avx512_vnni = {scan_q6_k};

#pragma clang attribute pop

#endif
