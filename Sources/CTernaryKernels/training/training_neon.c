// Training kernels with 4 floats in a register: 5 rows of 16 columns are 20 of 32 registers.

#if defined(__aarch64__)

enum { TILE_ROWS = 5, TILE_VECTORS = 1 };

#include "training/training_generic.h"

const tk_training_kernels tk_training_neon = TK_TRAINING_TABLE;

#endif
