// Private helpers of the AVX-512 ternary kernels; include only inside `#if defined(__x86_64__)`.
//
// A 64-byte vector holds two rows of a tile: row 0 or 2 in the lower half, row 1 or 3 in the upper
// one. Both halves need the same 32 activations, which the load port copies at no cost.

#ifndef TK_TERNARY_AVX512_H
#define TK_TERNARY_AVX512_H

#include "ternary/ternary_avx2.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,"           \
                                                   "avx512vnni,fma,f16c"))),                       \
                             apply_to = function)

enum {
  /// Blocks whose sums fit 32-bit lanes: a byte's top field is 64 times too large, so that one
  /// vpdpbusd adds at most 4 * 127 * 2 * 64 = 65024 to a lane, and 2^15 * 65024 = 2130706432 <
  /// 2^31. The sums of lower fields are smaller, two of them together too.
  TK_BLOCKS_PER_FLUSH_512 = 1 << 15,
};

/// 32-bit sums of two rows: of fields as they are, and 4, 16 and 64 times too large. T5 has more
/// than one field of a size; the second goes to a sum of its own, so that none waits for another.
typedef struct tk_pair_sums {
  __m512i by1, by4, by16, by64, also_by1, also_by4;
} tk_pair_sums;

/// 32 activations for both rows of a vector.
static inline __m512i tk_load_both(const int8_t *x) {
  return _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)x));
}

/// acc + the products of unsigned codes and activations, four to a lane.
static inline __m512i tk_dot512(__m512i acc, __m512i codes, __m512i x) {
  return _mm512_dpbusd_epi32(acc, codes, x);
}

static inline __m512i tk_mask512(__m512i v, int mask) {
  return _mm512_and_si512(v, _mm512_set1_epi8((char)mask));
}

/// The sums with every field at its own size; the divisions are exact.
static inline __m512i tk_flush512(__m512i total, tk_pair_sums s) {
  __m512i by1 = _mm512_add_epi32(s.by1, s.also_by1), by4 = _mm512_add_epi32(s.by4, s.also_by4);
  __m512i small = _mm512_add_epi32(by1, _mm512_srai_epi32(by4, 2));
  __m512i large = _mm512_add_epi32(_mm512_srai_epi32(s.by16, 4), _mm512_srai_epi32(s.by64, 6));
  return _mm512_add_epi32(total, _mm512_add_epi32(small, large));
}

/// The four rows' totals of two vectors of two rows.
static inline __m128i tk_reduce_pairs(__m512i first, __m512i second) {
  return tk_reduce4(_mm512_castsi512_si256(first), _mm512_extracti64x4_epi64(first, 1),
                    _mm512_castsi512_si256(second), _mm512_extracti64x4_epi64(second, 1));
}

/// Writes the first `rows` (at most four) of `all`; the last tile may have rows that are only
/// padding.
static inline void tk_store_rows512(__m128i all, size_t rows, int32_t *y) {
  __mmask8 present = (__mmask8)(rows >= TK_TILE_ROWS ? 0xF : (1u << rows) - 1);
  _mm_mask_storeu_epi32(y, present, all);
}

/// Four look-up tables, or halves of larger ones; what they hold is the decoder's business.
typedef struct tk_tables512 {
  __m512i a, b, c, d;
} tk_tables512;

/// Up to five vectors of codes trit + 1, for columns 0-31, 32-63, ... of two rows.
typedef struct tk_fields512 {
  __m512i u[5];
} tk_fields512;

typedef tk_fields512 tk_decode512(__m512i packed, const tk_tables512 *tables);

/// Adds one block of two rows, whose activations start at `q`.
typedef tk_pair_sums tk_add512(tk_pair_sums s, __m512i packed, const int8_t *q,
                               const tk_tables512 *tables);

static inline tk_fields512 tk_t2_fields512(__m512i e, const tk_tables512 *tables) {
  (void)tables;
  return (tk_fields512){{
      tk_mask512(e, 0x03),
      tk_mask512(_mm512_srli_epi16(e, 2), 0x03),
      tk_mask512(_mm512_srli_epi16(e, 4), 0x03),
      tk_mask512(_mm512_srli_epi16(e, 6), 0x03),
  }};
}

static inline tk_pair_sums tk_add_t2_512(tk_pair_sums s, __m512i e, const int8_t *q,
                                         const tk_tables512 *tables) {
  (void)tables;
  s.by1 = tk_dot512(s.by1, tk_mask512(e, 0x03), tk_load_both(q));
  s.by4 = tk_dot512(s.by4, tk_mask512(e, 0x0C), tk_load_both(q + 32));
  s.by16 = tk_dot512(s.by16, tk_mask512(e, 0x30), tk_load_both(q + 64));
  s.by64 = tk_dot512(s.by64, tk_mask512(e, 0xC0), tk_load_both(q + 96));
  return s;
}

#pragma clang attribute pop

#endif
