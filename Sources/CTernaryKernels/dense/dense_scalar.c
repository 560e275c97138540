// Dense GEMV: each weight is decoded to exactly the float32 that tk_decode gives, then takes one
// fma in its lane. The specification of the vector files.

#include "dense/dense.h"
#include "float/float.h"

#pragma clang fp contract(off)

enum {
  /// Weights decoded at a time: a multiple of every block size and of the lanes.
  CHUNK = 256,
};

static void dense_gemv(tk_type type, const void *data, size_t columns, const float *x,
                       size_t row_begin, size_t row_end, float *y) {
  const size_t block = tk_type_block_size(type);
  if (block == 0) {
    return;
  }
  const size_t bytes = tk_type_block_bytes(type);
  for (size_t r = row_begin; r < row_end; r++) {
    const uint8_t *row = (const uint8_t *)data + r * (columns / block) * bytes;
    float lanes[TK_FLOAT_LANES] = {0};
    for (size_t first = 0; first < columns; first += CHUNK) {
      const size_t count = columns - first < CHUNK ? columns - first : CHUNK;
      float w[CHUNK];
      tk_decode(type, row + first / block * bytes, count, w);
      for (size_t i = 0; i < count; i++) {
        float *lane = &lanes[i % TK_FLOAT_LANES];
        *lane = __builtin_fmaf(w[i], x[first + i], *lane);
      }
    }
    y[r - row_begin] = tk_lane_sum(lanes);
  }
}

bool tk_can_dense_gemv(tk_type type) {
  switch (type) {
  case TK_F32:
  case TK_F16:
  case TK_BF16:
  case TK_Q8_0:
  case TK_Q6_K:
  case TK_Q4_0:
    return true;
  case TK_Q4_1:
  case TK_Q5_0:
  case TK_Q5_1:
  case TK_Q4_K:
  case TK_Q5_K:
  case TK_IQ4_NL:
  case TK_TQ1_0:
  case TK_TQ2_0:
  case TK_Q2_0:
  case TK_Q2_0_128:
  case TK_IQ1_BN:
  case TK_IQ2_BN:
  case TK_IQ2_BN_R4:
    return false;
  }
  return false;
}

const tk_dense_kernels tk_dense_scalar = {dense_gemv};
