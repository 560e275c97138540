// T5 GEMM with AVX-512 VBMI and VNNI: gemm_avx512.h with the 128-entry look-ups for T5.

#if defined(__x86_64__)

#include "ternary/gemm_avx512.h"
#include "ternary/t5_avx512.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,"           \
                                                   "avx512vbmi,avx512vnni,fma,f16c"))),            \
                             apply_to = function)

static void gemm_t5(const tk_matrix *w, const int8_t *q, size_t q_stride, const int32_t *sums,
                    size_t batch, size_t row_begin, size_t row_end, int32_t *y, size_t y_stride) {
  const tk_tables512 tables = tk_t5_load_tables512();
  tk_small_gemm512(tk_t5_fields512, TK_T5_FIELDS, &tables, w, q, q_stride, sums, batch, row_begin,
                   row_end, y, y_stride);
}

static void unpack_panel_t5(const uint8_t *tile, size_t tile_stride, size_t tiles, size_t blocks,
                            uint8_t *codes) {
  const tk_tables512 tables = tk_t5_load_tables512();
  tk_unpack_panel512(tk_t5_fields512, TK_T5_FIELDS, &tables, tile, tile_stride, tiles, blocks,
                     codes);
}

const tk_gemm_small_kernels tk_gemm_small_t5_avx512 = {gemm_t5};

const tk_gemm_kernels tk_gemm_t5_avx512 = {
    .small_batch = TK_SMALL_BATCH,
    .tokens = TK_TOKENS_512,
    .rows = TK_PANEL_ROWS_512,
    .unpack_panel = unpack_panel_t5,
    .multiply = tk_multiply512,
};

#pragma clang attribute pop

#endif
