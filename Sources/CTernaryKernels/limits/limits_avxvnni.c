// The int8 peak of AVX-VNNI: vpdpbusd on registers alone, twelve sums to hide latency.

#if defined(__x86_64__)

#include "limits/limits.h"
#include "ternary/ternary_avxvnni.h"

#pragma clang attribute push(__attribute__((target(TK_TARGET_AVXVNNI))), apply_to = function)

static uint64_t int8_peak(size_t rounds) {
  enum { SUMS = 12, PRODUCTS = 32 };
  __m256i codes = _mm256_set1_epi8(1), q = _mm256_set1_epi8(3), sums[SUMS];
  for (int s = 0; s < SUMS; s++) {
    sums[s] = _mm256_setzero_si256();
  }
  for (size_t i = 0; i < rounds; i++) {
    for (int s = 0; s < SUMS; s++) {
      // The empty instruction keeps the product from being moved out of the loop.
      __asm__ volatile("" : "+x"(q));
      sums[s] = tk_dot256(sums[s], codes, q);
    }
  }
  for (int s = 0; s < SUMS; s++) {
    __asm__ volatile("" ::"x"(sums[s]));
  }
  return (uint64_t)rounds * SUMS * PRODUCTS;
}

const tk_limit_kernels tk_limits_avxvnni = {int8_peak};

#pragma clang attribute pop

#endif
