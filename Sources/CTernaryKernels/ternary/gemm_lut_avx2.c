// Ternary GEMM with AVX2 by look-ups of sums: for 4 columns the 81 sums that their trits can make
// of the activations of 32 tokens are written down once, and every row adds the one that it needs.
//
//   table[g][a + 3 b + 9 c + 27 d][t] = (a-1) q[t][4g] + (b-1) q[t][4g+1] + ... + (d-1) q[t][4g+3]
//   sums[r][t] += table[g][index[r][g]][t]                                         16-bit lanes
//
// Two loads and two additions make 128 products, where vpmaddubsw and vpaddw on registers make 32:
// without vpdpbusd the loads are the faster way (on Zen 3 this is 1.35 times as fast as the panels
// of gemm_avx2.c). The tables of 16 columns, 20 KiB, stay in level 1. So a thread takes many rows
// at a time, to share them, and every set of columns passes by all these rows: their sums lie in
// memory between.
//
//   rows > columns range (index) > 32 tokens > 16 columns (tables) > row
//
// Overflow: with |q| <= 127 one look-up adds at most 4 * 127 = 508 to a lane, which takes 64 of
// them: 64 * 508 = 32512 <= 32767. Then it is added to 32 bits.

#if defined(__x86_64__)

#include "ternary/ternary_avx2.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

enum {
  TOKENS = 32,
  GROUP = 4,          ///< Columns that one look-up adds.
  GROUP_SUMS = 81,    ///< 3^4: entries of a table. Not 256, which would use few sets of a cache.
  WINDOW_GROUPS = 4,  ///< Tables that are in level 1 at a time.
  FLUSH_WINDOWS = 16, ///< After so many the 16-bit lanes could overflow.
  WINDOW = GROUP * WINDOW_GROUPS,
  RANGE = 512, ///< Columns whose indices are made at a time, 128 bytes of a row.
  /// Rows that share tables, and tokens that share indices. With so many, making tables takes 7% of
  /// the time, adding to 32 bits 5%. The scratch is 0.9 MB; with 256 tokens it would be 1.6, and on
  /// a busy host prompts took up to 15% longer.
  MOST_ROWS = 1280,
  MOST_TOKENS = 128,
  /// Fewer rows or tokens are left to the panels; so are these few of a number of tokens that is no
  /// multiple of 32.
  LEAST_ROWS = 256,
  LEAST_TOKENS = 21,
};

/// What lies in the scratch, for `height` rows.
typedef struct workspace {
  int16_t *tables; ///< WINDOW_GROUPS of GROUP_SUMS entries of TOKENS sums.
  uint8_t *codes;  ///< Of four rows.
  uint8_t *index;  ///< [RANGE / WINDOW][height][WINDOW_GROUPS]
  int16_t *sums;   ///< [height][TOKENS], of less than a range.
  int32_t *totals; ///< [MOST_TOKENS / TOKENS][height][TOKENS]
  size_t height, size;
} workspace;

static workspace workspace_of(size_t rows, uint8_t *scratch) {
  const size_t most = rows < MOST_ROWS ? rows : MOST_ROWS, height = (most + 7) / 8 * 8;
  workspace s = {.height = height};
  // An index that no trits have would still be inside the scratch.
  const size_t sizes[] = {WINDOW_GROUPS * GROUP_SUMS * TOKENS * sizeof *s.tables,
                          TK_TILE_ROWS * TK_PANEL_COLUMNS, RANGE / GROUP * height,
                          TOKENS * sizeof *s.sums * height,
                          MOST_TOKENS * sizeof *s.totals * height};
  void *parts[5];
  for (size_t i = 0; i < 5; i++) {
    parts[i] = scratch ? scratch + s.size : NULL;
    s.size += sizes[i];
  }
  s.tables = parts[0];
  s.codes = parts[1];
  s.index = parts[2];
  s.sums = parts[3];
  s.totals = parts[4];
  return s;
}

static size_t scratch_size(const tk_matrix *w) { return workspace_of(w->rows, NULL).size; }

// ---------------------------------------------------------------------------------------------
// Indices
// ---------------------------------------------------------------------------------------------

/// The indices of 32 columns of one row: 8 bytes, of two windows.
static inline __m128i indices(const uint8_t *codes) {
  const __m256i threes = _mm256_set1_epi16(1 | 3 << 8);
  const __m128i nines = _mm_set1_epi16(1 | 9 << 8);
  __m256i pairs = _mm256_maddubs_epi16(tk_load(codes), threes);
  __m128i bytes =
      _mm_packus_epi16(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
  __m128i fours = _mm_maddubs_epi16(bytes, nines);
  return _mm_packus_epi16(fours, fours);
}

/// Those of `rows` rows from `row` on, of `count` blocks from `block` on.
static void index_rows(const workspace *s, const tk_gemm_kernels *k, const tk_matrix *w, size_t row,
                       size_t rows, size_t block, size_t count) {
  const size_t columns = count * tk_describe(w->layout).columns;
  const size_t step = s->height * WINDOW_GROUPS;
  for (size_t r = 0; r < rows; r += TK_TILE_ROWS) {
    k->unpack(tk_row(w->layout, w, row + r) + block * TK_TILE_BYTES, count, s->codes);
    uint8_t *out = s->index + r * WINDOW_GROUPS;
    for (size_t c = 0; c < columns; c += 2 * WINDOW, out += 2 * step) {
      __m128i two =
          _mm_unpacklo_epi64(indices(s->codes + c), indices(s->codes + TK_PANEL_COLUMNS + c));
      __m128i others = _mm_unpacklo_epi64(indices(s->codes + 2 * TK_PANEL_COLUMNS + c),
                                          indices(s->codes + 3 * TK_PANEL_COLUMNS + c));
      __m128 a = _mm_castsi128_ps(two), b = _mm_castsi128_ps(others);
      _mm_storeu_si128((__m128i *)out, _mm_castps_si128(_mm_shuffle_ps(a, b, 0x88)));
      _mm_storeu_si128((__m128i *)(out + step), _mm_castps_si128(_mm_shuffle_ps(a, b, 0xDD)));
    }
  }
}

// ---------------------------------------------------------------------------------------------
// Tables
// ---------------------------------------------------------------------------------------------

/// Interleaving the halves of a list of 256 bytes turns their addresses by one bit; after four
/// times rows and columns have changed places.
static inline void transpose_bytes(__m128i a[16]) {
  for (int time = 0; time < 4; time++) {
    __m128i b[16];
    for (size_t i = 0; i < 8; i++) {
      b[2 * i] = _mm_unpacklo_epi8(a[i], a[i + 8]);
      b[2 * i + 1] = _mm_unpackhi_epi8(a[i], a[i + 8]);
    }
    memcpy(a, b, sizeof b);
  }
}

/// 16 tokens of one table, from four columns' activations.
static inline void build_group(const __m128i q[GROUP], int16_t *table) {
  const __m256i zero = _mm256_setzero_si256();
  __m256i x[GROUP], low[9];
  for (size_t i = 0; i < GROUP; i++) {
    x[i] = _mm256_cvtepi8_epi16(q[i]);
  }
  const __m256i first[3] = {_mm256_sub_epi16(zero, x[0]), zero, x[0]};
  for (size_t i = 0; i < 3; i++) {
    low[i] = _mm256_sub_epi16(first[i], x[1]);
    low[3 + i] = first[i];
    low[6 + i] = _mm256_add_epi16(first[i], x[1]);
  }
  __m256i fourth = _mm256_sub_epi16(zero, x[3]);
  for (size_t d = 0; d < 3; d++, fourth = _mm256_add_epi16(fourth, x[3])) {
    __m256i high = _mm256_sub_epi16(fourth, x[2]);
    for (size_t c = 0; c < 3; c++, high = _mm256_add_epi16(high, x[2])) {
      for (size_t i = 0; i < 9; i++, table += TOKENS) {
        _mm256_storeu_si256((__m256i *)table, _mm256_add_epi16(high, low[i]));
      }
    }
  }
}

/// The tables of a window, whose first column is q's. Tokens that are missing count as zeros.
static void build(const int8_t *q, size_t q_stride, size_t tokens, int16_t *tables) {
  for (size_t half = 0; half < TOKENS; half += 16) {
    __m128i columns[16];
    for (size_t t = 0; t < 16; t++) {
      columns[t] = half + t < tokens ? _mm_loadu_si128((const __m128i *)(q + (half + t) * q_stride))
                                     : _mm_setzero_si128();
    }
    transpose_bytes(columns);
    for (size_t g = 0; g < WINDOW_GROUPS; g++) {
      build_group(columns + g * GROUP, tables + g * GROUP_SUMS * TOKENS + half);
    }
  }
}

// ---------------------------------------------------------------------------------------------
// Sums
// ---------------------------------------------------------------------------------------------

/// Adds a window to the sums of every row, or begins them.
static inline __attribute__((always_inline)) void
add_window(const workspace *s, const uint8_t *index, size_t rows, bool first) {
  const char *tables = (const char *)s->tables;
  enum { ENTRY = TOKENS * sizeof(int16_t), TABLE = GROUP_SUMS * ENTRY };
  __m256i *sums = (__m256i *)s->sums;
  for (size_t r = 0; r < rows; r++, index += WINDOW_GROUPS, sums += 2) {
    __m256i low = first ? _mm256_setzero_si256() : _mm256_loadu_si256(sums);
    __m256i high = first ? _mm256_setzero_si256() : _mm256_loadu_si256(sums + 1);
    for (size_t g = 0; g < WINDOW_GROUPS; g++) {
      const char *entry = tables + g * TABLE + (size_t)index[g] * ENTRY;
      low = _mm256_add_epi16(low, tk_load(entry));
      high = _mm256_add_epi16(high, tk_load(entry + ENTRY / 2));
    }
    _mm256_storeu_si256(sums, low);
    _mm256_storeu_si256(sums + 1, high);
  }
}

/// Adds the 16-bit sums to the totals, or begins these.
static void widen(const int16_t *sums, size_t rows, bool first, int32_t *totals) {
  for (size_t i = 0; i < rows * TOKENS; i += 8) {
    __m256i wide = _mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)(sums + i)));
    __m256i *total = (__m256i *)(totals + i);
    _mm256_storeu_si256(total, first ? wide : _mm256_add_epi32(_mm256_loadu_si256(total), wide));
  }
}

/// `columns` columns, the first of which is q's, of up to TOKENS tokens; `first` where none have
/// been before.
static void add_range(const workspace *s, size_t columns, const int8_t *q, size_t q_stride,
                      size_t tokens, size_t rows, bool first, int32_t *totals) {
  const size_t windows = columns / WINDOW;
  const size_t flushes = (windows + FLUSH_WINDOWS - 1) / FLUSH_WINDOWS;
  for (size_t f = 0, w = 0; f < flushes; f++) {
    const size_t begin = w, end = windows * (f + 1) / flushes;
    for (; w < end; w++) {
      const uint8_t *index = s->index + w * s->height * WINDOW_GROUPS;
      build(q + w * WINDOW, q_stride, tokens, s->tables);
      if (w == begin) {
        add_window(s, index, rows, true);
      } else {
        add_window(s, index, rows, false);
      }
    }
    widen(s->sums, rows, first && f == 0, totals);
  }
}

/// Eight rows of totals to eight tokens of y.
static inline void write_square(const int32_t *totals, size_t tokens, size_t rows, int32_t *y,
                                size_t y_stride) {
  __m256i a[8], b[8];
  for (size_t r = 0; r < 8; r++) {
    a[r] = tk_load(totals + r * TOKENS);
  }
  // As transpose_bytes, within halves of 4 x 4; then the halves change places.
  for (size_t i = 0; i < 8; i += 4) {
    __m256i low = _mm256_unpacklo_epi32(a[i], a[i + 1]),
            high = _mm256_unpackhi_epi32(a[i], a[i + 1]);
    __m256i lower = _mm256_unpacklo_epi32(a[i + 2], a[i + 3]),
            higher = _mm256_unpackhi_epi32(a[i + 2], a[i + 3]);
    b[i] = _mm256_unpacklo_epi64(low, lower);
    b[i + 1] = _mm256_unpackhi_epi64(low, lower);
    b[i + 2] = _mm256_unpacklo_epi64(high, higher);
    b[i + 3] = _mm256_unpackhi_epi64(high, higher);
  }
  for (size_t t = 0; t < 4; t++) {
    a[t] = _mm256_permute2x128_si256(b[t], b[4 + t], 0x20);
    a[4 + t] = _mm256_permute2x128_si256(b[t], b[4 + t], 0x31);
  }
  for (size_t t = 0; t < tokens; t++, y += y_stride) {
    if (rows == 8) {
      _mm256_storeu_si256((__m256i *)y, a[t]);
    } else {
      memcpy(y, a + t, rows * sizeof *y);
    }
  }
}

/// Writes the totals of up to TOKENS tokens.
static void write_totals(const int32_t *totals, size_t tokens, size_t rows, int32_t *y,
                         size_t y_stride) {
  for (size_t r = 0; r < rows; r += 8) {
    const size_t height = rows - r < 8 ? rows - r : 8;
    for (size_t t = 0; t < tokens; t += 8) {
      write_square(totals + r * TOKENS + t, tokens - t < 8 ? tokens - t : 8, height,
                   y + t * y_stride + r, y_stride);
    }
  }
}

// ---------------------------------------------------------------------------------------------
// The product
// ---------------------------------------------------------------------------------------------

/// Up to MOST_ROWS rows of up to MOST_TOKENS tokens.
static void multiply(const workspace *s, const tk_gemm_kernels *k, const tk_matrix *w,
                     const int8_t *q, size_t q_stride, size_t tokens, size_t row, size_t rows,
                     int32_t *y, size_t y_stride) {
  const size_t width = tk_describe(w->layout).columns;
  const size_t blocks = tk_block_count(w->layout, w->columns), most = RANGE / width;
  const size_t pass = s->height * TOKENS;
  for (size_t b = 0; b < blocks; b += most) {
    const size_t count = blocks - b < most ? blocks - b : most;
    index_rows(s, k, w, row, rows, b, count);
    for (size_t t = 0; t < tokens; t += TOKENS) {
      add_range(s, count * width, q + t * q_stride + b * width, q_stride, tokens - t, rows, b == 0,
                s->totals + t / TOKENS * pass);
    }
  }
  for (size_t t = 0; t < tokens; t += TOKENS) {
    write_totals(s->totals + t / TOKENS * pass, tokens - t < TOKENS ? tokens - t : TOKENS, rows,
                 y + t * y_stride, y_stride);
  }
}

static size_t product(const tk_gemm_kernels *k, const tk_matrix *w, const int8_t *q,
                      size_t q_stride, const int32_t *sums, size_t batch, size_t row_begin,
                      size_t row_end, int32_t *y, size_t y_stride, void *scratch) {
  (void)sums;
  const size_t rest = batch % TOKENS, tokens = rest < LEAST_TOKENS ? batch - rest : batch;
  const workspace s = workspace_of(row_end - row_begin, scratch);
  for (size_t r = row_begin; r < row_end; r += MOST_ROWS) {
    const size_t rows = row_end - r < MOST_ROWS ? row_end - r : MOST_ROWS;
    for (size_t t = 0; t < tokens; t += MOST_TOKENS) {
      multiply(&s, k, w, q + t * q_stride, q_stride,
               tokens - t < MOST_TOKENS ? tokens - t : MOST_TOKENS, r, rows,
               y + t * y_stride + r - row_begin, y_stride);
    }
  }
  return tokens;
}

const tk_gemm_product tk_gemm_lut_avx2 = {
    .multiply = product,
    .scratch_size = scratch_size,
    .rows = MOST_ROWS,
    .tokens = MOST_TOKENS,
    .least_rows = LEAST_ROWS,
    .least_tokens = LEAST_TOKENS,
};

#pragma clang attribute pop

#endif
