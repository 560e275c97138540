// Which kernel sets a check runs: all that this CPU supports, or those named on the command line.

#ifndef TK_SETS_H
#define TK_SETS_H

#include "CTernaryKernels.h"

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
