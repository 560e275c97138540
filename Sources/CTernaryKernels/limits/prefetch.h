// Private: how far ahead kernels ask for weights that they read from front to back.
//
// How much of what is on its way a core can wait for differs from machine to machine: 4 KiB were
// best on a Zen 4 and a Xeon, 8 to 12 KiB read an eighth faster on a Zen 5. So it is no constant:
// whoever loads a model measures it. Rows and columns that are picked from a list are no stream,
// and have distances of their own (sparse.h).

#ifndef TK_PREFETCH_H
#define TK_PREFETCH_H

#include "CTernaryKernels.h"

#include <stdatomic.h>

extern _Atomic size_t tk_prefetch_bytes;

/// Bytes ahead.
static inline size_t tk_bytes_ahead(void) {
  return atomic_load_explicit(&tk_prefetch_bytes, memory_order_relaxed);
}

/// Asks for the cache line `distance` bytes after p, which may lie behind the end of what there is:
/// it is not read, but must not be a pointer.
static inline __attribute__((always_inline)) void tk_prefetch(const void *p, size_t distance) {
  __builtin_prefetch((const void *)((uintptr_t)p + distance));
}

/// The lines of `size` bytes, likewise.
static inline __attribute__((always_inline)) void tk_prefetch_lines(const void *p, size_t distance,
                                                                    size_t size) {
  for (size_t i = 0; i < size; i += 64) {
    tk_prefetch(p, distance + i);
  }
}

/// While `count` rows of `size` bytes a block are at `offset`: asks for as much of the next `count`
/// rows, as they lie in memory, or further ahead. Dense GEMV takes so many rows of quantised blocks
/// at a time: decoding them keeps the core busy for longer than its window reaches, and the streams
/// that the hardware has learnt end with the rows. Q6_K came from memory at 1.7 times the rate, and
/// its scan at 1.3 times that of asking for the same place in each of the next rows (AVX2).
static inline __attribute__((always_inline)) void
tk_prefetch_rows(const uint8_t *const rows[], size_t count, size_t offset, size_t size) {
  const size_t group = count * (size_t)(rows[1] - rows[0]), ahead = tk_bytes_ahead();
  const size_t distance = count * offset + (group < ahead ? ahead : group);
  tk_prefetch_lines(rows[0], distance, count * size);
}

#endif
