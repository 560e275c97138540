// Private helpers of the NEON ternary kernels; include only inside `#if defined(__aarch64__)`.

#ifndef TK_TERNARY_NEON_H
#define TK_TERNARY_NEON_H

#include "ternary.h"

#include <arm_neon.h>

/// T5 look-ups (ternary.h), as in ternary_avx2.h: three trits t0 + 4 t1 + 16 t2 from bits 6-3 (-128
/// where h == 8), the same from bits 3-0 where h == 8, and two trits t3 + 4 t4 from bits 2-0.
typedef struct tk_t5_tables {
  int8x16_t low, escaped, high;
} tk_t5_tables;

static inline tk_t5_tables tk_t5_load_tables(void) {
  static const int8_t low[16] = {0, 1, 3, 4, 5, 11, 12, 13, 15, 16, 17, 19, 20, 21, -128, -128};
  static const int8_t escaped[16] = {0, 1, 3, 4, 5, 11, 12, 13, 15, 16, 17, 19, 20, 21, 0, 0};
  static const int8_t high[16] = {-5, -4, -3, -1, 0, 1, 3, 4, -5, -4, -3, -1, 0, 1, 3, 4};
  return (tk_t5_tables){vld1q_s8(low), vld1q_s8(escaped), vld1q_s8(high)};
}

/// Two bytes of 2-bit fields trit + 1: three trits in `low`, two in `high`.
typedef struct tk_t5_fields {
  uint8x16_t low, high;
} tk_t5_fields;

static inline tk_t5_fields tk_t5_decode(uint8x16_t code, const tk_t5_tables *tables) {
  const uint8x16_t nibble = vdupq_n_u8(15);
  uint8x16_t bottom = vandq_u8(code, nibble);
  int8x16_t low = vqtbl1q_s8(tables->low, vandq_u8(vshrq_n_u8(code, 3), nibble));
  int8x16_t high = vqtbl1q_s8(tables->high, bottom);
  uint8x16_t marked = vcltzq_s8(low); // h == 8, whose two trits are 1 and 1
  high = vbslq_s8(marked, vdupq_n_s8(5), high);
  low = vbslq_s8(marked, vqtbl1q_s8(tables->escaped, bottom), low);
  int8x16_t sign = vshrq_n_s8(vreinterpretq_s8_u8(code), 7); // -1 where all trits are negated
  low = vsubq_s8(veorq_s8(low, sign), sign);
  high = vsubq_s8(veorq_s8(high, sign), sign);
  return (tk_t5_fields){vreinterpretq_u8_s8(vaddq_s8(low, vdupq_n_s8(0x15))),
                        vreinterpretq_u8_s8(vaddq_s8(high, vdupq_n_s8(0x05)))};
}

/// Bits 0-1 and bits 2-3 where they are, as signed bytes: at most 2 and 8.
static inline int8x16_t tk_field0(uint8x16_t e) {
  return vreinterpretq_s8_u8(vandq_u8(e, vdupq_n_u8(0x03)));
}
static inline int8x16_t tk_field1(uint8x16_t e) {
  return vreinterpretq_s8_u8(vandq_u8(e, vdupq_n_u8(0x0C)));
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
  for (size_t r = 0; r < rows; r++)
    y[r] = out[r];
}

/// The `unpack` step of GEMM on NEON (gemm_neon.c).
void tk_gemm_unpack_neon(tk_layout layout, const uint8_t *tile, size_t blocks, uint8_t *codes);

#endif
