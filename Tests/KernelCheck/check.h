// Helpers of the kernel checks: a seeded generator, guarded buffers, comparisons that end the
// program at the first difference with a message that says where.

#ifndef TK_CHECK_H
#define TK_CHECK_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t checks_passed;

/// Ends the program unless `ok`; `what` and `detail` say which check failed.
static inline void check(bool ok, const char *what, const char *detail) {
  if (!ok) {
    printf("FAILED: %s: %s\n", what, detail);
    exit(1);
  }
  checks_passed++;
}

/// Compares bytes; `size` is that of one element, so that the message can name an index.
static inline void check_same(const void *expected, const void *actual, size_t count, size_t size,
                              const char *what, const char *detail) {
  const uint8_t *a = expected, *b = actual;
  for (size_t i = 0; i < count; i++) {
    if (memcmp(a + i * size, b + i * size, size) != 0) {
      printf("FAILED: %s: %s: element %zu of %zu differs\n", what, detail, i, count);
      exit(1);
    }
  }
  checks_passed++;
}

/// SplitMix64.
static inline uint64_t next_random(uint64_t *state) {
  uint64_t z = *state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

/// Uniform in [low, high].
static inline int random_int(uint64_t *state, int low, int high) {
  return low + (int)(next_random(state) % (uint64_t)(high - low + 1));
}

/// 64-byte aligned zeroed memory of at least one byte.
static inline void *allocate(size_t bytes) {
  size_t rounded = (bytes + 64) / 64 * 64;
  void *p = aligned_alloc(64, rounded);
  if (!p) {
    abort();
  }
  return memset(p, 0, rounded);
}

enum { GUARD_BYTES = 64, GUARD = 0xA5 };

/// Memory for `bytes` bytes at an odd offset `shift`, between bytes that must stay as they are.
typedef struct guarded {
  uint8_t *base, *data;
  size_t bytes;
} guarded;

static inline guarded guarded_allocate(size_t bytes, size_t shift) {
  uint8_t *base = allocate(bytes + 2 * GUARD_BYTES + shift);
  memset(base, GUARD, bytes + 2 * GUARD_BYTES + shift);
  return (guarded){base, base + GUARD_BYTES + shift, bytes};
}

/// Checks that the guard bytes after `p` are untouched.
static inline void check_guard(const uint8_t *p, size_t count, const char *what,
                               const char *detail) {
  size_t i = 0;
  while (i < count && p[i] == GUARD) {
    i++;
  }
  check(i == count, what, detail);
}

static inline void guarded_free(guarded g, const char *what, const char *detail) {
  check_guard(g.base, (size_t)(g.data - g.base), what, detail);
  check_guard(g.data + g.bytes, GUARD_BYTES, what, detail);
  free(g.base);
}

#endif
