// Trits to and from strands (sparse.h has the picture), and from strands to the tiles that GEMM
// wants. Portable C; vectors of 16 bytes are written as such.
//
// To go from columns to tiles, 128 columns and one block of rows are one square: 128 x 32 bytes
// with up to four rows in the 2-bit fields of a byte. The bytes are turned, then every field is
// collected from the four columns that share a byte in T2:
//
//   column c: byte j = u[row j] | u[row 32 + j] << 2 | ...
//   turned:   line j = byte j of columns 0 .. 127
//   row 32 f + j, byte i = field f of line j's bytes i, 32 + i, 64 + i, 96 + i

#include "sparse/sparse.h"

#include <string.h>

const uint8_t tk_compact_lanes[16][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {4, 5, 6, 7, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {8, 9, 10, 11, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {0, 1, 2, 3, 8, 9, 10, 11, 8, 9, 10, 11, 12, 13, 14, 15},
    {4, 5, 6, 7, 8, 9, 10, 11, 8, 9, 10, 11, 12, 13, 14, 15},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {12, 13, 14, 15, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15},
    {4, 5, 6, 7, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15},
    {0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15, 12, 13, 14, 15},
    {8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15},
    {0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 12, 13, 14, 15},
    {4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 12, 13, 14, 15},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
};

size_t tk_strands_size(tk_layout layout, size_t count, size_t length) {
  return count * tk_block_count(layout, length) * TK_BLOCK_BYTES;
}

size_t tk_list_size(size_t n) { return (n + 7) / 8 * 8 + 8; }

void tk_pack_rows(tk_layout layout, const int8_t *trits, size_t columns, size_t row_begin,
                  size_t row_end, uint8_t *packed) {
  const tk_layout_description d = tk_describe_strand(layout);
  uint8_t *bytes = packed + tk_strands_size(layout, row_begin, columns);
  for (size_t r = row_begin; r < row_end; r++, trits += columns) {
    for (size_t c = 0; c < columns; c += d.columns, bytes += TK_BLOCK_BYTES) {
      if (columns - c >= d.columns) {
        d.pack(trits + c, bytes);
        continue;
      }
      int8_t padded[TK_MOST_COLUMNS] = {0};
      memcpy(padded, trits + c, columns - c);
      d.pack(padded, bytes);
    }
  }
}

// ---------------------------------------------------------------------------------------------
// Turning bytes
// ---------------------------------------------------------------------------------------------

typedef uint8_t bytes16 __attribute__((vector_size(16), aligned(1)));

enum { SIDE = 16 };

/// Bytes of the first, or of the second, halves of a and b in turn.
static inline bytes16 zip_low(bytes16 a, bytes16 b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
static inline bytes16 zip_high(bytes16 a, bytes16 b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15,
                                 31);
}

/// out[c * out_stride + r] = in[r * in_stride + c] for 16 x 16 bytes: zipping line i with line i +
/// 8 moves one bit of a byte's line number to its place in the line; four times moves them all.
static inline void turn(const uint8_t *in, size_t in_stride, uint8_t *out, size_t out_stride) {
  bytes16 a[SIDE], b[SIDE];
  for (size_t i = 0; i < SIDE; i++) {
    memcpy(&a[i], in + i * in_stride, SIDE);
  }
  for (int stage = 0; stage < 4; stage++) {
    for (size_t i = 0; i < SIDE / 2; i++) {
      b[2 * i] = zip_low(a[i], a[i + SIDE / 2]);
      b[2 * i + 1] = zip_high(a[i], a[i + SIDE / 2]);
    }
    memcpy(a, b, sizeof a);
  }
  for (size_t i = 0; i < SIDE; i++) {
    memcpy(out + i * out_stride, &a[i], SIDE);
  }
}

/// Trits of up to 16 columns in `rows` rows from row-major order into columns of TK_MOST_COLUMNS.
static void turn_trits(const int8_t *trits, size_t stride, size_t rows, size_t columns,
                       int8_t turned[SIDE][TK_MOST_COLUMNS]) {
  memset(turned, 0, SIDE * sizeof *turned);
  size_t r = 0;
  if (columns == SIDE) {
    for (; r + SIDE <= rows; r += SIDE) {
      turn((const uint8_t *)trits + r * stride, stride, (uint8_t *)turned[0] + r, TK_MOST_COLUMNS);
    }
  }
  for (; r < rows; r++) {
    for (size_t c = 0; c < columns; c++) {
      turned[c][r] = trits[r * stride + c];
    }
  }
}

void tk_pack_columns(tk_layout layout, const int8_t *trits, size_t rows, size_t columns,
                     size_t row_begin, size_t row_end, uint8_t *packed) {
  const tk_layout_description d = tk_describe_strand(layout);
  const size_t width = d.columns, strand = tk_strands_size(layout, 1, rows);
  for (size_t r = row_begin; r < row_end; r += width) {
    size_t count = row_end - r < width ? row_end - r : width;
    uint8_t *block = packed + r / width * TK_BLOCK_BYTES;
    for (size_t c = 0; c < columns; c += SIDE) {
      size_t side = columns - c < SIDE ? columns - c : SIDE;
      int8_t turned[SIDE][TK_MOST_COLUMNS];
      turn_trits(trits + (r - row_begin) * columns + c, columns, count, side, turned);
      for (size_t i = 0; i < side; i++) {
        d.pack(turned[i], block + (c + i) * strand);
      }
    }
  }
}

void tk_unpack_rows(const tk_strands *w, size_t row_begin, size_t row_end, int8_t *trits) {
  const tk_layout_description d = tk_describe_strand(w->layout);
  const size_t width = d.columns;
  const uint8_t *bytes = w->data + row_begin * tk_strand_bytes(w);
  for (size_t r = row_begin; r < row_end; r++, trits += w->length) {
    for (size_t c = 0; c < w->length; c += width, bytes += TK_BLOCK_BYTES) {
      int8_t block[TK_MOST_COLUMNS];
      d.unpack(bytes, block);
      memcpy(trits + c, block, w->length - c < width ? w->length - c : width);
    }
  }
}

void tk_unpack_columns(const tk_strands *w, size_t row_begin, size_t row_end, int8_t *trits) {
  const tk_layout_description d = tk_describe_strand(w->layout);
  const size_t width = d.columns;
  for (size_t c = 0; c < w->count; c++) {
    for (size_t r = row_begin; r < row_end;) {
      int8_t block[TK_MOST_COLUMNS];
      d.unpack(w->data + c * tk_strand_bytes(w) + r / width * TK_BLOCK_BYTES, block);
      do {
        trits[(r - row_begin) * w->count + c] = block[r % width];
      } while (++r < row_end && r % width != 0);
    }
  }
}

// ---------------------------------------------------------------------------------------------
// Tiles
// ---------------------------------------------------------------------------------------------

void tk_tile_rows(const tk_strands *w, size_t row_begin, size_t row_end, uint8_t *tiles) {
  size_t blocks = tk_block_count(w->layout, w->length);
  for (size_t r = 0; r < row_end - row_begin; r += TK_TILE_ROWS) {
    for (size_t i = 0; i < TK_TILE_ROWS; i++) {
      uint8_t *lane = tiles + r * blocks * TK_BLOCK_BYTES + i * TK_BLOCK_BYTES;
      const uint8_t *row = w->data + (row_begin + r + i) * tk_strand_bytes(w);
      bool padding = row_begin + r + i >= row_end;
      for (size_t b = 0; b < blocks; b++, lane += TK_TILE_BYTES) {
        if (padding) {
          memset(lane, tk_describe_strand(w->layout).zero, TK_BLOCK_BYTES);
        } else {
          memcpy(lane, row + b * TK_BLOCK_BYTES, TK_BLOCK_BYTES);
        }
      }
    }
  }
}

enum { SQUARE = TK_T2_COLUMNS };

/// Bytes with 2-bit fields of `SQUARE` columns and one block of rows, turned: line j has byte j of
/// every column.
typedef uint8_t turned_square[TK_BLOCK_BYTES][SQUARE];

/// Rows first + 32 f of a tiled T2 matrix for the fields f of a square, f in [0, fields).
static void write_fields(turned_square lines, size_t fields, size_t first, size_t rows,
                         size_t tile_bytes, uint8_t *tiles) {
  for (size_t f = 0; f < fields; f++) {
    for (size_t j = 0; j < TK_BLOCK_BYTES; j++) {
      size_t row = first + f * TK_BLOCK_BYTES + j;
      if (row >= rows) {
        break;
      }
      const uint8_t *restrict line = lines[j];
      uint8_t *restrict out =
          tiles + row / TK_TILE_ROWS * tile_bytes + row % TK_TILE_ROWS * TK_BLOCK_BYTES;
      for (size_t i = 0; i < TK_BLOCK_BYTES; i++) {
        out[i] = (uint8_t)((line[i] >> 2 * f & 3) | (line[32 + i] >> 2 * f & 3) << 2 |
                           (line[64 + i] >> 2 * f & 3) << 4 | (line[96 + i] >> 2 * f & 3) << 6);
      }
    }
  }
}

static void turn_square(const uint8_t *columns, turned_square lines) {
  for (size_t c = 0; c < SQUARE; c += SIDE) {
    for (size_t j = 0; j < TK_BLOCK_BYTES; j += SIDE) {
      turn(columns + c * TK_BLOCK_BYTES + j, TK_BLOCK_BYTES, &lines[j][c], SQUARE);
    }
  }
}

/// Columns c .. c + 127 of one block, padded with zeros.
static void gather_square(const tk_strands *w, size_t c, size_t block, uint8_t *codes) {
  size_t strand = tk_strand_bytes(w), columns = w->count - c < SQUARE ? w->count - c : SQUARE;
  const uint8_t *bytes = w->data + c * strand + block * TK_BLOCK_BYTES;
  for (size_t i = 0; i < columns; i++) {
    memcpy(codes + i * TK_BLOCK_BYTES, bytes + i * strand, TK_BLOCK_BYTES);
  }
  memset(codes + columns * TK_BLOCK_BYTES, tk_describe_strand(w->layout).zero,
         (SQUARE - columns) * TK_BLOCK_BYTES);
}

/// The rows of one square of T2, or of the squares that T5 is split into.
static void tile_square(const tk_split_kernels *k, tk_layout layout, const uint8_t *codes,
                        size_t first, size_t rows, size_t tile_bytes, uint8_t *tiles) {
  enum { LOW_FIELDS = 3, HIGH_FIELDS = 2 };
  uint8_t low[SQUARE * TK_BLOCK_BYTES], high[sizeof low];
  turned_square lines;
  switch (layout) {
  case TK_LAYOUT_T2:
    turn_square(codes, lines);
    write_fields(lines, TK_T2_FIELDS, first, rows, tile_bytes, tiles);
    return;
  case TK_LAYOUT_T5:
    k->split_t5(codes, sizeof low, low, high);
    turn_square(low, lines);
    write_fields(lines, LOW_FIELDS, first, rows, tile_bytes, tiles);
    turn_square(high, lines);
    write_fields(lines, HIGH_FIELDS, first + LOW_FIELDS * TK_BLOCK_BYTES, rows, tile_bytes, tiles);
    return;
  case TK_LAYOUT_L2: // has no strands
    __builtin_trap();
  }
}

void tk_tile_columns_by(const tk_split_kernels *k, const tk_strands *w, size_t row_begin,
                        size_t row_end, uint8_t *tiles) {
  size_t width = tk_describe_strand(w->layout).columns;
  size_t tile_bytes = tk_packed_size(TK_LAYOUT_T2, 1, w->count);
  size_t rows = (row_end - row_begin + TK_TILE_ROWS - 1) / TK_TILE_ROWS * TK_TILE_ROWS;
  for (size_t r = 0; r < rows; r += width) {
    for (size_t c = 0; c < w->count; c += SQUARE) {
      uint8_t codes[SQUARE * TK_BLOCK_BYTES];
      gather_square(w, c, (row_begin + r) / width, codes);
      tile_square(k, w->layout, codes, r, rows, tile_bytes, tiles + c / SQUARE * TK_TILE_BYTES);
    }
  }
}
