// Ternary GEMM with AVX-512 VNNI alone: gemm_avx512.h with the 16-entry look-ups for T5.

#if defined(__x86_64__)

#include "ternary/gemm_avx512.h"
#include "ternary/t5_avx512_vnni.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,"           \
                                                   "avx512vnni,fma,f16c"))),                       \
                             apply_to = function)

static void unpack_panel(tk_layout layout, const uint8_t *tile, size_t tile_stride, size_t tiles,
                         size_t blocks, uint8_t *codes) {
  const tk_tables512 tables = tk_t5_load_tables512();
  tk_unpack_layout512(tk_t5_fields512, &tables, layout, tile, tile_stride, tiles, blocks, codes);
}

void tk_gemm_avx512_vnni(const tk_matrix *w, const int8_t *q, size_t q_stride, const int32_t *sums,
                         size_t batch, size_t row_begin, size_t row_end, int32_t *y,
                         size_t y_stride, void *scratch) {
  static const tk_gemm_steps steps = {.multiply = tk_multiply512,
                                      .tokens = TK_TOKENS_512,
                                      .rows = TK_PANEL_ROWS_512,
                                      .unpack_panel = unpack_panel};
  const tk_tables512 tables = tk_t5_load_tables512();
  tk_gemm512(tk_t5_fields512, &tables, &steps, w, q, q_stride, sums, batch, row_begin, row_end, y,
             y_stride, scratch);
}

#pragma clang attribute pop

#endif
