// Trits to and from the packed layouts (ternary.h has the pictures). Portable C: the loops over the
// 32 bytes of a block are written so that compilers vectorise them.

#include "ternary/ternary.h"

#include <string.h>

static void pack_t2(const int8_t *restrict t, uint8_t *restrict bytes) {
  for (size_t j = 0; j < TK_BLOCK_BYTES; j++)
    bytes[j] =
        (uint8_t)((t[j] + 1) | (t[32 + j] + 1) << 2 | (t[64 + j] + 1) << 4 | (t[96 + j] + 1) << 6);
}

static void pack_t5(const int8_t *restrict t, uint8_t *restrict bytes) {
  for (size_t j = 0; j < TK_BLOCK_BYTES; j++) {
    int l = t[j] + 3 * t[32 + j] + 9 * t[64 + j];
    int h = t[96 + j] + 3 * t[128 + j];
    int sign = l < 0 ? -1 : 1;
    l *= sign;
    h = h * sign + 4;
    int magnitude = h < 8 ? l << 3 | h : 0x70 | l;
    bytes[j] = (uint8_t)(magnitude | (sign < 0 ? 0x80 : 0));
  }
}

static void unpack_t2(const uint8_t *restrict bytes, int8_t *restrict t) {
  for (size_t j = 0; j < TK_BLOCK_BYTES; j++) {
    t[j] = (int8_t)((bytes[j] & 3) - 1);
    t[32 + j] = (int8_t)((bytes[j] >> 2 & 3) - 1);
    t[64 + j] = (int8_t)((bytes[j] >> 4 & 3) - 1);
    t[96 + j] = (int8_t)((bytes[j] >> 6) - 1);
  }
}

static void unpack_t5(const uint8_t *restrict bytes, int8_t *restrict t) {
  for (size_t j = 0; j < TK_BLOCK_BYTES; j++) {
    int code = bytes[j];
    bool escaped = (code & 0x70) == 0x70;
    int l = (escaped ? code & 15 : code >> 3 & 15) + 13; // three digits 0..2 now
    int h = escaped ? 8 : code & 7;
    int sign = code & 0x80 ? -1 : 1;
    t[j] = (int8_t)((l % 3 - 1) * sign);
    t[32 + j] = (int8_t)((l / 3 % 3 - 1) * sign);
    t[64 + j] = (int8_t)((l / 9 - 1) * sign);
    t[96 + j] = (int8_t)((h % 3 - 1) * sign);
    t[128 + j] = (int8_t)((h / 3 - 1) * sign);
  }
}

/// Packs 128 columns of one row into its lane of a panel.
static void pack_l2(const int8_t *restrict t, uint8_t *restrict lane) {
  for (size_t g = 0; g < TK_L2_COLUMNS / 4; g++, t += 4)
    lane[g * TK_L2_ROWS] =
        (uint8_t)((t[0] + 1) | (t[1] + 1) << 2 | (t[2] + 1) << 4 | (t[3] + 1) << 6);
}

void tk_unpack_l2(const uint8_t *lane, int8_t *trits) {
  for (size_t c = 0; c < TK_L2_COLUMNS; c++)
    trits[c] = (int8_t)((lane[c / 4 * TK_L2_ROWS] >> 2 * (c % 4) & 3) - 1);
}

const char *tk_layout_name(tk_layout layout) {
  return layout == TK_LAYOUT_L2 ? "L2" : layout == TK_LAYOUT_T5 ? "T5" : "T2";
}

size_t tk_block_columns(tk_layout layout) {
  return layout == TK_LAYOUT_T5 ? TK_T5_COLUMNS : TK_T2_COLUMNS;
}

size_t tk_packed_size(tk_layout layout, size_t rows, size_t columns) {
  if (layout == TK_LAYOUT_L2)
    return (rows + TK_L2_ROWS - 1) / TK_L2_ROWS * tk_block_count(layout, columns) * TK_L2_BYTES;
  return (rows + TK_TILE_ROWS - 1) / TK_TILE_ROWS * tk_block_count(layout, columns) * TK_TILE_BYTES;
}

/// Packs one row, or a row of zeros where `trits` is NULL, into its lane of a tile or panel.
static void pack_row(tk_layout layout, const int8_t *trits, size_t columns, uint8_t *lane) {
  size_t block = tk_block_columns(layout);
  size_t bytes = layout == TK_LAYOUT_L2 ? TK_L2_BYTES : TK_TILE_BYTES;
  void (*pack)(const int8_t *, uint8_t *) = layout == TK_LAYOUT_L2   ? pack_l2
                                            : layout == TK_LAYOUT_T5 ? pack_t5
                                                                     : pack_t2;
  for (size_t c = 0; c < columns; c += block, lane += bytes) {
    if (trits && columns - c >= block) {
      pack(trits + c, lane);
      continue;
    }
    int8_t padded[TK_T5_COLUMNS] = {0};
    if (trits)
      memcpy(padded, trits + c, columns - c);
    pack(padded, lane);
  }
}

void tk_pack(tk_layout layout, const int8_t *trits, size_t rows, size_t columns, size_t row_begin,
             size_t row_end, uint8_t *packed) {
  if (layout == TK_LAYOUT_L2) {
    const tk_matrix w = {packed, rows, columns, layout};
    // The end of the matrix is also that of its last panel.
    size_t end = row_end == rows ? (rows + TK_L2_ROWS - 1) / TK_L2_ROWS * TK_L2_ROWS : row_end;
    for (size_t r = row_begin; r < end; r++)
      pack_row(layout, r < rows ? trits + (r - row_begin) * columns : NULL, columns,
               packed + (tk_l2_row(&w, r) - packed));
    return;
  }
  size_t tile_bytes = tk_block_count(layout, columns) * TK_TILE_BYTES;
  for (size_t tile = row_begin; tile < row_end; tile += TK_TILE_ROWS)
    for (size_t r = 0; r < TK_TILE_ROWS; r++) {
      const int8_t *row = tile + r < rows ? trits + (tile + r - row_begin) * columns : NULL;
      pack_row(layout, row, columns,
               packed + tile / TK_TILE_ROWS * tile_bytes + r * TK_BLOCK_BYTES);
    }
}

void tk_pack_block(tk_layout layout, const int8_t *trits, uint8_t *bytes) {
  if (layout == TK_LAYOUT_T5)
    pack_t5(trits, bytes);
  else
    pack_t2(trits, bytes);
}

void tk_unpack_block(tk_layout layout, const uint8_t *bytes, int8_t *trits) {
  if (layout == TK_LAYOUT_T5)
    unpack_t5(bytes, trits);
  else
    unpack_t2(bytes, trits);
}

void tk_unpack(const tk_matrix *w, size_t row_begin, size_t row_end, int8_t *trits) {
  size_t block = tk_block_columns(w->layout);
  for (size_t r = row_begin; r < row_end; r++, trits += w->columns) {
    bool l2 = w->layout == TK_LAYOUT_L2;
    const uint8_t *lane = l2 ? tk_l2_row(w, r) : tk_packed_row(w, r);
    for (size_t c = 0; c < w->columns; c += block, lane += l2 ? TK_L2_BYTES : TK_TILE_BYTES) {
      if (l2) {
        int8_t all[TK_L2_COLUMNS];
        tk_unpack_l2(lane, all);
        memcpy(trits + c, all, w->columns - c < block ? w->columns - c : block);
        continue;
      }
      if (w->columns - c >= block) {
        tk_unpack_block(w->layout, lane, trits + c);
        continue;
      }
      int8_t padded[TK_T5_COLUMNS];
      tk_unpack_block(w->layout, lane, padded);
      memcpy(trits + c, padded, w->columns - c);
    }
  }
}
