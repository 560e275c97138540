// Counts what a program takes from the allocator: every call of malloc and its relatives, and every
// mapping, by any thread while counting is on. For glibc, whose own names stay callable.

#define _GNU_SOURCE
#include <errno.h>
#include <execinfo.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static atomic_bool counting, tracing;
static atomic_long allocations, smallest;

/// Starts to count, from none, what has at least `bytes`; with `trace` the stack of each allocation
/// goes to standard error.
void allocations_begin(long bytes, bool trace) {
  atomic_store(&smallest, bytes);
  atomic_store(&tracing, trace);
  atomic_store(&allocations, 0);
  atomic_store(&counting, true);
}

/// Stops, and returns how many there were.
long allocations_end(void) {
  atomic_store(&counting, false);
  return atomic_load(&allocations);
}

static void note(size_t size) {
  if (!atomic_load(&counting) || size < (size_t)atomic_load(&smallest)) {
    return;
  }
  atomic_fetch_add(&allocations, 1);
  // Printing may allocate too.
  static _Thread_local bool inside;
  if (atomic_load(&tracing) && !inside) {
    inside = true;
    void *frames[24];
    backtrace_symbols_fd(frames, backtrace(frames, 24), 2);
    (void)!write(2, "\n", 1);
    inside = false;
  }
}

void *malloc(size_t size) {
  note(size);
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  note(count * size);
  return __libc_calloc(count, size);
}

void *realloc(void *p, size_t size) {
  note(size);
  return __libc_realloc(p, size);
}

void *memalign(size_t alignment, size_t size) {
  note(size);
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **p, size_t alignment, size_t size) {
  void *memory = memalign(alignment, size);
  if (memory == NULL) {
    return ENOMEM;
  }
  *p = memory;
  return 0;
}

void *mmap(void *address, size_t size, int protection, int flags, int file, off_t offset) {
  note(size);
  return (void *)syscall(SYS_mmap, address, size, protection, flags, file, offset);
}
