// Private: the parts of tk_self_test.

#ifndef TK_SELF_TEST_H
#define TK_SELF_TEST_H

#include "kernels.h"

/// NULL where every kernel of `k` agrees with `scalar`, or the name of the first that does not.
typedef const char *tk_self_test_part(const tk_kernels *k, const tk_kernels *scalar);

tk_self_test_part tk_self_test_ternary, tk_self_test_sparse, tk_self_test_float, tk_self_test_head,
    tk_self_test_training;

#endif
