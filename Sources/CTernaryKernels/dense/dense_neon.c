// NEON dense GEMV: four rows at a time share the loads of x and give sixteen chains of fma, which
// hides its latency; each row has its own 16 lanes, in the order of dense_scalar.c.

#if defined(__aarch64__)

#include "dense/dense.h"
#include "float/float_neon.h"

#pragma clang fp contract(off)

enum { ROWS = 4 };

static inline float read_half(const uint8_t *p) {
  uint16_t half;
  memcpy(&half, p, sizeof half);
  return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(half))), 0);
}

/// 16 int8 codes times a scale: one rounding, or none where the product is exact.
static inline void scaled16(int8x16_t codes, float scale, float32x4_t w[4]) {
  const int16x8_t low = vmovl_s8(vget_low_s8(codes));
  const int16x8_t high = vmovl_s8(vget_high_s8(codes));
  w[0] = vmulq_n_f32(vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))), scale);
  w[1] = vmulq_n_f32(vcvtq_f32_s32(vmovl_s16(vget_high_s16(low))), scale);
  w[2] = vmulq_n_f32(vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))), scale);
  w[3] = vmulq_n_f32(vcvtq_f32_s32(vmovl_s16(vget_high_s16(high))), scale);
}

static inline int8x16_t codes_q4_0(const uint8_t *block, size_t c) {
  const uint8x16_t bytes = vld1q_u8(block + 2);
  const uint8x16_t codes = c % 32 == 0 ? vandq_u8(bytes, vdupq_n_u8(15)) : vshrq_n_u8(bytes, 4);
  return vsubq_s8(vreinterpretq_s8_u8(codes), vdupq_n_s8(8));
}

/// 16 weights of a row from column c on, decoded as tk_decode does; `type` is a constant where this
/// is inlined.
static inline __attribute__((always_inline)) void decode16(tk_type type, const uint8_t *row,
                                                           size_t c, float32x4_t w[4]) {
  if (type == TK_Q8_0) {
    const uint8_t *block = row + c / 32 * 34;
    scaled16(vreinterpretq_s8_u8(vld1q_u8(block + 2 + c % 32)), read_half(block), w);
  } else if (type == TK_Q4_0) {
    const uint8_t *block = row + c / 32 * 18;
    scaled16(codes_q4_0(block, c), read_half(block), w);
  } else if (type == TK_Q6_K) {
    const uint8_t *block = row + c / 256 * 210;
    const float scale = read_half(block + 208) * (float)(int8_t)block[192 + c % 256 / 16];
    scaled16(tk_codes_q6_k(block, c % 256), scale, w);
  } else {
    for (size_t v = 0; v < 4; v++) {
      if (type == TK_F32) {
        w[v] = vreinterpretq_f32_u8(vld1q_u8(row + 4 * (c + 4 * v)));
      } else {
        const uint16x4_t bits = vreinterpret_u16_u8(vld1_u8(row + 2 * (c + 4 * v)));
        w[v] = type == TK_F16 ? vcvt_f32_f16(vreinterpret_f16_u16(bits))
                              : vreinterpretq_f32_u32(vshll_n_u16(bits, 16));
      }
    }
  }
}

static inline __attribute__((always_inline)) float32x4_t dot4(tk_type type,
                                                              const uint8_t *const rows[ROWS],
                                                              size_t columns, const float *x) {
  float32x4_t lanes[ROWS][4];
  for (int r = 0; r < ROWS; r++) {
    for (int v = 0; v < 4; v++) {
      lanes[r][v] = vdupq_n_f32(0);
    }
  }
  const size_t bytes = tk_type_block_bytes(type), block = tk_type_block_size(type);
  for (size_t c = 0; c < columns; c += 16) {
    if (block > 1) {
      tk_prefetch_rows(rows, ROWS, c * bytes / block, 16 * bytes / block);
    }
    for (int r = 0; r < ROWS; r++) {
      float32x4_t w[4];
      decode16(type, rows[r], c, w);
      for (size_t v = 0; v < 4; v++) {
        lanes[r][v] = vfmaq_f32(lanes[r][v], w[v], vld1q_f32(x + c + 4 * v));
      }
    }
  }
  return tk_lane_sums4(lanes);
}

static inline __attribute__((always_inline)) void gemv(tk_type type, const uint8_t *data,
                                                       size_t columns, const float *x,
                                                       size_t row_begin, size_t row_end, float *y) {
  const size_t bytes = columns / tk_type_block_size(type) * tk_type_block_bytes(type);
  for (size_t first = row_begin; first < row_end; first += ROWS) {
    // Rows past the last repeat it.
    const uint8_t *rows[ROWS];
    for (size_t r = 0; r < ROWS; r++) {
      rows[r] = data + (first + r < row_end ? first + r : row_end - 1) * bytes;
    }
    const float32x4_t sums = dot4(type, rows, columns, x);
    tk_store4(y + (first - row_begin), row_end - first, sums);
  }
}

static void dense_gemv(tk_type type, const void *data, size_t columns, const float *x,
                       size_t row_begin, size_t row_end, float *y) {
  switch (type) {
  case TK_F32:
    gemv(TK_F32, data, columns, x, row_begin, row_end, y);
    break;
  case TK_F16:
    gemv(TK_F16, data, columns, x, row_begin, row_end, y);
    break;
  case TK_BF16:
    gemv(TK_BF16, data, columns, x, row_begin, row_end, y);
    break;
  case TK_Q8_0:
    gemv(TK_Q8_0, data, columns, x, row_begin, row_end, y);
    break;
  case TK_Q6_K:
    gemv(TK_Q6_K, data, columns, x, row_begin, row_end, y);
    break;
  case TK_Q4_0:
    gemv(TK_Q4_0, data, columns, x, row_begin, row_end, y);
    break;
  case TK_Q4_1:
  case TK_Q5_0:
  case TK_Q5_1:
  case TK_Q4_K:
  case TK_Q5_K:
  case TK_IQ4_NL:
  case TK_TQ1_0:
  case TK_TQ2_0:
  case TK_Q2_0:
  case TK_Q2_0_128:
  case TK_IQ1_BN:
  case TK_IQ2_BN:
  case TK_IQ2_BN_R4:
    tk_dense_scalar.gemv(type, data, columns, x, row_begin, row_end, y);
    break;
  }
}

const tk_dense_kernels tk_dense_neon = {dense_gemv};

#endif
