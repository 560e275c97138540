// Private helpers of the AVX2 ternary kernels; include only inside `#if defined(__x86_64__)`.

#ifndef TK_TERNARY_AVX2_H
#define TK_TERNARY_AVX2_H

#include "ternary/ternary.h"

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

static inline __m256i tk_load(const void *p) { return _mm256_loadu_si256(p); }

/// The same 16 bytes in both halves, as vpshufb needs its tables.
static inline __m256i tk_table(const int8_t table[16]) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table));
}

/// Adds pairs of 16-bit lanes into 32-bit lanes.
static inline __m256i tk_widen(__m256i sums) {
  return _mm256_madd_epi16(sums, _mm256_set1_epi16(1));
}

/// Four totals, one for each vector of eight 32-bit lanes.
static inline __m128i tk_reduce4(__m256i a, __m256i b, __m256i c, __m256i d) {
  __m256i pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
  return _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
}

/// T5 look-ups (layout.h). Fields of 2 bits: a byte holds t0 + 4 t1 + 16 t2, or t3 + 4 t4.
typedef struct tk_t5_tables {
  __m256i low;     ///< From bits 6-3: three trits of l, or -128 where h == 8.
  __m256i escaped; ///< From bits 3-0: three trits of l where h == 8.
  __m256i high;    ///< From bits 2-0 (bit 3 does not matter): two trits of h <= 7.
} tk_t5_tables;

static inline tk_t5_tables tk_t5_load_tables(void) {
  static const int8_t low[16] = {0, 1, 3, 4, 5, 11, 12, 13, 15, 16, 17, 19, 20, 21, -128, -128};
  static const int8_t escaped[16] = {0, 1, 3, 4, 5, 11, 12, 13, 15, 16, 17, 19, 20, 21, 0, 0};
  static const int8_t high[16] = {-5, -4, -3, -1, 0, 1, 3, 4, -5, -4, -3, -1, 0, 1, 3, 4};
  return (tk_t5_tables){tk_table(low), tk_table(escaped), tk_table(high)};
}

/// Two bytes of 2-bit fields trit + 1: three trits in `low`, two in `high`.
typedef struct tk_t5_fields {
  __m256i low, high;
} tk_t5_fields;

static inline tk_t5_fields tk_t5_decode(__m256i code, const tk_t5_tables *tables) {
  const __m256i nibble = _mm256_set1_epi8(15);
  __m256i bottom = _mm256_and_si256(code, nibble);
  __m256i middle = _mm256_and_si256(_mm256_srli_epi16(code, 3), nibble);
  __m256i low = _mm256_shuffle_epi8(tables->low, middle);
  __m256i high = _mm256_shuffle_epi8(tables->high, bottom);
  // The sign bit of -128 marks h == 8, whose two trits are 1 and 1.
  high = _mm256_blendv_epi8(high, _mm256_set1_epi8(5), low);
  low = _mm256_blendv_epi8(low, _mm256_shuffle_epi8(tables->escaped, bottom), low);
  // vpsignb would clear a byte whose control is 0.
  __m256i sign = _mm256_or_si256(code, _mm256_set1_epi8(1));
  return (tk_t5_fields){
      _mm256_add_epi8(_mm256_sign_epi8(low, sign), _mm256_set1_epi8(0x15)),
      _mm256_add_epi8(_mm256_sign_epi8(high, sign), _mm256_set1_epi8(0x05)),
  };
}

/// 16-bit sums of one row whose codes are masked where they are (gemv_avx2.c): fields as they are,
/// and fields 4 times too large.
///
/// With |q| <= 127 and u <= 2 one vpmaddubsw gives at most 2 * 2 * 127 = 508 a lane, and
/// 4 * 508 = 2032 for the large fields: no saturation. `large` takes two of those a block, so 8
/// blocks 8 * 2 * 2032 = 32512 <= 32767; `small` takes two (T2) or three (T5) of 508: 12192. At the
/// flush large / 4 is exact, and small + large / 4 <= 12192 + 8128 = 20320. The 32-bit sums are
/// bounded in ternary.h.
typedef struct tk_row_sums {
  __m256i small, large;
} tk_row_sums;

enum { TK_BLOCKS_PER_FLUSH = 8 }; ///< The most that they can take.

static inline __m256i tk_flush(__m256i total, tk_row_sums s) {
  __m256i sum = _mm256_add_epi16(s.small, _mm256_srai_epi16(s.large, 2));
  return _mm256_add_epi32(total, tk_widen(sum));
}

/// Adds one block of 128 columns of one row.
static inline tk_row_sums tk_add_t2(tk_row_sums s, __m256i e, const __m256i x[4]) {
  const __m256i m03 = _mm256_set1_epi8(0x03), m0c = _mm256_set1_epi8(0x0C);
  __m256i f = _mm256_srli_epi16(e, 4);
  __m256i p0 = _mm256_maddubs_epi16(_mm256_and_si256(e, m03), x[0]);
  __m256i p1 = _mm256_maddubs_epi16(_mm256_and_si256(e, m0c), x[1]);
  __m256i p2 = _mm256_maddubs_epi16(_mm256_and_si256(f, m03), x[2]);
  __m256i p3 = _mm256_maddubs_epi16(_mm256_and_si256(f, m0c), x[3]);
  s.small = _mm256_add_epi16(s.small, _mm256_add_epi16(p0, p2));
  s.large = _mm256_add_epi16(s.large, _mm256_add_epi16(p1, p3));
  return s;
}

/// Adds one block of 160 columns of one row.
static inline tk_row_sums tk_add_t5(tk_row_sums s, __m256i code, const int8_t *x,
                                    const tk_t5_tables *tables) {
  const __m256i m03 = _mm256_set1_epi8(0x03), m0c = _mm256_set1_epi8(0x0C);
  tk_t5_fields u = tk_t5_decode(code, tables);
  __m256i third = _mm256_and_si256(_mm256_srli_epi16(u.low, 4), m03);
  __m256i p0 = _mm256_maddubs_epi16(_mm256_and_si256(u.low, m03), tk_load(x));
  __m256i p1 = _mm256_maddubs_epi16(_mm256_and_si256(u.low, m0c), tk_load(x + 32));
  __m256i p2 = _mm256_maddubs_epi16(third, tk_load(x + 64));
  __m256i p3 = _mm256_maddubs_epi16(_mm256_and_si256(u.high, m03), tk_load(x + 96));
  __m256i p4 = _mm256_maddubs_epi16(_mm256_and_si256(u.high, m0c), tk_load(x + 128));
  s.small = _mm256_add_epi16(s.small, _mm256_add_epi16(p0, _mm256_add_epi16(p2, p3)));
  s.large = _mm256_add_epi16(s.large, _mm256_add_epi16(p1, p4));
  return s;
}

#pragma clang attribute pop

/// The `unpack` steps of GEMM (gemm_avx2.c), shared with AVX-VNNI.
tk_gemm_unpack tk_gemm_unpack_t2_avx2, tk_gemm_unpack_t5_avx2;

#endif
