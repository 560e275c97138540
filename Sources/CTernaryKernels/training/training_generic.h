// Private: the training kernels, written once. A file of an instruction set sets its target and the
// size of its tiles, then includes this. Vectors are always 16 floats, the virtual lanes of "Float
// order"; the compiler makes of one as many registers as it takes. Every operation is exact or
// rounded as IEEE says, and none is reordered, so that all sets give the same bits.
//
// A set defines TILE_ROWS and TILE_VECTORS, of which training_products.h has a picture.

#include "training/training.h"

typedef float v16 __attribute__((vector_size(64)));
typedef int32_t i16 __attribute__((vector_size(64)));

enum { LANES = 16, PANEL = TK_FACTOR_PANEL };

/// The first `count` of 16 floats, 0 in the other lanes, whose memory is not touched.
static inline __attribute__((always_inline)) void load(v16 *v, const float *p, size_t count) {
  if (count >= LANES) {
    memcpy(v, p, sizeof *v);
  } else {
    float part[LANES] = {0};
    memcpy(part, p, count * sizeof *p);
    memcpy(v, part, sizeof *v);
  }
}

/// The first `count` of 16 floats. A whole vector is one instruction, where memcpy of a length that
/// is not known is a call.
static inline __attribute__((always_inline)) void store(float *p, size_t count, const v16 *v) {
  if (count >= LANES) {
    memcpy(p, v, sizeof *v);
  } else {
    memcpy(p, v, count * sizeof *p);
  }
}

static inline __attribute__((always_inline)) void fma16(const v16 *a, const v16 *b, v16 *c) {
  *c = __builtin_elementwise_fma(*a, *b, *c);
}

/// The tree over 16 lanes.
static inline __attribute__((always_inline)) float lane_sum(const v16 *v) {
  float s[LANES];
  memcpy(s, v, sizeof s);
  for (size_t width = 8; width > 0; width /= 2) {
    for (size_t l = 0; l < width; l++) {
      s[l] += s[l + width];
    }
  }
  return s[0];
}

#include "training/training_gradients.h"
#include "training/training_products.h"

#define TK_TRAINING_TABLE                                                                          \
  {pack_factor,      product, dot_products, rms_norm_backward, relu2_mul_backward,                 \
   softmax_backward, maximum, scale,        sum_of_squares,    adamw}
