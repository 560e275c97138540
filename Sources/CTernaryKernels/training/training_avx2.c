// Training kernels with 8 floats in a register: 5 rows of 16 columns are 10 of 16 registers. 115
// GFLOP/s on a core of Zen 5, where 4 rows give 106; 6 leave the compiler too few, and give 57.

#if defined(__x86_64__)

enum { TILE_ROWS = 5, TILE_VECTORS = 1 };

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)

#include "training/training_generic.h"

const tk_training_kernels tk_training_avx2 = TK_TRAINING_TABLE;

#pragma clang attribute pop

#endif
