// Private to the kernels that add four columns in one dot product: groups of columns, in fours
// ("quads").

#ifndef TK_SPARSE_QUADS_H
#define TK_SPARSE_QUADS_H

#include "sparse/sparse.h"

#include <string.h>

/// Columns that are computed together, and as many others to prefetch.
typedef struct tk_column_quads {
  size_t count; ///< Quads.
  const uint8_t *column[TK_COLUMN_GROUP], *ahead[TK_COLUMN_GROUP];
  int8_t values[TK_COLUMN_GROUP]; ///< Activations.
} tk_column_quads;

/// The columns from place `first` of a list of `count` on.
static inline tk_column_quads tk_fill_quads(const tk_strands *w, const int8_t *q,
                                            const int32_t *list, size_t first, size_t count) {
  size_t bytes = tk_strand_bytes(w);
  size_t size = count - first < TK_COLUMN_GROUP ? count - first : TK_COLUMN_GROUP;
  tk_column_quads g;
  g.count = (size + 3) / 4;
  for (size_t i = 0; i < 4 * g.count; i++) {
    // A quad is filled up with the last column, times 0.
    size_t column = tk_strand_at(list, i < size ? first + i : first + size - 1);
    size_t ahead = first + i + TK_COLUMN_GROUP;
    g.column[i] = w->data + column * bytes;
    g.ahead[i] = w->data + tk_strand_at(list, ahead < count ? ahead : count - 1) * bytes;
    g.values[i] = i < size ? q[column] : 0;
  }
  return g;
}

/// The activations of one quad, a byte each.
static inline int32_t tk_quad_values(const tk_column_quads *g, size_t quad) {
  int32_t four;
  memcpy(&four, g->values + 4 * quad, sizeof four);
  return four;
}

#endif
