// Training kernels with 16 floats in a register: 8 rows of 32 columns are 16 of 32 registers.
// 230 to 250 GFLOP/s on a core of Zen 5, and no more with 10 or 12 rows.

#if defined(__x86_64__)

enum { TILE_ROWS = 8, TILE_VECTORS = 2 };

#pragma clang attribute push(                                                                      \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)

#include "training/training_generic.h"

const tk_training_kernels tk_training_avx512 = TK_TRAINING_TABLE;

#pragma clang attribute pop

#endif
