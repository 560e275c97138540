// Private to the NEON float kernels: partial loads and stores, and the tree over 16 lanes. Lanes
// 0-3, 4-7, 8-11 and 12-15 are one vector each.

#ifndef TK_FLOAT_NEON_H
#define TK_FLOAT_NEON_H

#include <arm_neon.h>

#include "float/float.h"

#pragma clang fp contract(off)

/// The first `count` of four floats, 0 in the other lanes, whose memory is not touched.
static inline float32x4_t tk_load4(const float *p, size_t count) {
  if (count >= 4) {
    return vld1q_f32(p);
  }
  float part[4] = {0};
  memcpy(part, p, count * sizeof *p);
  return vld1q_f32(part);
}

/// Stores the first `count` of four lanes.
static inline void tk_store4(float *p, size_t count, float32x4_t v) {
  if (count >= 4) {
    vst1q_f32(p, v);
    return;
  }
  float part[4];
  vst1q_f32(part, v);
  memcpy(p, part, count * sizeof *p);
}

/// The tree down to two lanes; adding them gives tk_lane_sum.
static inline float32x2_t tk_fold16(const float32x4_t lanes[4]) {
  const float32x4_t s = vaddq_f32(vaddq_f32(lanes[0], lanes[2]), vaddq_f32(lanes[1], lanes[3]));
  return vadd_f32(vget_low_f32(s), vget_high_f32(s));
}

/// tk_lane_sum of the 16 lanes in four vectors.
static inline float tk_lane_sum16(const float32x4_t lanes[4]) {
  const float32x2_t s = tk_fold16(lanes);
  return vget_lane_f32(vpadd_f32(s, s), 0);
}

/// Four tk_lane_sum at once.
static inline float32x4_t tk_lane_sums4(const float32x4_t lanes[4][4]) {
  return vcombine_f32(vpadd_f32(tk_fold16(lanes[0]), tk_fold16(lanes[1])),
                      vpadd_f32(tk_fold16(lanes[2]), tk_fold16(lanes[3])));
}

/// Codes - 32 of columns c ..< c + 16 of a Q6_K block, c a multiple of 16 below 256.
static inline int8x16_t tk_codes_q6_k(const uint8_t *block, size_t c) {
  const size_t half = c / 128;
  const size_t quarter = c / 32 % 4;
  const uint8x16_t bytes = vld1q_u8(block + 64 * half + 32 * (quarter % 2) + c % 32);
  const uint8x16_t low = quarter < 2 ? vandq_u8(bytes, vdupq_n_u8(15)) : vshrq_n_u8(bytes, 4);
  const uint8x16_t pairs = vld1q_u8(block + 128 + 32 * half + c % 32);
  const int8x16_t shift = vdupq_n_s8((int8_t)(4 - 2 * (int)quarter));
  const uint8x16_t high = vandq_u8(vshlq_u8(pairs, shift), vdupq_n_u8(0x30));
  return vsubq_s8(vreinterpretq_s8_u8(vorrq_u8(low, high)), vdupq_n_s8(32));
}

#endif
