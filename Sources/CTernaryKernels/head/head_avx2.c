// The scans of the two-stage head with AVX2.
//
// INT8: 16 weights at a time are widened to 16 bits and multiplied by int16 activations in
// vpmaddwd: three instructions for 16 weights. Two int8 parts of the activations in vpmaddubsw
// would need the magnitude of each weight and the weight's sign on each part, nine for 32. No sum
// overflows (head.h).
//
// INT4: a row in each 32-bit lane, so that four activations are broadcast to all rows. With codes
// up to 15 and |x| <= 127 one vpmaddubsw gives at most 2 * 15 * 127 = 3810 a lane, and the 8 of a
// block 30480 <= 32767.

#if defined(__x86_64__)

#include "head/head.h"

#include <immintrin.h>

#pragma clang fp contract(off)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

static inline __m256i load(const void *p) { return _mm256_loadu_si256(p); }

static inline __m256i widen16(const uint8_t *p) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p));
}

static void scan_int8(const tk_head *h, const void *q, float scale, size_t row_begin,
                      size_t row_end, float *scores) {
  const size_t blocks = tk_head_blocks(h->columns), ahead = tk_bytes_ahead();
  for (size_t row = row_begin; row < row_end; row += TK_HEAD_INT8_ROWS) {
    const uint8_t *p = tk_head_int8_tile(h, row);
    const int16_t *x = q;
    __m256i sum[TK_HEAD_INT8_ROWS] = {0};
    for (size_t b = 0; b < blocks; b++, p += TK_HEAD_INT8_BYTES, x += TK_HEAD_BLOCK) {
      tk_prefetch_lines(p, ahead, TK_HEAD_INT8_BYTES);
      const __m256i x0 = load(x);
      const __m256i x1 = load(x + 16);
      for (size_t r = 0; r < TK_HEAD_INT8_ROWS; r++) {
        const __m256i p0 = _mm256_madd_epi16(widen16(p + r * TK_HEAD_BLOCK), x0);
        const __m256i p1 = _mm256_madd_epi16(widen16(p + r * TK_HEAD_BLOCK + 16), x1);
        sum[r] = _mm256_add_epi32(sum[r], _mm256_add_epi32(p0, p1));
      }
    }
    const __m256i pairs =
        _mm256_hadd_epi32(_mm256_hadd_epi32(sum[0], sum[1]), _mm256_hadd_epi32(sum[2], sum[3]));
    int32_t sums[TK_HEAD_INT8_ROWS];
    _mm_storeu_si128((__m128i *)sums, _mm_add_epi32(_mm256_castsi256_si128(pairs),
                                                    _mm256_extracti128_si256(pairs, 1)));
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
  const __m256i nibble = _mm256_set1_epi8(15);
  __m256i low = _mm256_setzero_si256();
  __m256i high = _mm256_setzero_si256();
  for (size_t s = 0; s < TK_HEAD_INT4_STEPS; s++) {
    const __m256i codes = load(panel + s * TK_HEAD_BLOCK);
    const __m256i a = _mm256_and_si256(codes, nibble);
    const __m256i b = _mm256_and_si256(_mm256_srli_epi16(codes, 4), nibble);
    low = _mm256_add_epi16(low, _mm256_maddubs_epi16(a, broadcast4(x + 8 * s)));
    high = _mm256_add_epi16(high, _mm256_maddubs_epi16(b, broadcast4(x + 8 * s + 4)));
  }
  return _mm256_madd_epi16(_mm256_add_epi16(low, high), _mm256_set1_epi16(1));
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
    float out[TK_HEAD_TILE_ROWS];
    _mm256_storeu_ps(out, _mm256_mul_ps(total, _mm256_set1_ps(scale)));
    const size_t count = row_end - row < TK_HEAD_TILE_ROWS ? row_end - row : TK_HEAD_TILE_ROWS;
    memcpy(scores + (row - row_begin), out, count * sizeof *out);
  }
}

const tk_head_kernels tk_head_int8_avx2 = {scan_int8};
const tk_head_kernels tk_head_int4_avx2 = {scan_int4};

#pragma clang attribute pop

#endif
