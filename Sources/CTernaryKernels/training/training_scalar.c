// Training kernels of any CPU: fused multiply-adds are calls of the C library where the CPU has
// none.

enum { TILE_ROWS = 4, TILE_VECTORS = 1 };

#include "training/training_generic.h"

const tk_training_kernels tk_training_scalar = TK_TRAINING_TABLE;
