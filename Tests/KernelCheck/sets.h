// Which kernel sets a check runs: all that this CPU supports, or those named on the command line;
// and which of their kernels, since sets share many.

#ifndef TK_SETS_H
#define TK_SETS_H

#include "kernels.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline bool is_wanted_set(const tk_kernels *k, int count, char **names) {
  for (int i = 0; i < count; i++)
    if (strcmp(tk_kernel_set_name(k), names[i]) == 0)
      return true;
  return count == 0;
}

/// Takes an option from the front of the arguments; returns whether it was there.
static inline bool take_option(const char *option, int *count, char ***arguments) {
  if (*count == 0 || strcmp(**arguments, option) != 0)
    return false;
  (*count)--;
  (*arguments)++;
  return true;
}

/// Whether no set checked before `k` has the same functions in a column, or in columns side by
/// side: checking those again would tell nothing.
static inline bool is_new(const tk_kernels *k, const void *column, size_t size, int count,
                          char **names) {
  const size_t offset = (size_t)((const char *)column - (const char *)k);
  for (size_t s = 0; tk_kernel_set(s) != k; s++) {
    const tk_kernels *before = tk_kernel_set(s);
    if (tk_kernel_set_supported(before) && is_wanted_set(before, count, names) &&
        memcmp((const char *)before + offset, column, size) == 0)
      return false;
  }
  return true;
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
