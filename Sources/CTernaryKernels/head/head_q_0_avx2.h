// What the x86 scans of a head stored as Q8_0 or Q4_0 share: everything but the sums of products.
//
// Eight rows at a time, two in each vector, r and r + 4:
//
//   lower half: row r       columns 0-15 | 16-31, four products to a lane
//   upper half: row r + 4   the same
//
// so that two levels of vphaddd on four such vectors give the sums of all eight in their order.

#ifndef TK_HEAD_Q_0_AVX2_H
#define TK_HEAD_Q_0_AVX2_H

#include "head/head.h"

#include <immintrin.h>

#pragma clang fp contract(off)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

enum {
  TK_HEAD_Q_0_PAIRS = 4,
  TK_HEAD_Q_0_ROWS = 2 * TK_HEAD_Q_0_PAIRS,
};

/// A term of the state: columns 0-15 and 16-31, each in both halves.
typedef struct tk_head_q_0_term {
  __m256i x0, x1;
  __m256i offset; ///< In the lowest lane of each half.
} tk_head_q_0_term;

/// The sums of two rows, whose codes are at `a` and `b`, in one block: 4 lanes of each.
typedef __m256i tk_head_q_0_sums(const uint8_t *a, const uint8_t *b, const tk_head_q_0_term *s);

/// 16 bytes of one row and of another.
static inline __m256i tk_head_load_pair(const uint8_t *a, const uint8_t *b) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)a)),
                                 _mm_loadu_si128((const __m128i *)b), 1);
}

/// Codes of two rows as bytes without a sign: columns 0-15, and 16-31.
typedef struct tk_head_q_0_codes {
  __m256i first, second;
} tk_head_q_0_codes;

/// Q8_0, 128 too large.
static inline tk_head_q_0_codes tk_head_q8_0_codes(const uint8_t *a, const uint8_t *b) {
  const __m256i sign = _mm256_set1_epi8((char)0x80);
  return (tk_head_q_0_codes){_mm256_xor_si256(tk_head_load_pair(a, b), sign),
                             _mm256_xor_si256(tk_head_load_pair(a + 16, b + 16), sign)};
}

/// Q4_0, 8 too large, as they are stored.
static inline tk_head_q_0_codes tk_head_q4_0_codes(const uint8_t *a, const uint8_t *b) {
  const __m256i nibble = _mm256_set1_epi8(15), codes = tk_head_load_pair(a, b);
  return (tk_head_q_0_codes){_mm256_and_si256(codes, nibble),
                             _mm256_and_si256(_mm256_srli_epi16(codes, 4), nibble)};
}

/// 16 bytes in both halves.
static inline __m256i tk_head_load_twice(const int8_t *q) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)q));
}

static inline tk_head_q_0_term tk_head_q_0_term_at(tk_head_q_0_state s, size_t t) {
  const int8_t *q = s.q + t * TK_HEAD_BLOCK;
  const __m256i offset = _mm256_set1_epi32(s.offsets[t]);
  return (tk_head_q_0_term){tk_head_load_twice(q), tk_head_load_twice(q + 16),
                            _mm256_blend_epi32(_mm256_setzero_si256(), offset, 0x11)};
}

/// The four bytes at each of four rows.
static inline __m128i tk_head_load4(const uint8_t *const rows[], size_t step, size_t offset) {
  int32_t four[4];
  for (size_t i = 0; i < 4; i++) {
    memcpy(&four[i], rows[i * step] + offset, sizeof four[i]);
  }
  return _mm_setr_epi32(four[0], four[1], four[2], four[3]);
}

/// d of the same block of eight rows. Even and odd rows are loaded with two bytes of codes, which
/// takes half as many moves as single float16 do: a scan of Q4_0 in the cache is 1.7 times as fast.
static inline __m256 tk_head_q_0_d(const uint8_t *const rows[TK_HEAD_Q_0_ROWS], size_t offset) {
  const __m128i even = tk_head_load4(rows, 2, offset);
  const __m128i odd = tk_head_load4(rows + 1, 2, offset);
  return _mm256_cvtph_ps(_mm_blend_epi16(even, _mm_slli_epi32(odd, 16), 0xAA));
}

/// Scans rows whose blocks have `bytes` bytes; `sums` is inlined.
static inline __attribute__((always_inline)) void
tk_head_scan_q_0(const tk_head *h, const void *q, float scale, size_t row_begin, size_t row_end,
                 float *scores, size_t bytes, tk_head_q_0_sums *sums) {
  const tk_head_q_0_state s = tk_head_q_0_state_at((void *)(uintptr_t)q, h->columns);
  for (size_t first = row_begin; first < row_end; first += TK_HEAD_Q_0_ROWS) {
    const uint8_t *rows[TK_HEAD_Q_0_ROWS]; // the last of the range again past its end
    for (size_t r = 0; r < TK_HEAD_Q_0_ROWS; r++) {
      rows[r] = tk_head_q_0_row(h, first + r < row_end ? first + r : row_end - 1);
    }
    __m256 total = _mm256_setzero_ps();
    for (size_t t = 0; t < s.count; t++) {
      const size_t offset = s.blocks[t] * bytes;
      tk_prefetch_rows(rows, TK_HEAD_Q_0_ROWS, offset, bytes);
      const tk_head_q_0_term term = tk_head_q_0_term_at(s, t);
      __m256i pairs[TK_HEAD_Q_0_PAIRS];
      for (size_t r = 0; r < TK_HEAD_Q_0_PAIRS; r++) {
        pairs[r] = sums(rows[r] + offset + TK_HEAD_Q_0_CODES,
                        rows[r + TK_HEAD_Q_0_PAIRS] + offset + TK_HEAD_Q_0_CODES, &term);
      }
      const __m256i sum = _mm256_hadd_epi32(_mm256_hadd_epi32(pairs[0], pairs[1]),
                                            _mm256_hadd_epi32(pairs[2], pairs[3]));
      const __m256 d = _mm256_mul_ps(tk_head_q_0_d(rows, offset), _mm256_set1_ps(s.scales[t]));
      total = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), d, total);
    }
    float out[TK_HEAD_Q_0_ROWS];
    _mm256_storeu_ps(out, _mm256_mul_ps(total, _mm256_set1_ps(scale)));
    const size_t count = row_end - first < TK_HEAD_Q_0_ROWS ? row_end - first : TK_HEAD_Q_0_ROWS;
    memcpy(scores + (first - row_begin), out, count * sizeof *out);
  }
}

#pragma clang attribute pop

#endif
