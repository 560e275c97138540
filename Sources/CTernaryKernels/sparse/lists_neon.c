// Lists of what is not zero, with NEON: a mask of each vector's lanes, then its places moved
// together by a table of all masks of four.

#if defined(__aarch64__)

#include "sparse/sparse.h"

#include <arm_neon.h>

/// Writes the places i .. i + 3 whose lane of `keep` is all ones; returns the end of the list.
static inline int32_t *append4(int32_t *list, int32_t i, uint32x4_t keep) {
  static const uint32_t bits[4] = {1, 2, 4, 8};
  static const int32_t steps[4] = {0, 1, 2, 3};
  uint32_t mask = vaddvq_u32(vandq_u32(keep, vld1q_u32(bits)));
  int32x4_t places = vaddq_s32(vdupq_n_s32(i), vld1q_s32(steps));
  uint8x16_t order = vld1q_u8(tk_compact_lanes[mask]);
  vst1q_s32(list, vreinterpretq_s32_u8(vqtbl1q_u8(vreinterpretq_u8_s32(places), order)));
  return list + __builtin_popcount(mask);
}

static size_t active(const float *x, size_t n, int32_t *list) {
  int32_t *end = list;
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    end = append4(end, (int32_t)i, vmvnq_u32(vclezq_f32(vld1q_f32(x + i))));
  }
  for (; i < n; i++) {
    if (!(x[i] <= 0.0f)) {
      *end++ = (int32_t)i;
    }
  }
  return (size_t)(end - list);
}

static size_t nonzero(const int8_t *q, size_t n, int32_t *list) {
  int32_t *end = list;
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    int8x8_t v = vld1_s8(q + i);
    if (vget_lane_u64(vreinterpret_u64_s8(v), 0) == 0) {
      continue;
    }
    int16x8_t wide = vmovl_s8(v);
    int32x4_t low = vmovl_s16(vget_low_s16(wide)), high = vmovl_high_s16(wide);
    end = append4(end, (int32_t)i, vtstq_s32(low, low));
    end = append4(end, (int32_t)i + 4, vtstq_s32(high, high));
  }
  for (; i < n; i++) {
    if (q[i] != 0) {
      *end++ = (int32_t)i;
    }
  }
  return (size_t)(end - list);
}

const tk_list_kernels tk_lists_neon = {active, nonzero};

#endif
