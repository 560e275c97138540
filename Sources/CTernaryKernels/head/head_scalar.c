// The scans of the two-stage head in plain C: the specification of the vector files. Integer sums
// are exact; the float steps are those written in CTernaryKernels.h, in that order.

#include "head/head.h"

#pragma clang fp contract(off)

static void scan_int8(const tk_head *h, const void *q, float scale, size_t row_begin,
                      size_t row_end, float *scores) {
  const int16_t *x = q;
  for (size_t row = row_begin; row < row_end; row++) {
    const int8_t *lane = (const int8_t *)tk_head_int8_tile(h, row);
    lane += row % TK_HEAD_INT8_ROWS * TK_HEAD_BLOCK;
    int32_t sum = 0;
    for (size_t b = 0; b < tk_head_blocks(h->columns); b++, lane += TK_HEAD_INT8_BYTES) {
      for (size_t i = 0; i < TK_HEAD_BLOCK; i++) {
        sum += lane[i] * x[b * TK_HEAD_BLOCK + i];
      }
    }
    tk_head_int8_store(h, &sum, scale, row, 1, scores + (row - row_begin));
  }
}

static void scan_int4(const tk_head *h, const void *q, float scale, size_t row_begin,
                      size_t row_end, float *scores) {
  const int8_t *x = q;
  for (size_t row = row_begin; row < row_end; row++) {
    const size_t r = row % TK_HEAD_TILE_ROWS;
    const uint8_t *panel = tk_head_int4_panel(h, row);
    float total = 0.0f;
    for (size_t b = 0; b < tk_head_blocks(h->columns); b++, panel += TK_HEAD_INT4_BYTES) {
      int32_t sum = 0;
      for (size_t i = 0; i < TK_HEAD_BLOCK; i++) {
        const int byte = panel[i / 8 * TK_HEAD_BLOCK + 4 * r + i % 4];
        sum += ((i % 8 < 4 ? byte & 15 : byte >> 4) - 8) * x[b * TK_HEAD_BLOCK + i];
      }
      const float d = tk_head_half(panel + TK_HEAD_INT4_SCALES + 2 * r);
      total = __builtin_fmaf((float)sum, d, total);
    }
    scores[row - row_begin] = total * scale;
  }
}

/// The sum of one block with the state, its offset of 32 taken back.
static int32_t sum_q6_k(const uint8_t *block, const int8_t *q, const int16_t *multipliers) {
  int32_t sum = 0;
  for (size_t c = 0; c < TK_HEAD_Q6_K_COLUMNS; c++) {
    const size_t half = c / 128, quarter = c / 32 % 4, i = c % 32;
    const int low = block[64 * half + 32 * (quarter % 2) + i] >> quarter / 2 * 4 & 15;
    const int high = block[128 + 32 * half + i] >> 2 * quarter & 3;
    const int scale = (int8_t)block[TK_HEAD_Q6_K_SCALES + c / TK_HEAD_Q6_K_GROUP];
    const int multiplier = multipliers[tk_head_q6_k_place(c / TK_HEAD_Q6_K_GROUP)];
    sum += scale * multiplier * ((low | high << 4) - 32) * q[c];
  }
  return sum;
}

static void scan_q6_k(const tk_head *h, const void *q, float scale, size_t row_begin,
                      size_t row_end, float *scores) {
  const tk_head_q6_k_state s = tk_head_q6_k_state_at((void *)(uintptr_t)q, h->columns);
  for (size_t row = row_begin; row < row_end; row++) {
    const uint8_t *block = tk_head_q6_k_row(h, row);
    float total = 0.0f;
    for (size_t b = 0; b < h->columns / TK_HEAD_Q6_K_COLUMNS; b++, block += TK_HEAD_Q6_K_BYTES) {
      const float d = tk_head_half(block + TK_HEAD_Q6_K_D);
      const int32_t sum =
          sum_q6_k(block, s.q + b * TK_HEAD_Q6_K_COLUMNS, s.multipliers + b * TK_HEAD_Q6_K_GROUPS);
      total = __builtin_fmaf((float)sum, d * s.scales[b], total);
    }
    scores[row - row_begin] = total * scale;
  }
}

/// Q8_0 and Q4_0.
static void scan_q_0(const tk_head *h, const void *q, float scale, size_t row_begin, size_t row_end,
                     float *scores) {
  const tk_head_q_0_state s = tk_head_q_0_state_at((void *)(uintptr_t)q, h->columns);
  for (size_t row = row_begin; row < row_end; row++) {
    float total = 0.0f;
    for (size_t t = 0; t < s.count; t++) {
      const uint8_t *block = tk_head_q_0_row(h, row) + s.blocks[t] * tk_head_q_0_bytes(h->type);
      int32_t sum = 0;
      for (size_t i = 0; i < TK_HEAD_BLOCK; i++) {
        sum += tk_head_q_0_code(h->type, block, i) * s.q[t * TK_HEAD_BLOCK + i];
      }
      total = __builtin_fmaf((float)sum, tk_head_half(block) * s.scales[t], total);
    }
    scores[row - row_begin] = total * scale;
  }
}

const tk_head_kernels tk_head_int8_scalar = {scan_int8};
const tk_head_kernels tk_head_int4_scalar = {scan_int4};
const tk_head_kernels tk_head_q6_k_scalar = {scan_q6_k};
const tk_head_kernels tk_head_q8_0_scalar = {scan_q_0};
const tk_head_kernels tk_head_q4_0_scalar = {scan_q_0};
