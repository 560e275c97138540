// Private: the tile registers of AMX; include only inside `#if defined(__x86_64__) &&
// defined(__linux__)`.
//
// A tile is up to 16 rows of up to 64 bytes. The eight there are hold four products at a time, with
// every load used twice:
//
//                  B0: 16 rows of W    B1: 16 more
//   A0: 16 tokens  C0 += A0 B0         C1 += A0 B1
//   A1: 16 more    C2 += A1 B0         C3 += A1 B1
//
//   A   activations as they lie: a row is a token, 64 columns of int8
//   B   codes: a row is four columns, four bytes of each of 16 rows of W
//   C   int32: a row is a token, a column a row of W
//
// tdpbsud multiplies signed bytes of A with unsigned bytes of B and adds four products to an int32.
//
// Tiles belong to the thread and are nobody's across calls (they are scratch in the calling
// convention): whoever uses them configures them first and releases them after, which also spares
// the operating system from saving 8 KiB whenever it switches threads.

#ifndef TK_TILES_AMX_H
#define TK_TILES_AMX_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// With TK_EMULATE_AMX these kernels run on every CPU that has the avx512 set, so that they can be
// checked where tiles are missing; then they are slow.
#if defined(TK_EMULATE_AMX)
#define TK_TARGET_AMX "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vnni,fma,f16c"
#else
#define TK_TARGET_AMX                                                                              \
  "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vnni,fma,f16c,amx-tile,amx-int8"
#endif

#pragma clang attribute push(__attribute__((target(TK_TARGET_AMX), always_inline)),                \
                             apply_to = function)

enum {
  TK_TILE_HEIGHT = 16,       ///< The most rows of a tile.
  TK_TILE_WIDTH = 64,        ///< The most bytes of a row.
  TK_TILE_INTS = 16,         ///< The most int32 of a row.
  TK_TILES = 8,              ///< Tile registers.
  TK_TILE_SUMS = 16 * 16,    ///< int32 of a whole tile.
  TK_TILE_SUM_BYTES = 4 * 16 ///< Bytes from one row of sums to the next.
};

/// The tile registers by what they are for.
typedef enum tk_tile { TK_C0, TK_C1, TK_C2, TK_C3, TK_A0, TK_A1, TK_B0, TK_B1 } tk_tile;

/// What ldtilecfg reads. A tile with no rows has no bytes either, and cannot be used.
typedef struct tk_tile_shapes {
  uint8_t palette, start_row, reserved[14];
  uint16_t bytes[16];
  uint8_t rows[16];
} tk_tile_shapes;

_Static_assert(sizeof(tk_tile_shapes) == 64, "as the instruction reads it");

/// The state of this thread's tiles. Start with zeros.
typedef struct tk_tiles {
  tk_tile_shapes shapes;
  size_t first, second; ///< Rows of A0 and of A1.
#if defined(TK_EMULATE_AMX)
  uint8_t data[TK_TILES][TK_TILE_HEIGHT][TK_TILE_WIDTH];
#endif
} tk_tiles;

/// Prepares the tiles for `first` tokens in A0 and `second` in A1, 0 to 16 each; they hold nothing
/// then, unless they had these shapes already.
static inline void tk_tiles_configure(tk_tiles *t, size_t first, size_t second) {
  if (t->shapes.palette == 1 && t->first == first && t->second == second) {
    return;
  }
  const size_t rows[TK_TILES] = {first, first,  second,         second,
                                 first, second, TK_TILE_HEIGHT, TK_TILE_HEIGHT};
  t->shapes = (tk_tile_shapes){.palette = 1};
  for (size_t i = 0; i < TK_TILES; i++) {
    t->shapes.rows[i] = (uint8_t)rows[i];
    t->shapes.bytes[i] = rows[i] > 0 ? TK_TILE_WIDTH : 0;
  }
  t->first = first;
  t->second = second;
#if defined(TK_EMULATE_AMX)
  memset(t->data, 0, sizeof t->data);
#else
  _tile_loadconfig(&t->shapes);
#endif
}

/// Gives the tiles up.
static inline void tk_tiles_release(tk_tiles *t) {
  t->shapes.palette = 0;
#if !defined(TK_EMULATE_AMX)
  _tile_release();
#endif
}

#if defined(TK_EMULATE_AMX)
// The five instructions in plain C. What the CPU would refuse traps here too.

static inline void tk_tile_check(const tk_tiles *t, tk_tile tile) {
  if (t->shapes.palette != 1 || t->shapes.rows[tile] == 0) {
    __builtin_trap();
  }
}

static inline void tk_tile_zero(tk_tiles *t, tk_tile tile) {
  tk_tile_check(t, tile);
  memset(t->data[tile], 0, sizeof t->data[tile]);
}

static inline void tk_tile_load(tk_tiles *t, tk_tile tile, const void *p, size_t stride) {
  tk_tile_zero(t, tile);
  for (size_t r = 0; r < t->shapes.rows[tile]; r++) {
    memcpy(t->data[tile][r], (const uint8_t *)p + r * stride, t->shapes.bytes[tile]);
  }
}

static inline void tk_tile_store(tk_tiles *t, tk_tile tile, void *p, size_t stride) {
  tk_tile_check(t, tile);
  for (size_t r = 0; r < t->shapes.rows[tile]; r++) {
    memcpy((uint8_t *)p + r * stride, t->data[tile][r], t->shapes.bytes[tile]);
  }
}

/// c += a b for tiles whose shapes fit.
static inline void tk_tile_multiply(tk_tiles *t, tk_tile c, tk_tile a, tk_tile b) {
  tk_tile_check(t, c);
  if (t->shapes.rows[c] != t->shapes.rows[a] || t->shapes.bytes[c] != t->shapes.bytes[b] ||
      t->shapes.bytes[a] != 4 * t->shapes.rows[b]) {
    __builtin_trap();
  }
  for (size_t m = 0; m < t->shapes.rows[a]; m++) {
    const int8_t *q = (const int8_t *)t->data[a][m];
    int32_t sums[TK_TILE_INTS];
    memcpy(sums, t->data[c][m], sizeof sums);
    for (size_t k = 0; k < t->shapes.rows[b]; k++) {
      const uint8_t *codes = t->data[b][k];
      for (size_t n = 0; n < TK_TILE_INTS; n++) {
        for (size_t i = 0; i < 4; i++) {
          sums[n] += q[4 * k + i] * codes[4 * n + i];
        }
      }
    }
    memcpy(t->data[c][m], sums, sizeof sums);
  }
}

/// C of this name += its A times its B.
static inline void tk_tile_dot(tk_tiles *t, tk_tile c) {
  tk_tile_multiply(t, c, c == TK_C0 || c == TK_C1 ? TK_A0 : TK_A1,
                   c == TK_C0 || c == TK_C2 ? TK_B0 : TK_B1);
}

#else
// The instructions name their registers: `tile` is a constant where these are inlined.

static inline void tk_tile_zero(tk_tiles *t, tk_tile tile) {
  (void)t;
  switch (tile) {
  case TK_C0:
    _tile_zero(0);
    break;
  case TK_C1:
    _tile_zero(1);
    break;
  case TK_C2:
    _tile_zero(2);
    break;
  case TK_C3:
    _tile_zero(3);
    break;
  default:
    __builtin_trap(); // never loaded by halves
  }
}

static inline void tk_tile_load(tk_tiles *t, tk_tile tile, const void *p, size_t stride) {
  (void)t;
  switch (tile) {
  case TK_A0:
    _tile_loadd(4, p, stride);
    break;
  case TK_A1:
    _tile_loadd(5, p, stride);
    break;
  case TK_B0:
    _tile_loadd(6, p, stride);
    break;
  case TK_B1:
    _tile_loadd(7, p, stride);
    break;
  default:
    __builtin_trap(); // sums start with zeros
  }
}

static inline void tk_tile_store(tk_tiles *t, tk_tile tile, void *p, size_t stride) {
  (void)t;
  switch (tile) {
  case TK_C0:
    _tile_stored(0, p, stride);
    break;
  case TK_C1:
    _tile_stored(1, p, stride);
    break;
  case TK_C2:
    _tile_stored(2, p, stride);
    break;
  case TK_C3:
    _tile_stored(3, p, stride);
    break;
  default:
    __builtin_trap(); // only sums are read back
  }
}

/// C of this name += its A times its B.
static inline void tk_tile_dot(tk_tiles *t, tk_tile c) {
  (void)t;
  switch (c) {
  case TK_C0:
    _tile_dpbsud(0, 4, 6);
    break;
  case TK_C1:
    _tile_dpbsud(1, 4, 7);
    break;
  case TK_C2:
    _tile_dpbsud(2, 5, 6);
    break;
  case TK_C3:
    _tile_dpbsud(3, 5, 7);
    break;
  default:
    __builtin_trap(); // the others are factors
  }
}

#endif

#pragma clang attribute pop

#endif
