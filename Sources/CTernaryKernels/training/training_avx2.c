// Training kernels with 8 floats in a register: 6 rows of 16 columns are 12 of 16 registers.

#if defined(__x86_64__)

enum { TILE_ROWS = 6, TILE_VECTORS = 1 };

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)

#include "training/training_generic.h"

const tk_training_kernels tk_training_avx2 = TK_TRAINING_TABLE;

#pragma clang attribute pop

#endif
