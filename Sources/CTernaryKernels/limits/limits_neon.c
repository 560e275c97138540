// The int8 peak of baseline NEON: 8 products for an smlal.

#if defined(__aarch64__)

#include "limits/limits.h"

#include <arm_neon.h>

static uint64_t int8_peak(size_t rounds) {
  enum { SUMS = 16, PRODUCTS = 8 };
  int8x8_t q = vdup_n_s8(3);
  int16x8_t sums[SUMS];
  for (int s = 0; s < SUMS; s++) {
    sums[s] = vdupq_n_s16(0);
  }
  for (size_t i = 0; i < rounds; i++) {
    for (int s = 0; s < SUMS; s++) {
      // The empty instruction keeps the product from being moved out of the loop.
      __asm__ volatile("" : "+w"(q));
      sums[s] = vmlal_s8(sums[s], vdup_n_s8(1), q);
    }
  }
  for (int s = 0; s < SUMS; s++) {
    __asm__ volatile("" ::"w"(sums[s]));
  }
  return (uint64_t)rounds * SUMS * PRODUCTS;
}

const tk_limit_kernels tk_limits_neon = {int8_peak};

#endif
