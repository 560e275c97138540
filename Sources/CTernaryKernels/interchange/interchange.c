// Ternary file formats to trits and back, and absmean quantisation (1.3).
//
// Decoders return the position, counted in `trits`, of the first invalid code, and leave what
// follows unspecified. They decode whole blocks without a branch, note whether any code was 3, and
// only then look for it: the loops over the bytes of a block vectorise.

#include "CTernaryKernels.h"

#include <math.h>
#include <string.h>

#pragma clang fp contract(off)

// ---------------------------------------------------------------------------------------------
// I2_S: code 0, 1, 2 is trit + 1. Bits 7-6 hold the first of a byte's four weights.
//   A: blocks of 128 weights in 32 bytes; byte p holds weights p, 32 + p, 64 + p, 96 + p
//   B: blocks of 64 weights in 16 bytes; byte p holds weights p, 16 + p, 32 + p, 48 + p
//   C: groups of 4 rows; byte c holds column c of the four rows
// All three are the same picture: n bytes hold 4 n weights, and weight i of byte p is i * n + p.
// ---------------------------------------------------------------------------------------------

enum { I2S_A_BYTES = 32, I2S_B_BYTES = 16 };

/// Decodes `n` bytes, whole or the weights of a block, to 4 n trits. Returns whether all are valid.
static inline bool decode_group(const uint8_t *restrict data, size_t n, int8_t *restrict trits) {
  uint8_t invalid = 0;
  for (size_t p = 0; p < n; p++) {
    uint8_t e = data[p];
    trits[p] = (int8_t)((e >> 6) - 1);
    trits[n + p] = (int8_t)((e >> 4 & 3) - 1);
    trits[2 * n + p] = (int8_t)((e >> 2 & 3) - 1);
    trits[3 * n + p] = (int8_t)((e & 3) - 1);
    invalid |= e & e >> 1 & 0x55;
  }
  return invalid == 0;
}

/// Position of the first code 3 among n decoded trits: it was decoded as 2.
static ptrdiff_t find_invalid(const int8_t *trits, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (trits[i] > 1) {
      return (ptrdiff_t)i;
    }
  }
  return -1;
}

/// Decodes weights [first, first + n), reading whole blocks, so at most 31 bytes past the last code
/// (an I2_S tensor has 32 more: its scale and padding). A block is `bytes` bytes, a constant where
/// this is inlined.
static inline ptrdiff_t decode_blocks(const uint8_t *data, size_t bytes, size_t first, size_t n,
                                      int8_t *trits) {
  size_t block = 4 * bytes;
  for (size_t done = 0; done < n;) {
    const uint8_t *source = data + (first + done) / block * bytes;
    size_t skip = (first + done) % block;
    size_t count = n - done < block - skip ? n - done : block - skip;
    int8_t whole[4 * I2S_A_BYTES];
    int8_t *out = count == block ? trits + done : whole; // a range may begin or end inside a block
    bool valid = decode_group(source, bytes, out);
    if (out == whole) {
      memcpy(trits + done, whole + skip, count);
    }
    if (!valid) {
      ptrdiff_t found = find_invalid(trits + done, count);
      if (found >= 0) { // else the invalid code is one of the block's weights outside the range
        return (ptrdiff_t)done + found;
      }
    }
    done += count;
  }
  return -1;
}

static ptrdiff_t decode_row_groups(const uint8_t *data, size_t columns, size_t first, size_t n,
                                   int8_t *trits) {
  for (size_t done = 0; columns > 0 && done < n; done += 4 * columns) {
    if (!decode_group(data + (first + done) / 4, columns, trits + done)) {
      return (ptrdiff_t)done + find_invalid(trits + done, 4 * columns);
    }
  }
  return -1;
}

ptrdiff_t tk_decode_i2s(tk_i2s_order order, const uint8_t *data, size_t columns, size_t first,
                        size_t n, int8_t *trits) {
  switch (order) {
  case TK_I2S_A:
    return decode_blocks(data, I2S_A_BYTES, first, n, trits);
  case TK_I2S_B:
    return decode_blocks(data, I2S_B_BYTES, first, n, trits);
  case TK_I2S_C:
    return decode_row_groups(data, columns, first, n, trits);
  }
  return 0;
}

void tk_encode_i2s(const int8_t *trits, size_t n, uint8_t *data) {
  for (size_t i = 0; i < n; i += 4 * I2S_A_BYTES, data += I2S_A_BYTES) {
    for (size_t p = 0; p < I2S_A_BYTES; p++) {
      const int8_t *t = trits + i + p;
      data[p] = (uint8_t)((t[0] + 1) << 6 | (t[32] + 1) << 4 | (t[64] + 1) << 2 | (t[96] + 1));
    }
  }
}

// ---------------------------------------------------------------------------------------------
// Hugging Face packing: byte (r, c) of uint8 [rows / 4, columns] holds trit + 1 of rows r,
// r + rows / 4, r + 2 rows / 4, r + 3 rows / 4 in bits 0-1, 2-3, 4-5, 6-7. A number of rows that is
// not a multiple of 4 is rounded up, as the packer in transformers does.
// ---------------------------------------------------------------------------------------------

ptrdiff_t tk_decode_hf(const uint8_t *data, size_t rows, size_t columns, size_t row_begin,
                       size_t row_end, int8_t *trits) {
  size_t quarter = rows / 4 + (rows % 4 != 0);
  for (size_t r = row_begin; r < row_end; r++) {
    const uint8_t *restrict source = data + r % quarter * columns;
    int8_t *restrict out = trits + (r - row_begin) * columns;
    unsigned shift = (unsigned)(r / quarter * 2);
    uint8_t invalid = 0;
    for (size_t c = 0; c < columns; c++) {
      uint8_t code = source[c] >> shift & 3;
      out[c] = (int8_t)(code - 1);
      invalid |= code & code >> 1;
    }
    if (invalid) {
      return (ptrdiff_t)((r - row_begin) * columns) + find_invalid(out, columns);
    }
  }
  return -1;
}

// ---------------------------------------------------------------------------------------------
// Absmean quantisation
// ---------------------------------------------------------------------------------------------

double tk_absolute_sum(const float *x, size_t n) {
  enum { LANES = 8 }; // lane l adds elements l, 8 + l, ...; then the lanes are added as a tree
  double s[LANES] = {0};
  size_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    for (size_t l = 0; l < LANES; l++) {
      s[l] += (double)__builtin_fabsf(x[i + l]);
    }
  }
  for (size_t l = 0; i + l < n; l++) {
    s[l] += (double)__builtin_fabsf(x[i + l]);
  }
  return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

void tk_ternarize(const float *restrict x, size_t n, float g, int8_t *restrict trits) {
  const float magic = 12582912.0f; // adding it rounds half to even
  for (size_t i = 0; i < n; i++) {
    float v = x[i] * g;
    v = v < 1.0f ? v : 1.0f; // NaN becomes 1; absmean of a matrix with NaN is NaN already
    v = v > -1.0f ? v : -1.0f;
    trits[i] = (int8_t)((v + magic) - magic);
  }
}

void tk_signs(const float *restrict x, size_t n, int8_t *restrict trits) {
  for (size_t i = 0; i < n; i++) {
    trits[i] = (int8_t)((x[i] > 0.0f) - (x[i] < 0.0f));
  }
}

void tk_scale_trits(const int8_t *restrict trits, size_t n, float scale, float *restrict y) {
  for (size_t i = 0; i < n; i++) {
    y[i] = (float)trits[i] * scale;
  }
}

void tk_squared_error(const float *x, const float *y, size_t n, double *error, double *total) {
  double difference = 0, square = 0;
  for (size_t i = 0; i < n; i++) {
    double d = (double)x[i] - (double)y[i];
    difference += d * d;
    square += (double)x[i] * (double)x[i];
  }
  *error += difference;
  *total += square;
}

void tk_block_magnitudes(const float *x, size_t n, size_t block, float *smallest, float *largest) {
  for (size_t i = 0; i < n; i += block) {
    tk_magnitudes(x + i, n - i < block ? n - i : block, smallest++, largest++);
  }
}

float tk_largest_magnitude(const float *x, size_t n) {
  // Without the sign, the bits of floats are in the order of the floats, and NaN comes last.
  // Sixteen maxima, so that a core need not wait for one before it begins the next.
  enum { LANES = 16 };
  int32_t largest[LANES] = {0};
  for (size_t start = 0; start < n; start += LANES) {
    int32_t bits[LANES] = {0};
    if (n - start >= LANES) {
      memcpy(bits, x + start, sizeof bits);
    } else {
      memcpy(bits, x + start, (n - start) * sizeof *x);
    }
    for (int lane = 0; lane < LANES; lane++) {
      const int32_t magnitude = bits[lane] & 0x7fffffff;
      largest[lane] = magnitude > largest[lane] ? magnitude : largest[lane];
    }
  }
  for (int lane = 1; lane < LANES; lane++) {
    largest[0] = largest[lane] > largest[0] ? largest[lane] : largest[0];
  }
  float result;
  memcpy(&result, largest, sizeof result);
  return result;
}

int32_t tk_sum(const int8_t *x, size_t n) {
  int32_t sum = 0;
  for (size_t i = 0; i < n; i++) {
    sum += x[i];
  }
  return sum;
}

size_t tk_count_zeros(const int8_t *trits, size_t n) {
  size_t zeros = 0;
  for (size_t i = 0; i < n; i++) {
    zeros += trits[i] == 0;
  }
  return zeros;
}

void tk_magnitudes(const float *x, size_t n, float *smallest, float *largest) {
  // As integers, magnitudes are in the same order, infinity and then NaN above all numbers; and
  // such a loop vectorises.
  uint32_t low = UINT32_MAX;
  uint32_t high = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, x + i, sizeof bits);
    bits &= INT32_MAX;
    const uint32_t below = bits - 1; // zero becomes the largest
    low = below < low ? below : low;
    high = bits > high ? bits : high;
  }
  *smallest = INFINITY;
  if (low != UINT32_MAX) {
    low += 1;
    memcpy(smallest, &low, sizeof low);
  }
  memcpy(largest, &high, sizeof high);
}
