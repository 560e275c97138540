// Which kernel sets a check runs: all that this CPU supports, or those named on the command line;
// and which of their families, since sets share many.

#ifndef TK_SETS_H
#define TK_SETS_H

#include "kernels.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline bool is_wanted_set(const tk_kernels *k, int count, char **names) {
  for (int i = 0; i < count; i++) {
    if (strcmp(tk_kernel_set_name(k), names[i]) == 0) {
      return true;
    }
  }
  return count == 0;
}

/// Takes an option from the front of the arguments; returns whether it was there.
static inline bool take_option(const char *option, int *count, char ***arguments) {
  if (*count == 0 || strcmp(**arguments, option) != 0) {
    return false;
  }
  (*count)--;
  (*arguments)++;
  return true;
}

/// Whether this program meets a family for the first time: sets borrow from each other, and
/// checking the same functions again would tell nothing. A family can serve more than one layout,
/// `use`.
static inline bool is_new(const void *family, unsigned use) {
  enum { MOST = 256 };
  static struct {
    const void *family;
    unsigned use;
  } met[MOST];
  static size_t count;
  for (size_t i = 0; i < count; i++) {
    if (met[i].family == family && met[i].use == use) {
      return false;
    }
  }
  if (count == MOST) {
    abort();
  }
  met[count].family = family;
  met[count++].use = use;
  return true;
}

/// Sets another distance at which kernels ask for weights ahead: none, the usual ones, and one far
/// outside of all there is. No result may depend on it.
static inline void vary_prefetch_distance(void) {
  static const size_t distances[] = {0, 4096, 12288, (size_t)1 << 40};
  static size_t calls;
  tk_set_prefetch_distance(distances[calls++ % 4]);
}

/// Ends the program if a named set is unknown or cannot run here.
static inline void check_wanted_sets(int count, char **names) {
  for (int i = 0; i < count; i++) {
    bool found = false;
    for (size_t s = 0; s < tk_kernel_set_count(); s++) {
      const tk_kernels *k = tk_kernel_set(s);
      found = found || (is_wanted_set(k, 1, names + i) && tk_kernel_set_supported(k));
    }
    if (!found) {
      printf("FAILED: there is no kernel set %s here\n", names[i]);
      exit(1);
    }
  }
}

#endif
