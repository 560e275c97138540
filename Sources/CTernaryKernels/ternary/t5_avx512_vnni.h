// Private: the T5 code by 16-entry look-ups, two rows at a time. The tables hold fields trit + 1,
// and a negated code is its mirror image, 2 - u in every field. Include only inside
// `#if defined(__x86_64__)`.

#ifndef TK_T5_AVX512_VNNI_H
#define TK_T5_AVX512_VNNI_H

#include "ternary/ternary_avx512.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,"           \
                                                   "avx512vnni,fma,f16c"))),                       \
                             apply_to = function)

static inline tk_tables512 tk_t5_load_tables512(void) {
  // From bits 6-3: u0 + 4 u1 + 16 u2 of l, or 0x80 where h == 8.
  static const uint8_t low[16] = {0x15, 0x16, 0x18, 0x19, 0x1A, 0x20, 0x21, 0x22,
                                  0x24, 0x25, 0x26, 0x28, 0x29, 0x2A, 0x80, 0x80};
  // From bits 3-0: the same where h == 8.
  static const uint8_t escaped[16] = {0x15, 0x16, 0x18, 0x19, 0x1A, 0x20, 0x21, 0x22,
                                      0x24, 0x25, 0x26, 0x28, 0x29, 0x2A, 0x00, 0x00};
  // From bits 2-0 (bit 3 does not matter): u3 + 4 u4 of h <= 7.
  static const uint8_t high[16] = {0, 1, 2, 4, 5, 6, 8, 9, 0, 1, 2, 4, 5, 6, 8, 9};
  return (tk_tables512){
      _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)low)),
      _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)escaped)),
      _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)high)),
      _mm512_setzero_si512(),
  };
}

/// Fields of 2 bits: u0 + 4 u1 + 16 u2, and u3 + 4 u4.
typedef struct tk_t5_bytes512 {
  __m512i low, high;
} tk_t5_bytes512;

static inline tk_t5_bytes512 tk_t5_look_up512(__m512i code, const tk_tables512 *tables) {
  __m512i bottom = tk_mask512(code, 15);
  __m512i middle = tk_mask512(_mm512_srli_epi16(code, 3), 15);
  __m512i low = _mm512_shuffle_epi8(tables->a, middle);
  __m512i high = _mm512_shuffle_epi8(tables->c, bottom);
  __mmask64 escaped = _mm512_movepi8_mask(low);
  low = _mm512_mask_shuffle_epi8(low, escaped, tables->b, bottom);
  high = _mm512_mask_mov_epi8(high, escaped, _mm512_set1_epi8(0x0A)); // h == 8 is u3 = u4 = 2
  __mmask64 negative = _mm512_movepi8_mask(code);
  return (tk_t5_bytes512){
      _mm512_mask_sub_epi8(low, negative, _mm512_set1_epi8(0x2A), low),
      _mm512_mask_sub_epi8(high, negative, _mm512_set1_epi8(0x0A), high),
  };
}

static inline tk_pair_sums tk_add_t5_512(tk_pair_sums s, __m512i code, const int8_t *q,
                                         const tk_tables512 *tables) {
  tk_t5_bytes512 u = tk_t5_look_up512(code, tables);
  s.by1 = tk_dot512(s.by1, tk_mask512(u.low, 0x03), tk_load_both(q));
  s.by4 = tk_dot512(s.by4, tk_mask512(u.low, 0x0C), tk_load_both(q + 32));
  s.by16 = tk_dot512(s.by16, tk_mask512(u.low, 0x30), tk_load_both(q + 64));
  s.also_by1 = tk_dot512(s.also_by1, tk_mask512(u.high, 0x03), tk_load_both(q + 96));
  s.also_by4 = tk_dot512(s.also_by4, tk_mask512(u.high, 0x0C), tk_load_both(q + 128));
  return s;
}

static inline tk_fields512 tk_t5_fields512(__m512i code, const tk_tables512 *tables) {
  tk_t5_bytes512 u = tk_t5_look_up512(code, tables);
  return (tk_fields512){{
      tk_mask512(u.low, 0x03),
      tk_mask512(_mm512_srli_epi16(u.low, 2), 0x03),
      tk_mask512(_mm512_srli_epi16(u.low, 4), 0x03),
      tk_mask512(u.high, 0x03),
      tk_mask512(_mm512_srli_epi16(u.high, 2), 0x03),
  }};
}

#pragma clang attribute pop

#endif
