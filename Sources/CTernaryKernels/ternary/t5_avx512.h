// Private: the T5 code by 128-entry look-ups (vpermi2b), two rows at a time. Include only inside
// `#if defined(__x86_64__)`.

#ifndef TK_T5_AVX512_H
#define TK_T5_AVX512_H

#include "ternary/ternary_avx512.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,"           \
                                                   "avx512vbmi,avx512vnni,fma,f16c"))),            \
                             apply_to = function)

static inline tk_tables512 tk_t5_load_tables512(void) {
  // Index: the 7 bits below the sign, l << 3 | h, or 0x70 | l where h == 8 (layout.h). The three
  // digits of l + 13 and the first of h, u0 + 4 u1 + 16 u2 + 64 u3; the last two are never used.
  // clang-format off
  static const uint8_t four[128] = {
    0x15, 0x55, 0x95, 0x15, 0x55, 0x95, 0x15, 0x55, 0x16, 0x56, 0x96, 0x16, 0x56, 0x96, 0x16, 0x56,
    0x18, 0x58, 0x98, 0x18, 0x58, 0x98, 0x18, 0x58, 0x19, 0x59, 0x99, 0x19, 0x59, 0x99, 0x19, 0x59,
    0x1A, 0x5A, 0x9A, 0x1A, 0x5A, 0x9A, 0x1A, 0x5A, 0x20, 0x60, 0xA0, 0x20, 0x60, 0xA0, 0x20, 0x60,
    0x21, 0x61, 0xA1, 0x21, 0x61, 0xA1, 0x21, 0x61, 0x22, 0x62, 0xA2, 0x22, 0x62, 0xA2, 0x22, 0x62,
    0x24, 0x64, 0xA4, 0x24, 0x64, 0xA4, 0x24, 0x64, 0x25, 0x65, 0xA5, 0x25, 0x65, 0xA5, 0x25, 0x65,
    0x26, 0x66, 0xA6, 0x26, 0x66, 0xA6, 0x26, 0x66, 0x28, 0x68, 0xA8, 0x28, 0x68, 0xA8, 0x28, 0x68,
    0x29, 0x69, 0xA9, 0x29, 0x69, 0xA9, 0x29, 0x69, 0x2A, 0x6A, 0xAA, 0x2A, 0x6A, 0xAA, 0x2A, 0x6A,
    0x95, 0x96, 0x98, 0x99, 0x9A, 0xA0, 0xA1, 0xA2, 0xA4, 0xA5, 0xA6, 0xA8, 0xA9, 0xAA, 0xAA, 0xAA,
  };
  // The second digit of h.
  static const uint8_t fifth[128] = {
    0, 0, 0, 1, 1, 1, 2, 2, 0, 0, 0, 1, 1, 1, 2, 2, 0, 0, 0, 1, 1, 1, 2, 2, 0, 0, 0, 1, 1, 1, 2, 2,
    0, 0, 0, 1, 1, 1, 2, 2, 0, 0, 0, 1, 1, 1, 2, 2, 0, 0, 0, 1, 1, 1, 2, 2, 0, 0, 0, 1, 1, 1, 2, 2,
    0, 0, 0, 1, 1, 1, 2, 2, 0, 0, 0, 1, 1, 1, 2, 2, 0, 0, 0, 1, 1, 1, 2, 2, 0, 0, 0, 1, 1, 1, 2, 2,
    0, 0, 0, 1, 1, 1, 2, 2, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
  };
  // clang-format on
  return (tk_tables512){
      _mm512_loadu_si512(four),
      _mm512_loadu_si512(four + 64),
      _mm512_loadu_si512(fifth),
      _mm512_loadu_si512(fifth + 64),
  };
}

/// Fields of 2 bits: u0 + 4 u1 + 16 u2 + 64 u3, and u4.
typedef struct tk_t5_bytes512 {
  __m512i four, fifth;
} tk_t5_bytes512;

static inline tk_t5_bytes512 tk_t5_look_up512(__m512i code, const tk_tables512 *tables) {
  __mmask64 negative = _mm512_movepi8_mask(code);
  __m512i four = _mm512_permutex2var_epi8(tables->a, code, tables->b);
  __m512i fifth = _mm512_permutex2var_epi8(tables->c, code, tables->d);
  return (tk_t5_bytes512){
      _mm512_mask_sub_epi8(four, negative, _mm512_set1_epi8((char)0xAA), four),
      _mm512_mask_sub_epi8(fifth, negative, _mm512_set1_epi8(0x02), fifth),
  };
}

static inline tk_pair_sums tk_add_t5_512(tk_pair_sums s, __m512i code, const int8_t *q,
                                         const tk_tables512 *tables) {
  tk_t5_bytes512 u = tk_t5_look_up512(code, tables);
  s = tk_add_t2_512(s, u.four, q, tables);
  s.also_by1 = tk_dot512(s.also_by1, u.fifth, tk_load_both(q + 128));
  return s;
}

static inline tk_fields512 tk_t5_fields512(__m512i code, const tk_tables512 *tables) {
  tk_t5_bytes512 u = tk_t5_look_up512(code, tables);
  return (tk_fields512){{
      tk_mask512(u.four, 0x03),
      tk_mask512(_mm512_srli_epi16(u.four, 2), 0x03),
      tk_mask512(_mm512_srli_epi16(u.four, 4), 0x03),
      tk_mask512(_mm512_srli_epi16(u.four, 6), 0x03),
      u.fifth,
  }};
}

#pragma clang attribute pop

#endif
