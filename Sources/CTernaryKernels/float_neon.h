// Private to the NEON float kernels: partial loads and stores, and the tree over 16 lanes. Lanes
// 0-3, 4-7, 8-11 and 12-15 are one vector each.

#ifndef TK_FLOAT_NEON_H
#define TK_FLOAT_NEON_H

#include <arm_neon.h>

#include "float.h"

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

#endif
