// The int8 peak of NEON: plain, with the dot product, with the matrix extension; on registers
// alone.

#if defined(__aarch64__)

#include "kernels.h"

#include <arm_neon.h>

enum { SUMS = 16 };

uint64_t tk_int8_peak_neon(size_t rounds) {
  enum { PRODUCTS = 8 };
  int8x8_t q = vdup_n_s8(3);
  int16x8_t sums[SUMS];
  for (int s = 0; s < SUMS; s++)
    sums[s] = vdupq_n_s16(0);
  for (size_t i = 0; i < rounds; i++)
    for (int s = 0; s < SUMS; s++) {
      // The empty instruction keeps the product from being moved out of the loop.
      __asm__ volatile("" : "+w"(q));
      sums[s] = vmlal_s8(sums[s], vdup_n_s8(1), q);
    }
  for (int s = 0; s < SUMS; s++)
    __asm__ volatile("" ::"w"(sums[s]));
  return (uint64_t)rounds * SUMS * PRODUCTS;
}

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

uint64_t tk_int8_peak_neon_dotprod(size_t rounds) {
  enum { PRODUCTS = 16 };
  int8x16_t q = vdupq_n_s8(3);
  int32x4_t sums[SUMS];
  for (int s = 0; s < SUMS; s++)
    sums[s] = vdupq_n_s32(0);
  for (size_t i = 0; i < rounds; i++)
    for (int s = 0; s < SUMS; s++) {
      __asm__ volatile("" : "+w"(q));
      sums[s] = vdotq_s32(sums[s], vdupq_n_s8(1), q);
    }
  for (int s = 0; s < SUMS; s++)
    __asm__ volatile("" ::"w"(sums[s]));
  return (uint64_t)rounds * SUMS * PRODUCTS;
}

#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("i8mm"))), apply_to = function)

uint64_t tk_int8_peak_neon_i8mm(size_t rounds) {
  enum { PRODUCTS = 32 };
  int8x16_t q = vdupq_n_s8(3);
  int32x4_t sums[SUMS];
  for (int s = 0; s < SUMS; s++)
    sums[s] = vdupq_n_s32(0);
  for (size_t i = 0; i < rounds; i++)
    for (int s = 0; s < SUMS; s++) {
      __asm__ volatile("" : "+w"(q));
      sums[s] = vmmlaq_s32(sums[s], vdupq_n_s8(1), q);
    }
  for (int s = 0; s < SUMS; s++)
    __asm__ volatile("" ::"w"(sums[s]));
  return (uint64_t)rounds * SUMS * PRODUCTS;
}

#pragma clang attribute pop

#endif
