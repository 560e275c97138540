// What this machine can do at best: the yardsticks that benchmarks compare with.

#include "limits/limits.h"
#include "limits/prefetch.h"

#include <string.h>

uint64_t tk_read(const void *data, size_t bytes, size_t ahead) {
  enum { LINE = 64, LANES = 8 };
  const uint8_t *p = data;
  uint64_t lanes[LANES] = {0};
  for (size_t i = 0; i + LINE <= bytes; i += LINE) {
    tk_prefetch(p + i, ahead);
    uint64_t words[LANES];
    memcpy(words, p + i, sizeof words);
    for (int l = 0; l < LANES; l++) {
      lanes[l] += words[l];
    }
  }
  uint64_t sum = 0;
  for (int l = 0; l < LANES; l++) {
    sum += lanes[l];
  }
  return sum;
}

static uint64_t int8_peak(size_t rounds) {
  enum { SUMS = 4 };
  int32_t sums[SUMS] = {0};
  int32_t x = 3;
  for (size_t i = 0; i < rounds; i++) {
    for (int s = 0; s < SUMS; s++) {
      // The empty instruction keeps the product from being moved out of the loop.
      __asm__ volatile("" : "+r"(x));
      sums[s] += x * 5;
    }
  }
  for (int s = 0; s < SUMS; s++) {
    __asm__ volatile("" ::"r"(sums[s]));
  }
  return (uint64_t)rounds * SUMS;
}

const tk_limit_kernels tk_limits_scalar = {int8_peak};
