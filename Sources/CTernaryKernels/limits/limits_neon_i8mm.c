// The int8 peak with the int8 matrix extension: 32 products for an smmla.

#if defined(__aarch64__)

#include "limits/limits.h"

#include <arm_neon.h>

#pragma clang attribute push(__attribute__((target("i8mm"))), apply_to = function)

static uint64_t int8_peak(size_t rounds) {
  enum { SUMS = 16, PRODUCTS = 32 };
  int8x16_t q = vdupq_n_s8(3);
  int32x4_t sums[SUMS];
  for (int s = 0; s < SUMS; s++) {
    sums[s] = vdupq_n_s32(0);
  }
  for (size_t i = 0; i < rounds; i++) {
    for (int s = 0; s < SUMS; s++) {
      // The empty instruction keeps the product from being moved out of the loop.
      __asm__ volatile("" : "+w"(q));
      sums[s] = vmmlaq_s32(sums[s], vdupq_n_s8(1), q);
    }
  }
  for (int s = 0; s < SUMS; s++) {
    __asm__ volatile("" ::"w"(sums[s]));
  }
  return (uint64_t)rounds * SUMS * PRODUCTS;
}

const tk_limit_kernels tk_limits_neon_i8mm = {int8_peak};

#pragma clang attribute pop

#endif
