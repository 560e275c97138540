// Rows of a dense matrix to and from the small formats that the two-stage head scans (head.h has
// the pictures), and how far each row is from what its codes say. Portable and cold.

#include "head/head.h"

#pragma clang fp contract(off)

/// A float that is not below x, for x of at most 2^23 terms added in double: 2^-28 is more than
/// their 2^23 roundings of 2^-53.
static float upper(double x) { return tk_head_round_up(x * (1.0 + 0x1p-28)); }

/// x / scale rounded half to even, in [-limit, limit].
static inline float round_code(float x, float inverse, float low, float high) {
  float v = rintf(x * inverse);
  v = v < high ? v : high;
  return v > low ? v : low;
}

size_t tk_head_size(tk_head_type type, size_t rows, size_t columns) {
  const size_t panels = (rows + TK_HEAD_TILE_ROWS - 1) / TK_HEAD_TILE_ROWS;
  const size_t tiles = TK_HEAD_TILE_ROWS / TK_HEAD_INT8_ROWS;
  const size_t blocks = panels * tk_head_blocks(columns);
  switch (type) {
  case TK_HEAD_INT8:
    return blocks * tiles * TK_HEAD_INT8_BYTES;
  case TK_HEAD_INT4:
    return blocks * TK_HEAD_INT4_BYTES;
  case TK_HEAD_Q6_K:
  case TK_HEAD_Q8_0:
  case TK_HEAD_Q4_0:
    return 0; // the rows stay where they are
  }
  __builtin_trap(); // there is no such type
}

/// Adds (w - scale * q)^2 and w^2 of some columns. Both products are exact in double.
static void add_squares(const float *w, const float *q, float scale, size_t n, double *error,
                        double *norm) {
  for (size_t i = 0; i < n; i++) {
    const double d = (double)w[i] - (double)scale * (double)q[i];
    *error += d * d;
    *norm += (double)w[i] * (double)w[i];
  }
}

/// Codes one row of INT8; `lane` is its 32 bytes of block 0. Returns the row's scale.
static float pack_int8(const float *w, size_t columns, uint8_t *lane, double *error, double *norm) {
  float scale = tk_head_largest(w, columns) / 127.0f;
  float inverse = 1.0f / scale;
  if (!(inverse < INFINITY)) { // all zero, or next to nothing
    scale = 0.0f;
    inverse = 0.0f;
  }
  for (size_t c = 0; c < columns; c += TK_HEAD_BLOCK, lane += TK_HEAD_INT8_BYTES) {
    const size_t n = columns - c < TK_HEAD_BLOCK ? columns - c : TK_HEAD_BLOCK;
    float q[TK_HEAD_BLOCK];
    for (size_t i = 0; i < n; i++) {
      q[i] = round_code(w[c + i], inverse, -127.0f, 127.0f);
      lane[i] = (uint8_t)(int8_t)q[i];
    }
    add_squares(w + c, q, scale, n, error, norm);
  }
  return scale;
}

/// The scale of a block of INT4: the value of largest magnitude becomes -8. Infinite where float16
/// has no such number.
static uint16_t scale_int4(const float *w, size_t n) {
  float extreme = 0.0f;
  for (size_t i = 0; i < n; i++) {
    extreme = fabsf(w[i]) > fabsf(extreme) ? w[i] : extreme;
  }
  return tk_float_to_half(extreme / -8.0f);
}

/// Codes one row of INT4, row `r` of the panel; false where a scale is not finite.
static bool pack_int4(const float *w, size_t columns, size_t r, uint8_t *panel, double *error,
                      double *norm) {
  for (size_t c = 0; c < columns; c += TK_HEAD_BLOCK, panel += TK_HEAD_INT4_BYTES) {
    const size_t n = columns - c < TK_HEAD_BLOCK ? columns - c : TK_HEAD_BLOCK;
    const uint16_t half = scale_int4(w + c, n);
    const float scale = tk_half_to_float(half);
    const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
    if (!(fabsf(scale) < INFINITY)) {
      return false;
    }
    float q[TK_HEAD_BLOCK] = {0};
    for (size_t i = 0; i < n; i++) {
      q[i] = round_code(w[c + i], inverse, -8.0f, 7.0f);
    }
    add_squares(w + c, q, scale, n, error, norm);
    for (size_t i = 0; i < TK_HEAD_BLOCK; i++) {
      const int code = (int)q[i] + 8;
      uint8_t *byte = &panel[i / 8 * TK_HEAD_BLOCK + 4 * r + i % 4];
      *byte = (uint8_t)(i % 8 < 4 ? code : *byte | code << 4);
    }
    panel[TK_HEAD_INT4_SCALES + 2 * r] = (uint8_t)half;
    panel[TK_HEAD_INT4_SCALES + 2 * r + 1] = (uint8_t)(half >> 8);
  }
  return true;
}

void tk_head_pack(tk_head_type type, const float *w, size_t rows, size_t columns, size_t row_begin,
                  size_t row_end, uint8_t *codes, float *scales, float *errors, float *norms) {
  const size_t blocks = tk_head_blocks(columns);
  for (size_t r = row_begin; r < row_end && r < rows; r++, w += columns) {
    uint8_t *tile = codes + r / TK_HEAD_INT8_ROWS * blocks * TK_HEAD_INT8_BYTES;
    uint8_t *lane = tile + r % TK_HEAD_INT8_ROWS * TK_HEAD_BLOCK;
    uint8_t *panel = codes + r / TK_HEAD_TILE_ROWS * blocks * TK_HEAD_INT4_BYTES;
    double error = 0.0;
    double norm = 0.0;
    scales[r] = 0.0f;
    bool finite = tk_head_largest(w, columns) < INFINITY;
    if (finite) {
      switch (type) {
      case TK_HEAD_INT8:
        scales[r] = pack_int8(w, columns, lane, &error, &norm);
        break;
      case TK_HEAD_INT4:
        finite = pack_int4(w, columns, r % TK_HEAD_TILE_ROWS, panel, &error, &norm);
        break;
      case TK_HEAD_Q6_K: // these are not packed
      case TK_HEAD_Q8_0:
      case TK_HEAD_Q4_0:
        __builtin_trap();
      }
    }
    errors[r] = finite ? upper(sqrt(error)) : INFINITY;
    norms[r] = finite ? upper(sqrt(norm)) : INFINITY;
  }
}

/// The sum of squares of what stands in one Q6_K block, without d.
static int64_t squares_q6_k(const uint8_t *block) {
  int64_t total = 0;
  for (size_t g = 0; g < TK_HEAD_Q6_K_GROUPS; g++) {
    const size_t half = g / 8, quarter = g % 8 / 2, first = g % 2 * 16;
    const uint8_t *low = block + 64 * half + 32 * (quarter % 2) + first;
    const uint8_t *high = block + 128 + 32 * half + first;
    int32_t squares = 0;
    for (size_t i = 0; i < 16; i++) {
      const int code = (low[i] >> quarter / 2 * 4 & 15) | (high[i] >> 2 * quarter & 3) << 4;
      squares += (code - 32) * (code - 32);
    }
    const int32_t scale = (int8_t)block[TK_HEAD_Q6_K_SCALES + g];
    total += (int64_t)squares * (scale * scale);
  }
  return total;
}

static int32_t squares_q8_0(const uint8_t *block) {
  const uint8_t *codes = block + TK_HEAD_Q_0_CODES;
  int32_t squares = 0;
  for (size_t i = 0; i < TK_HEAD_BLOCK; i++) {
    const int32_t code = (int8_t)codes[i];
    squares += code * code;
  }
  return squares;
}

static int32_t squares_q4_0(const uint8_t *block) {
  const uint8_t *codes = block + TK_HEAD_Q_0_CODES;
  int32_t squares = 0;
  for (size_t i = 0; i < TK_HEAD_BLOCK / 2; i++) {
    const int32_t low = (codes[i] & 15) - 8, high = (codes[i] >> 4) - 8;
    squares += low * low + high * high;
  }
  return squares;
}

void tk_head_norms(tk_head_type type, const void *data, size_t rows, size_t columns, float *norms) {
  const bool is_q6_k = type == TK_HEAD_Q6_K;
  const size_t bytes = is_q6_k ? TK_HEAD_Q6_K_BYTES : tk_head_q_0_bytes(type);
  const size_t blocks = columns / (is_q6_k ? TK_HEAD_Q6_K_COLUMNS : TK_HEAD_BLOCK);
  const uint8_t *block = data;
  for (size_t r = 0; r < rows; r++) {
    double sum = 0.0;
    for (size_t b = 0; b < blocks; b++, block += bytes) {
      const double d = tk_head_half(is_q6_k ? block + TK_HEAD_Q6_K_D : block);
      const int64_t squares = is_q6_k                ? squares_q6_k(block)
                              : type == TK_HEAD_Q8_0 ? squares_q8_0(block)
                                                     : squares_q4_0(block);
      sum += d * d * (double)squares;
    }
    norms[r] = sum < INFINITY ? upper(sqrt(sum)) : INFINITY;
  }
}

static void decode_int8(const tk_head *h, size_t row, float *w) {
  const uint8_t *tile = tk_head_int8_tile(h, row);
  const uint8_t *lane = tile + row % TK_HEAD_INT8_ROWS * TK_HEAD_BLOCK;
  for (size_t c = 0; c < h->columns; c++) {
    const uint8_t code = lane[c / TK_HEAD_BLOCK * TK_HEAD_INT8_BYTES + c % TK_HEAD_BLOCK];
    w[c] = h->scales[row] * (float)(int8_t)code;
  }
}

static void decode_int4(const tk_head *h, size_t row, float *w) {
  const size_t r = row % TK_HEAD_TILE_ROWS;
  for (size_t c = 0; c < h->columns; c++) {
    const size_t i = c % TK_HEAD_BLOCK;
    const uint8_t *panel = tk_head_int4_panel(h, row) + c / TK_HEAD_BLOCK * TK_HEAD_INT4_BYTES;
    const uint8_t *scale = panel + TK_HEAD_INT4_SCALES + 2 * r;
    const int byte = panel[i / 8 * TK_HEAD_BLOCK + 4 * r + i % 4];
    const int code = i % 8 < 4 ? byte & 15 : byte >> 4;
    w[c] = tk_head_half(scale) * (float)(code - 8);
  }
}

void tk_head_decode_row(const tk_head *h, size_t row, float *w) {
  switch (h->type) {
  case TK_HEAD_INT8:
    decode_int8(h, row, w);
    break;
  case TK_HEAD_INT4:
    decode_int4(h, row, w);
    break;
  case TK_HEAD_Q6_K:
    tk_decode(TK_Q6_K, tk_head_q6_k_row(h, row), h->columns, w);
    break;
  case TK_HEAD_Q8_0:
    tk_decode(TK_Q8_0, tk_head_q_0_row(h, row), h->columns, w);
    break;
  case TK_HEAD_Q4_0:
    tk_decode(TK_Q4_0, tk_head_q_0_row(h, row), h->columns, w);
    break;
  }
}
