// How far ahead kernels ask for weights: one figure for the process.

#include "limits/prefetch.h"

_Atomic size_t tk_prefetch_bytes = 4096;

size_t tk_prefetch_distance(void) { return tk_bytes_ahead(); }

void tk_set_prefetch_distance(size_t bytes) {
  atomic_store_explicit(&tk_prefetch_bytes, bytes, memory_order_relaxed);
}
