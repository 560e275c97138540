// Private helpers of the NEON ternary kernels; include only inside `#if defined(__aarch64__)`.

#ifndef TK_TERNARY_NEON_H
#define TK_TERNARY_NEON_H

#include "ternary/ternary.h"

#include <arm_neon.h>

/// T5 look-ups (layout.h): fields of 2 bits trit + 1, as if the sign bit were 0. Three trits of l,
/// and two trits of h <= 7 from bits 2-0 (bit 3 does not matter).
typedef struct tk_t5_tables {
  uint8x16_t low, high;
} tk_t5_tables;

static inline tk_t5_tables tk_t5_load_tables(void) {
  static const uint8_t low[16] = {21, 22, 24, 25, 26, 32, 33, 34, 36, 37, 38, 40, 41, 42, 0, 0};
  static const uint8_t high[16] = {0, 1, 2, 4, 5, 6, 8, 9, 0, 1, 2, 4, 5, 6, 8, 9};
  return (tk_t5_tables){vld1q_u8(low), vld1q_u8(high)};
}

/// Two bytes of 2-bit fields trit + 1: three trits in `low`, two in `high`.
typedef struct tk_t5_fields {
  uint8x16_t low, high;
} tk_t5_fields;

/// Trits change their sign when a byte of fields is taken from one whose fields are all 2: that is
/// the distance from 0x2A or 0x0A, where the distance from 0 leaves a byte as it is.
static inline tk_t5_fields tk_t5_decode(uint8x16_t code, const tk_t5_tables *tables) {
  const uint8x16_t nibble = vdupq_n_u8(15), twos = vdupq_n_u8(0x2A), two_twos = vdupq_n_u8(0x0A);
  uint8x16_t bottom = vandq_u8(code, nibble);
  uint8x16_t middle = vandq_u8(vshrq_n_u8(code, 3), nibble);
  uint8x16_t escaped = vcgtq_u8(middle, vdupq_n_u8(13)); // h == 8, whose two trits are 1 and 1
  uint8x16_t low = vqtbl1q_u8(tables->low, vbslq_u8(escaped, bottom, middle));
  uint8x16_t high = vbslq_u8(escaped, two_twos, vqtbl1q_u8(tables->high, bottom));
  uint8x16_t negated = vcltzq_s8(vreinterpretq_s8_u8(code));
  return (tk_t5_fields){vabdq_u8(low, vandq_u8(negated, twos)),
                        vabdq_u8(high, vandq_u8(negated, two_twos))};
}

/// Bits 0-1, bits 2-3 and bits 4-5 where they are, as signed bytes: at most 2, 8 and 32.
static inline int8x16_t tk_field0(uint8x16_t e) {
  return vreinterpretq_s8_u8(vandq_u8(e, vdupq_n_u8(0x03)));
}
static inline int8x16_t tk_field1(uint8x16_t e) {
  return vreinterpretq_s8_u8(vandq_u8(e, vdupq_n_u8(0x0C)));
}
static inline int8x16_t tk_field2(uint8x16_t e) {
  return vreinterpretq_s8_u8(vandq_u8(e, vdupq_n_u8(0x30)));
}

/// 16 bytes of one row taken apart: codes trit + 1 of each field.
typedef struct tk_row_codes {
  int8x16_t field[TK_T5_FIELDS];
} tk_row_codes;

/// `fields` is a constant where this is inlined.
static inline tk_row_codes tk_decode_row(size_t fields, uint8x16_t code,
                                         const tk_t5_tables *tables) {
  tk_row_codes u;
  if (fields == TK_T5_FIELDS) {
    tk_t5_fields t5 = tk_t5_decode(code, tables);
    code = t5.low; // whose bits 6-7 are 0
    u.field[2] = vreinterpretq_s8_u8(vshrq_n_u8(code, 4));
    u.field[3] = tk_field0(t5.high);
    u.field[4] = vreinterpretq_s8_u8(vshrq_n_u8(t5.high, 2)); // bits 4-7 are 0
  } else {
    u.field[2] = tk_field0(vshrq_n_u8(code, 4));
    u.field[3] = vreinterpretq_s8_u8(vshrq_n_u8(code, 6));
    u.field[4] = vdupq_n_s8(0); // there is none
  }
  u.field[0] = tk_field0(code);
  u.field[1] = tk_field0(vshrq_n_u8(code, 2));
  return u;
}

/// Four totals, one for each vector of four 32-bit lanes.
static inline int32x4_t tk_reduce4(int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d) {
  return vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d));
}

/// Writes up to four rows' results; the last tile may have rows that are only padding.
static inline void tk_store_rows(const int32x4_t total[TK_TILE_ROWS], int32_t sum, size_t rows,
                                 int32_t *y) {
  int32x4_t all = vsubq_s32(tk_reduce4(total[0], total[1], total[2], total[3]), vdupq_n_s32(sum));
  if (rows >= TK_TILE_ROWS) {
    vst1q_s32(y, all);
    return;
  }
  int32_t out[TK_TILE_ROWS];
  vst1q_s32(out, all);
  for (size_t r = 0; r < rows; r++) {
    y[r] = out[r];
  }
}

/// The `unpack` steps of GEMM on NEON (gemm_neon.c).
tk_gemm_unpack tk_gemm_unpack_t2_neon, tk_gemm_unpack_t5_neon;

#endif
