// The scans of the two-stage head once against scalar: whole and partial tiles, a partial block,
// and the largest sums there are.

#include "dispatch/self_test.h"

enum {
  ROWS = 13,
  COLUMNS = 3 * TK_HEAD_BLOCK + 16,
  BLOCKS = 4,
  CODES = 2 * BLOCKS * 2 * TK_HEAD_INT8_BYTES,
};

typedef struct inputs {
  _Alignas(64) uint8_t codes[CODES];
  _Alignas(64) uint8_t q[64 + BLOCKS * TK_HEAD_BLOCK * sizeof(int16_t)];
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
  for (size_t i = 0; i < ROWS * COLUMNS; i++) {
    w[i] = i < COLUMNS ? 1.0f : next(&state);
  }
  for (size_t i = 0; i < COLUMNS; i++) {
    x[i] = largest ? 1.0f : next(&state);
  }
  memset(in, 0, sizeof *in);
  tk_head_pack(type, w, ROWS, COLUMNS, 0, ROWS, in->codes, in->scales, in->errors, in->norms);
  return tk_head_round(type, x, COLUMNS, in->q).scale;
}

enum {
  Q6_K_ROWS = 6,
  Q6_K_COLUMNS = 2 * TK_HEAD_Q6_K_COLUMNS,
  Q6_K_BLOCKS = Q6_K_ROWS * 2,
};

/// Rows 0 and 1 have the largest sums there are, of either sign.
static void fill_q6_k(uint8_t *rows) {
  uint32_t state = 5;
  for (size_t b = 0; b < Q6_K_BLOCKS; b++, rows += TK_HEAD_Q6_K_BYTES) {
    for (size_t i = 0; i < TK_HEAD_Q6_K_BYTES; i++) {
      rows[i] = (uint8_t)(int)(next(&state) * 128.0f);
    }
    if (b < 4) {
      memset(rows, b < 2 ? 0x00 : 0xFF, TK_HEAD_Q6_K_SCALES);
      memset(rows + TK_HEAD_Q6_K_SCALES, 0x80, TK_HEAD_Q6_K_GROUPS);
    }
    rows[TK_HEAD_Q6_K_D] = (uint8_t)b;
    rows[TK_HEAD_Q6_K_D + 1] = 0x2C; // about 1 / 16
  }
}

static bool agrees_q6_k(const tk_head_kernels *k, const tk_head_kernels *scalar, bool largest) {
  uint8_t rows[Q6_K_BLOCKS * TK_HEAD_Q6_K_BYTES];
  _Alignas(64) uint8_t q[64 + Q6_K_COLUMNS * 2];
  float x[Q6_K_COLUMNS], expected[Q6_K_ROWS], scores[Q6_K_ROWS];
  uint32_t state = 7;
  for (size_t i = 0; i < Q6_K_COLUMNS; i++) {
    x[i] = largest ? 1.0f : next(&state);
  }
  fill_q6_k(rows);
  const float scale = tk_head_round(TK_HEAD_Q6_K, x, Q6_K_COLUMNS, q).scale;
  const tk_head h = {
      .type = TK_HEAD_Q6_K, .rows = Q6_K_ROWS, .columns = Q6_K_COLUMNS, .codes = rows};
  scalar->scan(&h, q, scale, 0, Q6_K_ROWS, expected);
  k->scan(&h, q, scale, 0, Q6_K_ROWS, scores);
  return memcmp(scores, expected, sizeof scores) == 0;
}

enum {
  Q_0_ROWS = 11,
  Q_0_BLOCKS = 9, ///< Of each row; one of them can have a second term.
  Q_0_COLUMNS = Q_0_BLOCKS * TK_HEAD_BLOCK,
};

/// Q8_0 and Q4_0. Of rows 0 and 1 every code is the lowest and the highest.
static bool agrees_q_0(const tk_head_kernels *k, const tk_head_kernels *scalar, tk_head_type type,
                       bool largest) {
  const size_t bytes = tk_head_q_0_bytes(type);
  uint8_t rows[Q_0_ROWS * Q_0_BLOCKS * TK_HEAD_Q8_0_BYTES];
  _Alignas(64) uint8_t q[64 + Q_0_COLUMNS * 2];
  float x[Q_0_COLUMNS], expected[Q_0_ROWS], scores[Q_0_ROWS];
  uint32_t state = 11;
  for (size_t i = 0; i < sizeof rows; i++) {
    rows[i] = (uint8_t)(int)(next(&state) * 128.0f);
  }
  for (size_t b = 0; b < Q_0_ROWS * Q_0_BLOCKS; b++) {
    uint8_t *block = rows + b * bytes;
    if (b < 2 * Q_0_BLOCKS) {
      const int codes = type == TK_HEAD_Q8_0 ? 0x80 - (b >= Q_0_BLOCKS) : b < Q_0_BLOCKS ? 0 : 0xFF;
      memset(block + TK_HEAD_Q_0_CODES, codes, bytes - TK_HEAD_Q_0_CODES);
    }
    block[0] = (uint8_t)b;
    block[1] = 0x2C; // about 1 / 16
  }
  for (size_t i = 0; i < Q_0_COLUMNS; i++) {
    x[i] = largest ? 1.0f : next(&state);
  }
  x[40] = largest ? 1.0f : 20.0f;
  const float scale = tk_head_round(type, x, Q_0_COLUMNS, q).scale;
  const tk_head h = {.type = type, .rows = Q_0_ROWS, .columns = Q_0_COLUMNS, .codes = rows};
  scalar->scan(&h, q, scale, 0, Q_0_ROWS, expected);
  k->scan(&h, q, scale, 0, Q_0_ROWS, scores);
  return memcmp(scores, expected, sizeof scores) == 0;
}

/// INT8 and INT4.
static bool agrees(const tk_head_kernels *k, const tk_head_kernels *scalar, tk_head_type type,
                   bool largest) {
  inputs in;
  const float scale = fill(&in, type, largest);
  const tk_head h = {type, ROWS, COLUMNS, in.codes, in.scales, in.errors, in.norms};
  float expected[ROWS];
  float scores[ROWS];
  scalar->scan(&h, in.q, scale, 0, ROWS, expected);
  k->scan(&h, in.q, scale, 0, ROWS, scores);
  return memcmp(scores, expected, sizeof scores) == 0;
}

const char *tk_self_test_head(const tk_kernels *k, const tk_kernels *scalar) {
  static const char *const names[TK_HEAD_COUNT] = {
      [TK_HEAD_INT8] = "int8 scan of the head", [TK_HEAD_INT4] = "int4 scan of the head",
      [TK_HEAD_Q6_K] = "scan of a Q6_K head",   [TK_HEAD_Q8_0] = "scan of a Q8_0 head",
      [TK_HEAD_Q4_0] = "scan of a Q4_0 head",
  };
  for (tk_head_type type = 0; type < TK_HEAD_COUNT; type++) {
    const tk_head_kernels *a = tk_head_of(k, type), *b = tk_head_of(scalar, type);
    for (int largest = 0; largest < 2; largest++) {
      const bool same = type == TK_HEAD_Q6_K  ? agrees_q6_k(a, b, largest != 0)
                        : type > TK_HEAD_Q6_K ? agrees_q_0(a, b, type, largest != 0)
                                              : agrees(a, b, type, largest != 0);
      if (!same) {
        return names[type];
      }
    }
  }
  return NULL;
}
