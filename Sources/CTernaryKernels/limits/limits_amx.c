// The int8 peak of AMX: tdpbsud on tiles alone, four sums to hide latency.

#if defined(__x86_64__) && defined(__linux__)

#include "limits/limits.h"
#include "ternary/tiles_amx.h"

#pragma clang attribute push(__attribute__((target(TK_TARGET_AMX))), apply_to = function)

static uint64_t int8_peak(size_t rounds) {
  enum { SUMS = 4, PRODUCTS = TK_TILE_SUMS * TK_TILE_WIDTH };
  uint8_t codes[TK_TILE_HEIGHT * TK_TILE_WIDTH];
  memset(codes, 1, sizeof codes);
  tk_tiles tiles = {0};
  tk_tiles_configure(&tiles, TK_TILE_HEIGHT, TK_TILE_HEIGHT);
  for (tk_tile c = TK_C0; c <= TK_C3; c++) {
    tk_tile_zero(&tiles, c);
  }
  for (tk_tile factor = TK_A0; factor <= TK_B1; factor++) {
    tk_tile_load(&tiles, factor, codes, TK_TILE_WIDTH);
  }
  for (size_t i = 0; i < rounds; i++) {
    tk_tile_dot(&tiles, TK_C0);
    tk_tile_dot(&tiles, TK_C1);
    tk_tile_dot(&tiles, TK_C2);
    tk_tile_dot(&tiles, TK_C3);
  }
  tk_tiles_release(&tiles);
  return (uint64_t)rounds * SUMS * PRODUCTS;
}

const tk_limit_kernels tk_limits_amx = {int8_peak};

#pragma clang attribute pop

#endif
