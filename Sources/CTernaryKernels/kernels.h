// Private: a kernel set, which is what an instruction set brings of each family. The families are
// declared in the folders named like them; the sets are in dispatch/dispatch.c.

#ifndef TK_KERNELS_H
#define TK_KERNELS_H

#include "attention/attention.h"
#include "dense/dense.h"
#include "float/float.h"
#include "head/head.h"
#include "limits/limits.h"
#include "sparse/sparse.h"
#include "ternary/ternary.h"
#include "training/training.h"

/// A family that is NULL is borrowed from the set below; the functions behind this struct find it.
/// Against a table with every function of a set that adds 0.05 to 0.6 ns to the shortest calls (16
/// floats added: 3.44 ns instead of 3.39), and to whole products nothing that could be measured.
struct tk_kernels {
  const char *name;
  bool (*supported)(void); ///< Whether the CPU has what the set needs.
  /// Asks the operating system for it, where it has to be asked; returns what it says against it.
  const char *(*permit)(void);
  const tk_kernels *below; ///< NULL in scalar, which has every family.

  const tk_activation_kernels *activations;
  const tk_gemv_kernels *gemv[TK_LAYOUT_COUNT];
  const tk_gemm_small_kernels *gemm_small[TK_LAYOUT_COUNT];
  const tk_gemm_kernels *gemm[TK_LAYOUT_COUNT];
  const tk_list_kernels *lists;
  const tk_sparse_kernels *sparse[TK_LAYOUT_COUNT];
  const tk_split_kernels *split;
  const tk_float_kernels *floats;
  const tk_attention_kernels *attention;
  const tk_dense_kernels *dense;
  const tk_head_kernels *head[TK_HEAD_COUNT];
  const tk_limit_kernels *limits;
  const tk_training_kernels *training;
};

static inline const tk_activation_kernels *tk_activations_of(const tk_kernels *k) {
  while (!k->activations) {
    k = k->below;
  }
  return k->activations;
}

static inline const tk_gemv_kernels *tk_gemv_of(const tk_kernels *k, tk_layout layout) {
  while (!k->gemv[layout]) {
    k = k->below;
  }
  return k->gemv[layout];
}

static inline const tk_gemm_small_kernels *tk_gemm_small_of(const tk_kernels *k, tk_layout layout) {
  while (!k->gemm_small[layout]) {
    k = k->below;
  }
  return k->gemm_small[layout];
}

static inline const tk_gemm_kernels *tk_gemm_of(const tk_kernels *k, tk_layout layout) {
  while (!k->gemm[layout]) {
    k = k->below;
  }
  return k->gemm[layout];
}

static inline const tk_list_kernels *tk_lists_of(const tk_kernels *k) {
  while (!k->lists) {
    k = k->below;
  }
  return k->lists;
}

static inline const tk_sparse_kernels *tk_sparse_of(const tk_kernels *k, tk_layout layout) {
  while (!k->sparse[layout]) {
    k = k->below;
  }
  return k->sparse[layout];
}

static inline const tk_split_kernels *tk_split_of(const tk_kernels *k) {
  while (!k->split) {
    k = k->below;
  }
  return k->split;
}

static inline const tk_float_kernels *tk_floats_of(const tk_kernels *k) {
  while (!k->floats) {
    k = k->below;
  }
  return k->floats;
}

static inline const tk_attention_kernels *tk_attention_of(const tk_kernels *k) {
  while (!k->attention) {
    k = k->below;
  }
  return k->attention;
}

static inline const tk_dense_kernels *tk_dense_of(const tk_kernels *k) {
  while (!k->dense) {
    k = k->below;
  }
  return k->dense;
}

static inline const tk_head_kernels *tk_head_of(const tk_kernels *k, tk_head_type type) {
  while (!k->head[type]) {
    k = k->below;
  }
  return k->head[type];
}

static inline const tk_limit_kernels *tk_limits_of(const tk_kernels *k) {
  while (!k->limits) {
    k = k->below;
  }
  return k->limits;
}

static inline const tk_training_kernels *tk_training_of(const tk_kernels *k) {
  while (!k->training) {
    k = k->below;
  }
  return k->training;
}

#endif
