// Private: the family of kernels that say what a machine can do at best.

#ifndef TK_LIMITS_H
#define TK_LIMITS_H

#include "CTernaryKernels.h"

typedef struct tk_limit_kernels {
  /// Multiplies and adds on registers only; returns how many products it made.
  uint64_t (*int8_peak)(size_t rounds);
} tk_limit_kernels;

extern const tk_limit_kernels tk_limits_scalar;
extern const tk_limit_kernels tk_limits_avx2, tk_limits_avxvnni, tk_limits_avx512_vnni;
extern const tk_limit_kernels tk_limits_amx;
extern const tk_limit_kernels tk_limits_neon, tk_limits_neon_dotprod, tk_limits_neon_i8mm;

#endif
