// Trits to and from the packed layouts (layout.h has the pictures). Portable C: the loops over the
// 32 bytes of a block are written so that compilers vectorise them.

#include "ternary/layout.h"

#include <string.h>

void tk_pack_t2(const int8_t *restrict t, uint8_t *restrict bytes) {
  for (size_t j = 0; j < TK_BLOCK_BYTES; j++) {
    bytes[j] =
        (uint8_t)((t[j] + 1) | (t[32 + j] + 1) << 2 | (t[64 + j] + 1) << 4 | (t[96 + j] + 1) << 6);
  }
}

void tk_pack_t5(const int8_t *restrict t, uint8_t *restrict bytes) {
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

void tk_unpack_t2(const uint8_t *restrict bytes, int8_t *restrict t) {
  for (size_t j = 0; j < TK_BLOCK_BYTES; j++) {
    t[j] = (int8_t)((bytes[j] & 3) - 1);
    t[32 + j] = (int8_t)((bytes[j] >> 2 & 3) - 1);
    t[64 + j] = (int8_t)((bytes[j] >> 4 & 3) - 1);
    t[96 + j] = (int8_t)((bytes[j] >> 6) - 1);
  }
}

void tk_unpack_t5(const uint8_t *restrict bytes, int8_t *restrict t) {
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

void tk_pack_l2(const int8_t *restrict t, uint8_t *restrict lane) {
  for (size_t g = 0; g < TK_L2_COLUMNS / 4; g++, t += 4) {
    lane[g * TK_L2_ROWS] =
        (uint8_t)((t[0] + 1) | (t[1] + 1) << 2 | (t[2] + 1) << 4 | (t[3] + 1) << 6);
  }
}

void tk_unpack_l2(const uint8_t *lane, int8_t *trits) {
  for (size_t c = 0; c < TK_L2_COLUMNS; c++) {
    trits[c] = (int8_t)((lane[c / 4 * TK_L2_ROWS] >> 2 * (c % 4) & 3) - 1);
  }
}

const char *tk_layout_name(tk_layout layout) { return tk_describe(layout).name; }

size_t tk_block_columns(tk_layout layout) { return tk_describe(layout).columns; }

size_t tk_gemv_batch(tk_layout layout) { return tk_describe(layout).gemv_batch; }

size_t tk_packed_size(tk_layout layout, size_t rows, size_t columns) {
  const tk_layout_description d = tk_describe(layout);
  return (rows + d.rows - 1) / d.rows * tk_block_count(layout, columns) * d.bytes;
}

/// Packs one row, or a row of zeros where `trits` is NULL, into its lane of a tile or panel.
static void pack_row(tk_layout layout, const int8_t *trits, size_t columns, uint8_t *lane) {
  const tk_layout_description d = tk_describe(layout);
  for (size_t c = 0; c < columns; c += d.columns, lane += d.bytes) {
    if (trits && columns - c >= d.columns) {
      d.pack(trits + c, lane);
      continue;
    }
    int8_t padded[TK_MOST_COLUMNS] = {0};
    if (trits) {
      memcpy(padded, trits + c, columns - c);
    }
    d.pack(padded, lane);
  }
}

void tk_pack(tk_layout layout, const int8_t *trits, size_t rows, size_t columns, size_t row_begin,
             size_t row_end, uint8_t *packed) {
  const tk_matrix w = {packed, rows, columns, layout};
  // The end of the matrix is also that of its last tile or panel.
  const size_t together = tk_describe(layout).rows;
  const size_t end = row_end == rows ? (rows + together - 1) / together * together : row_end;
  for (size_t r = row_begin; r < end; r++) {
    pack_row(layout, r < rows ? trits + (r - row_begin) * columns : NULL, columns,
             packed + (tk_row(layout, &w, r) - packed));
  }
}

void tk_unpack(const tk_matrix *w, size_t row_begin, size_t row_end, int8_t *trits) {
  const tk_layout_description d = tk_describe(w->layout);
  for (size_t r = row_begin; r < row_end; r++, trits += w->columns) {
    const uint8_t *lane = tk_row(w->layout, w, r);
    for (size_t c = 0; c < w->columns; c += d.columns, lane += d.bytes) {
      if (w->columns - c >= d.columns) {
        d.unpack(lane, trits + c);
        continue;
      }
      int8_t padded[TK_MOST_COLUMNS];
      d.unpack(lane, padded);
      memcpy(trits + c, padded, w->columns - c);
    }
  }
}

// ---------------------------------------------------------------------------------------------
// Rows of zeros
// ---------------------------------------------------------------------------------------------

/// Bytes from one byte of a row to the next in the same block, which has TK_BLOCK_BYTES of them.
static size_t byte_step(tk_layout layout) {
  const tk_layout_description d = tk_describe(layout);
  return d.row_step == 1 ? d.rows : 1;
}

static bool is_zero_row(const tk_matrix *w, size_t row) {
  const tk_layout_description d = tk_describe(w->layout);
  const size_t step = byte_step(w->layout);
  const uint8_t *lane = tk_row(w->layout, w, row);
  for (size_t b = 0; b < tk_block_count(w->layout, w->columns); b++, lane += d.bytes) {
    for (size_t i = 0; i < TK_BLOCK_BYTES; i++) {
      if (lane[i * step] != d.zero) {
        return false;
      }
    }
  }
  return true;
}

void tk_zero_rows(const tk_matrix *w, bool *zero) {
  for (size_t r = 0; r < w->rows; r++) {
    zero[r] = is_zero_row(w, r);
  }
}

/// Copies one row, or writes a row of zeros where `from` is NULL.
static void keep_row(const tk_matrix *w, const uint8_t *_Nullable from, uint8_t *to) {
  const tk_layout_description d = tk_describe(w->layout);
  const size_t step = byte_step(w->layout);
  for (size_t b = 0; b < tk_block_count(w->layout, w->columns); b++, to += d.bytes) {
    for (size_t i = 0; i < TK_BLOCK_BYTES; i++) {
      to[i * step] = from ? from[i * step] : d.zero;
    }
    from = from ? from + d.bytes : NULL;
  }
}

void tk_keep_rows(const tk_matrix *w, const int32_t *rows, size_t count, size_t begin, size_t end,
                  uint8_t *packed) {
  const tk_matrix kept = {packed, count, w->columns, w->layout};
  const size_t together = tk_describe(w->layout).rows;
  // As in tk_pack: the end of the matrix is also that of its last tile or panel.
  const size_t last = end == count ? (count + together - 1) / together * together : end;
  for (size_t r = begin; r < last; r++) {
    keep_row(w, r < count ? tk_row(w->layout, w, (size_t)rows[r]) : NULL,
             packed + (tk_row(w->layout, &kept, r) - packed));
  }
}
