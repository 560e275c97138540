// The scans of the two-stage head with AVX-512 VNNI.
//
// INT8: 32 weights at a time are widened to 16 bits and multiplied by int16 activations in
// vpdpwssd, two instructions for 32 weights. Unsigned bytes against two int8 parts of the
// activations (as head_neon_dotprod.c does) would need fewer products, but more instructions to
// take each block's activations apart for four rows only. No sum overflows (head.h).
//
// INT4: a row in each 32-bit lane, so that four activations are broadcast to all rows, which is
// part of vpdpbusd. 256 bits are a panel. High nibbles stay where they are, 16 times too large: a
// lane adds at most 4 * 240 * 127 = 121920 in each of the four steps of a block.

#if defined(__x86_64__)

#include "head/head.h"

#include <immintrin.h>

#pragma clang fp contract(off)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,"           \
                                                   "avx512vnni,fma,f16c"))),                       \
                             apply_to = function)

static inline __m256i load(const void *p) { return _mm256_loadu_si256(p); }

/// The sum of all lanes of each of four vectors.
static inline __m128i reduce4(const __m512i sum[TK_HEAD_INT8_ROWS]) {
  __m256i half[TK_HEAD_INT8_ROWS];
  for (size_t r = 0; r < TK_HEAD_INT8_ROWS; r++) {
    half[r] =
        _mm256_add_epi32(_mm512_castsi512_si256(sum[r]), _mm512_extracti64x4_epi64(sum[r], 1));
  }
  const __m256i pairs =
      _mm256_hadd_epi32(_mm256_hadd_epi32(half[0], half[1]), _mm256_hadd_epi32(half[2], half[3]));
  return _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
}

static void scan_int8(const tk_head *h, const void *q, float scale, size_t row_begin,
                      size_t row_end, float *scores) {
  const size_t blocks = tk_head_blocks(h->columns), ahead = tk_bytes_ahead();
  for (size_t row = row_begin; row < row_end; row += TK_HEAD_INT8_ROWS) {
    const uint8_t *p = tk_head_int8_tile(h, row);
    const int16_t *x = q;
    __m512i sum[TK_HEAD_INT8_ROWS] = {0};
    for (size_t b = 0; b < blocks; b++, p += TK_HEAD_INT8_BYTES, x += TK_HEAD_BLOCK) {
      tk_prefetch_lines(p, ahead, TK_HEAD_INT8_BYTES);
      const __m512i values = _mm512_loadu_si512(x);
      for (size_t r = 0; r < TK_HEAD_INT8_ROWS; r++) {
        const __m512i w = _mm512_cvtepi8_epi16(load(p + r * TK_HEAD_BLOCK));
        sum[r] = _mm512_dpwssd_epi32(sum[r], w, values);
      }
    }
    int32_t sums[TK_HEAD_INT8_ROWS];
    _mm_storeu_si128((__m128i *)sums, reduce4(sum));
    tk_head_int8_store(h, sums, scale, row, row_end - row, scores + (row - row_begin));
  }
}

/// Four activations in every 32-bit lane.
static inline __m256i broadcast4(const int8_t *x) {
  int32_t four;
  memcpy(&four, x, sizeof four);
  return _mm256_set1_epi32(four);
}

/// The 8 integer sums of a block, not yet less 8 times the sum of its activations.
static inline __m256i block_int4(const uint8_t *panel, const int8_t *x) {
  __m256i low = _mm256_setzero_si256();
  __m256i high = _mm256_setzero_si256();
  for (size_t s = 0; s < TK_HEAD_INT4_STEPS; s++) {
    const __m256i codes = load(panel + s * TK_HEAD_BLOCK);
    const __m256i a = _mm256_and_si256(codes, _mm256_set1_epi8(0x0F));
    const __m256i b = _mm256_and_si256(codes, _mm256_set1_epi8((char)0xF0));
    low = _mm256_dpbusd_epi32(low, a, broadcast4(x + 8 * s));
    high = _mm256_dpbusd_epi32(high, b, broadcast4(x + 8 * s + 4));
  }
  return _mm256_add_epi32(low, _mm256_srai_epi32(high, 4)); // the division is exact
}

static void scan_int4(const tk_head *h, const void *q, float scale, size_t row_begin,
                      size_t row_end, float *scores) {
  const size_t blocks = tk_head_blocks(h->columns), ahead = tk_bytes_ahead();
  const int32_t *sums = tk_head_sums(q, h->columns);
  for (size_t row = row_begin; row < row_end; row += TK_HEAD_TILE_ROWS) {
    const uint8_t *p = tk_head_int4_panel(h, row);
    const int8_t *x = q;
    __m256 total = _mm256_setzero_ps();
    for (size_t b = 0; b < blocks; b++, p += TK_HEAD_INT4_BYTES, x += TK_HEAD_BLOCK) {
      // 144 bytes: every third block begins a line more, so three lines are asked for.
      tk_prefetch_lines(p, ahead, 3 * 64);
      const __m256i sum = _mm256_sub_epi32(block_int4(p, x), _mm256_set1_epi32(sums[b]));
      const __m256 d = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + TK_HEAD_INT4_SCALES)));
      total = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), d, total);
    }
    const size_t count = row_end - row;
    const __mmask8 present = (__mmask8)(count < TK_HEAD_TILE_ROWS ? (1u << count) - 1 : 0xFF);
    _mm256_mask_storeu_ps(scores + (row - row_begin), present,
                          _mm256_mul_ps(total, _mm256_set1_ps(scale)));
  }
}

const tk_head_kernels tk_head_int8_avx512_vnni = {scan_int8};
const tk_head_kernels tk_head_int4_avx512_vnni = {scan_int4};

#pragma clang attribute pop

#endif
