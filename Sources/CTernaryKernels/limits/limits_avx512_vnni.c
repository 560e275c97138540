// The int8 peak of AVX-512 VNNI: vpdpbusd on registers alone, twelve sums to hide latency.

#if defined(__x86_64__)

#include "limits/limits.h"

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,"           \
                                                   "avx512vnni"))),                                \
                             apply_to = function)

static uint64_t int8_peak(size_t rounds) {
  enum { SUMS = 12, PRODUCTS = 64 };
  __m512i codes = _mm512_set1_epi8(1), q = _mm512_set1_epi8(3), sums[SUMS];
  for (int s = 0; s < SUMS; s++) {
    sums[s] = _mm512_setzero_si512();
  }
  for (size_t i = 0; i < rounds; i++) {
    for (int s = 0; s < SUMS; s++) {
      // The empty instruction keeps the product from being moved out of the loop.
      __asm__ volatile("" : "+v"(q));
      sums[s] = _mm512_dpbusd_epi32(sums[s], codes, q);
    }
  }
  for (int s = 0; s < SUMS; s++) {
    __asm__ volatile("" ::"v"(sums[s]));
  }
  return (uint64_t)rounds * SUMS * PRODUCTS;
}

const tk_limit_kernels tk_limits_avx512_vnni = {int8_peak};

#pragma clang attribute pop

#endif
