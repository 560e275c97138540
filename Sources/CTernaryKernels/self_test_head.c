// The scans of the two-stage head once against scalar: whole and partial tiles, a partial block,
// and the largest sums there are.

#include "head.h"

enum {
  ROWS = 13,
  COLUMNS = 3 * TK_HEAD_BLOCK + 16,
  BLOCKS = 4,
  CODES = 2 * BLOCKS * 2 * TK_HEAD_INT8_BYTES,
};

typedef struct inputs {
  _Alignas(64) uint8_t codes[CODES];
  _Alignas(64) uint8_t q[BLOCKS * TK_HEAD_BLOCK * sizeof(int16_t)];
  float scales[2 * TK_HEAD_TILE_ROWS], errors[2 * TK_HEAD_TILE_ROWS], norms[2 * TK_HEAD_TILE_ROWS];
} inputs;

static float next(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  return (float)(int32_t)*state * 0x1p-31f;
}

/// Row 0 and, in the first round, the state are all of the largest magnitude.
static float fill(inputs *in, tk_head_type type, bool largest) {
  uint32_t state = 3;
  float w[ROWS * COLUMNS];
  float x[COLUMNS];
  for (size_t i = 0; i < ROWS * COLUMNS; i++)
    w[i] = i < COLUMNS ? 1.0f : next(&state);
  for (size_t i = 0; i < COLUMNS; i++)
    x[i] = largest ? 1.0f : next(&state);
  memset(in, 0, sizeof *in);
  tk_head_pack(type, w, ROWS, COLUMNS, 0, ROWS, in->codes, in->scales, in->errors, in->norms);
  return tk_head_round(type, x, COLUMNS, in->q).scale;
}

const char *tk_self_test_head(const tk_kernels *k) {
  for (int type = 0; type < TK_HEAD_COUNT; type++)
    for (int largest = 0; largest < 2; largest++) {
      inputs in;
      const float scale = fill(&in, (tk_head_type)type, largest != 0);
      const tk_head h = {(tk_head_type)type, ROWS,      COLUMNS, in.codes,
                         in.scales,          in.errors, in.norms};
      float expected[ROWS];
      float scores[ROWS];
      if (type == TK_HEAD_INT8)
        tk_head_int8_scalar(&h, in.q, scale, 0, ROWS, expected);
      else
        tk_head_int4_scalar(&h, in.q, scale, 0, ROWS, expected);
      if (k->head_scan[type])
        k->head_scan[type](&h, in.q, scale, 0, ROWS, scores);
      if (!k->head_scan[type] || memcmp(scores, expected, sizeof scores) != 0)
        return type == TK_HEAD_INT8 ? "int8 scan of the head" : "int4 scan of the head";
    }
  return NULL;
}
