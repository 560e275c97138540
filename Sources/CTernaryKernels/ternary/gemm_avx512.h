// Private: ternary GEMM with AVX-512 VNNI, for any decoder of packed vectors. The functions are
// inlined into the file of each instruction set, with its decoder as a constant.
//
// Batches of up to 8 tokens take one pass over the packed matrix, as GEMV does: each block is
// decoded once for all tokens: 16 sums and two decoded vectors fill the registers. Larger
// ones go by panels (gemm.c), with codes in the order
//
//   codes: columns 0-3 of row 0, of row 1, ... of row 31 | columns 4-7 of row 0, ... | ...
//
// so that a lane is a row and four activations, copied to all lanes, serve 16 rows at once.
//
// 32 rows x 10 tokens: 20 sums, two vectors of codes and the copies of the activations fit the 32
// registers, and 20 vpdpbusd go with 12 loads. This shape reached 97% of the peak of Zen 4.
//
// Overflow: see ternary.h; every code is trit + 1, so a whole row of TK_MAX_COLUMNS fits.

#ifndef TK_GEMM_AVX512_H
#define TK_GEMM_AVX512_H

#include "ternary/ternary_avx512.h"

#include <string.h>

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,"           \
                                                   "avx512vnni,fma,f16c"),                         \
                                            always_inline)),                                       \
                             apply_to = function)

enum {
  TK_TOKENS_512 = 10,
  TK_PANEL_ROWS_512 = 32,
  TK_STEP_BYTES_512 = 4 * TK_PANEL_ROWS_512, ///< Codes of four columns of a panel.
};

// ---------------------------------------------------------------------------------------------
// Small batches
// ---------------------------------------------------------------------------------------------

/// One tile times `tokens` tokens; `tokens` and `fields` are constants where this is inlined.
static inline void tk_batch_tile512(tk_decode512 *decode, size_t fields, const tk_tables512 *tables,
                                    const uint8_t *p, size_t blocks, const int8_t *q,
                                    size_t q_stride, size_t tokens, __m128i *all) {
  const size_t ahead = tk_bytes_ahead();
  __m512i first[TK_SMALL_BATCH] = {0}, second[TK_SMALL_BATCH] = {0};
  for (size_t b = 0; b < blocks; b++, p += TK_TILE_BYTES, q += fields * TK_BLOCK_BYTES) {
    tk_prefetch_lines(p, ahead, TK_TILE_BYTES);
    tk_fields512 u = decode(_mm512_loadu_si512(p), tables);
    tk_fields512 v = decode(_mm512_loadu_si512(p + 64), tables);
#pragma clang loop unroll(full)
    for (size_t t = 0; t < tokens; t++) {
#pragma clang loop unroll(full)
      for (size_t f = 0; f < fields; f++) {
        __m512i x = tk_load_both(q + t * q_stride + f * TK_BLOCK_BYTES);
        first[t] = tk_dot512(first[t], u.u[f], x);
        second[t] = tk_dot512(second[t], v.u[f], x);
      }
    }
  }
  for (size_t t = 0; t < tokens; t++) {
    all[t] = tk_reduce_pairs(first[t], second[t]);
  }
}

static inline void tk_batch512(tk_decode512 *decode, size_t fields, const tk_tables512 *tables,
                               const tk_matrix *w, const int8_t *q, size_t q_stride,
                               const int32_t *sums, size_t tokens, size_t row_begin, size_t row_end,
                               int32_t *y, size_t y_stride) {
  size_t blocks = tk_block_count(w->layout, w->columns);
  for (size_t r = row_begin; r < row_end; r += TK_TILE_ROWS) {
    __m128i all[TK_SMALL_BATCH];
    tk_batch_tile512(decode, fields, tables, tk_packed_row(w, r), blocks, q, q_stride, tokens, all);
    for (size_t t = 0; t < tokens; t++) {
      tk_store_rows512(_mm_sub_epi32(all[t], _mm_set1_epi32(sums[t])), row_end - r,
                       y + t * y_stride + r - row_begin);
    }
  }
}

/// GEMM for 1 to 8 tokens; the count becomes a constant, so that sums stay in registers.
static inline void tk_small_gemm512(tk_decode512 *decode, size_t fields, const tk_tables512 *tables,
                                    const tk_matrix *w, const int8_t *q, size_t stride,
                                    const int32_t *sums, size_t batch, size_t begin, size_t end,
                                    int32_t *y, size_t y_stride) {
  switch (batch) {
  case 1:
    tk_batch512(decode, fields, tables, w, q, stride, sums, 1, begin, end, y, y_stride);
    break;
  case 2:
    tk_batch512(decode, fields, tables, w, q, stride, sums, 2, begin, end, y, y_stride);
    break;
  case 3:
    tk_batch512(decode, fields, tables, w, q, stride, sums, 3, begin, end, y, y_stride);
    break;
  case 4:
    tk_batch512(decode, fields, tables, w, q, stride, sums, 4, begin, end, y, y_stride);
    break;
  case 5:
    tk_batch512(decode, fields, tables, w, q, stride, sums, 5, begin, end, y, y_stride);
    break;
  case 6:
    tk_batch512(decode, fields, tables, w, q, stride, sums, 6, begin, end, y, y_stride);
    break;
  case 7:
    tk_batch512(decode, fields, tables, w, q, stride, sums, 7, begin, end, y, y_stride);
    break;
  default:
    tk_batch512(decode, fields, tables, w, q, stride, sums, 8, begin, end, y, y_stride);
    break;
  }
}

// ---------------------------------------------------------------------------------------------
// Panels
// ---------------------------------------------------------------------------------------------

/// Rows 0-3 of `v` become lanes: out[i] holds bytes 4 i ... 4 i + 3 of the 16 rows, in row order.
static inline void tk_transpose512(const __m512i v[4], __m512i out[4]) {
  __m512i a = _mm512_unpacklo_epi32(v[0], v[1]), b = _mm512_unpackhi_epi32(v[0], v[1]);
  __m512i c = _mm512_unpacklo_epi32(v[2], v[3]), d = _mm512_unpackhi_epi32(v[2], v[3]);
  out[0] = _mm512_unpacklo_epi64(a, c);
  out[1] = _mm512_unpackhi_epi64(a, c);
  out[2] = _mm512_unpacklo_epi64(b, d);
  out[3] = _mm512_unpackhi_epi64(b, d);
}

/// 16 bytes from each of four tiles.
static inline __m512i tk_gather_tiles512(const uint8_t *const tiles[4], size_t offset) {
  __m512i v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(tiles[0] + offset)));
  for (int t = 1; t < 4; t++) {
    __m128i part = _mm_loadu_si128((const __m128i *)(tiles[t] + offset));
    v = t == 1   ? _mm512_inserti32x4(v, part, 1)
        : t == 2 ? _mm512_inserti32x4(v, part, 2)
                 : _mm512_inserti32x4(v, part, 3);
  }
  return v;
}

/// Codes of 16 rows (four tiles): half a panel.
static inline void tk_unpack_rows512(tk_decode512 *decode, size_t fields,
                                     const tk_tables512 *tables, const uint8_t *const first[4],
                                     size_t blocks, uint8_t *codes) {
  for (size_t b = 0; b < blocks; b++) {
    const uint8_t *const tiles[4] = {
        first[0] + b * TK_TILE_BYTES,
        first[1] + b * TK_TILE_BYTES,
        first[2] + b * TK_TILE_BYTES,
        first[3] + b * TK_TILE_BYTES,
    };
    for (size_t half = 0; half < 2; half++) {
      __m512i rows[TK_TILE_ROWS], steps[4];
      for (size_t r = 0; r < TK_TILE_ROWS; r++) {
        rows[r] = tk_gather_tiles512(tiles, r * TK_BLOCK_BYTES + half * 16);
      }
      tk_transpose512(rows, steps);
      for (size_t i = 0; i < 4; i++) {
        tk_fields512 u = decode(steps[i], tables);
        for (size_t f = 0; f < fields; f++) {
          _mm512_storeu_si512(codes + ((b * fields + f) * 8 + half * 4 + i) * TK_STEP_BYTES_512,
                              u.u[f]);
        }
      }
    }
  }
}

/// Codes of a panel. Tiles past the last repeat it; nobody reads their sums.
static inline void tk_unpack_panel512(tk_decode512 *decode, size_t fields,
                                      const tk_tables512 *tables, const uint8_t *tile,
                                      size_t tile_stride, size_t tiles, size_t blocks,
                                      uint8_t *codes) {
  for (size_t half = 0; half < 2; half++) {
    const uint8_t *first[4];
    for (size_t t = 0; t < 4; t++) {
      size_t i = half * 4 + t;
      first[t] = tile + (i < tiles ? i : tiles - 1) * tile_stride;
    }
    tk_unpack_rows512(decode, fields, tables, first, blocks, codes + half * 64);
  }
}

/// Token t's activations, q + t * q_stride, in terms of q, q + 3 * q_stride and q + 5 * q_stride:
/// what is left is a multiple that an address can hold.
static inline const int8_t *tk_token512(const int8_t *const bases[3], size_t q_stride, size_t t) {
  if (t == 3) {
    return bases[1];
  }
  return t < 5 || t == 8 ? bases[0] + t * q_stride : bases[2] + (t - 5) * q_stride;
}

/// 32 rows x `tokens` tokens; `tokens` is a constant where this is inlined.
static inline void tk_multiply_tile512(const uint8_t *codes, size_t columns, const int8_t *q,
                                       size_t q_stride, size_t tokens, int32_t *out) {
  __m512i low[TK_TOKENS_512] = {0}, high[TK_TOKENS_512] = {0};
  const int8_t *bases[3] = {q, q + 3 * q_stride, q + 5 * q_stride};
  const uint8_t *end = codes + columns / 4 * TK_STEP_BYTES_512;
  // Left alone, clang walks from token to token with an addition for each.
  __asm__("" : "+r"(bases[1]), "+r"(bases[2]));
  for (; codes < end; codes += TK_STEP_BYTES_512) {
    __m512i u0 = _mm512_loadu_si512(codes), u1 = _mm512_loadu_si512(codes + 64);
#pragma clang loop unroll(full)
    for (size_t t = 0; t < tokens; t++) {
      int32_t four;
      memcpy(&four, tk_token512(bases, q_stride, t), sizeof four);
      __m512i x = _mm512_set1_epi32(four);
      low[t] = tk_dot512(low[t], u0, x);
      high[t] = tk_dot512(high[t], u1, x);
    }
    for (size_t i = 0; i < 3; i++) {
      bases[i] += 4;
    }
  }
#pragma clang loop unroll(full)
  for (size_t t = 0; t < tokens; t++) {
    _mm512_storeu_si512(out + t * TK_PANEL_ROWS_512, low[t]);
    _mm512_storeu_si512(out + t * TK_PANEL_ROWS_512 + 16, high[t]);
  }
}

#pragma clang attribute pop

/// tk_multiply_tile512 for 1 to TK_TOKENS_512 tokens.
tk_gemm_multiply tk_multiply512;

#endif
