// The hidden state of the two-stage LM head, rounded to what the scans multiply with (head.h), and
// how far it is from that. Portable; takes no longer than a small part of a scan.

#include "head/head.h"

#pragma clang fp contract(off)

/// The smallest magnitude of a state's largest element that is still divided by.
static const float smallest_state = 1e-30f;

/// The same of what a block of it is a multiple of.
static const float smallest_step = 1e-36f;

/// The largest magnitude of a state in int8.
#define STATE_LIMIT 127.0f
/// The largest multiple of its scale that a state rounded for Q6_K holds.
#define LARGEST_Q6_K (STATE_LIMIT * TK_HEAD_Q6_K_MULTIPLIER)

size_t tk_head_input_size(size_t columns) {
  // INT8: int16. INT4: int8, and an int32 for each 32. Q6_K: int8, two int16 for each 16 and a
  // float for each 256. Q8_0 and Q4_0: 64 bytes, and 44 for a term, of which each 8 blocks of 32
  // can have 9.
  return 64 + tk_head_blocks(columns) * TK_HEAD_BLOCK * 2;
}

/// x * inverse rounded half to even, within the limit.
static inline int32_t round_value(float x, float inverse, float limit) {
  float v = rintf(x * inverse);
  v = v < limit ? v : limit;
  v = v > -limit ? v : -limit;
  return (int32_t)v;
}

static void round_int4(const float *x, size_t columns, float inverse, int8_t *q) {
  const size_t blocks = tk_head_blocks(columns);
  int32_t *sums = (int32_t *)(void *)(q + blocks * TK_HEAD_BLOCK);
  for (size_t b = 0; b < blocks; b++) {
    sums[b] = 0;
    for (size_t c = b * TK_HEAD_BLOCK; c < (b + 1) * TK_HEAD_BLOCK; c++) {
      q[c] = c < columns ? (int8_t)round_value(x[c], inverse, STATE_LIMIT) : 0;
      sums[b] += 8 * q[c];
    }
  }
}

/// Rounds the groups of one block to int8 times a multiplier times `step`, of which the largest
/// element is at most 127 * 16.
static void round_block(const float *x, float step, int8_t *q, int16_t *multipliers,
                        int16_t *offsets) {
  for (size_t g = 0; g < TK_HEAD_Q6_K_GROUPS; g++) {
    const size_t begin = g * TK_HEAD_Q6_K_GROUP;
    const float largest = tk_head_largest(x + begin, TK_HEAD_Q6_K_GROUP);
    float multiplier = ceilf(largest / (step * STATE_LIMIT));
    multiplier = multiplier > 1.0f ? multiplier : 1.0f;
    multiplier = multiplier < TK_HEAD_Q6_K_MULTIPLIER ? multiplier : TK_HEAD_Q6_K_MULTIPLIER;
    const float inverse = 1.0f / (step * multiplier);
    int sum = 0;
    for (size_t i = begin; i < begin + TK_HEAD_Q6_K_GROUP; i++) {
      q[i] = (int8_t)round_value(x[i], inverse, STATE_LIMIT);
      sum += q[i];
    }
    multipliers[tk_head_q6_k_place(g)] = (int16_t)multiplier;
    offsets[tk_head_q6_k_place(g)] = (int16_t)(-16 * sum);
  }
}

/// Rounds each block; `scale` is the whole state's.
static void round_q6_k(const float *x, size_t columns, float scale, tk_head_q6_k_state s) {
  for (size_t b = 0; b < columns / TK_HEAD_Q6_K_COLUMNS; b++) {
    const size_t begin = b * TK_HEAD_Q6_K_COLUMNS, group = b * TK_HEAD_Q6_K_GROUPS;
    const float step = tk_head_largest(x + begin, TK_HEAD_Q6_K_COLUMNS) / LARGEST_Q6_K;
    s.scales[b] = step / scale;
    if (step > smallest_step) {
      round_block(x + begin, step, s.q + begin, s.multipliers + group, s.offsets + group);
    } else { // zeros, or next to nothing
      memset(s.q + begin, 0, TK_HEAD_Q6_K_COLUMNS);
      memset(s.multipliers + group, 0, TK_HEAD_Q6_K_GROUPS * sizeof *s.multipliers);
      memset(s.offsets + group, 0, TK_HEAD_Q6_K_GROUPS * sizeof *s.offsets);
    }
  }
}

/// Adds a term for 32 columns; `scale` is the whole state's. A code is `excess` too large as a byte
/// without a sign.
static void add_term(const float *x, size_t block, float scale, int32_t excess,
                     tk_head_q_0_state *s) {
  const size_t t = s->count++;
  const float step = tk_head_largest(x, TK_HEAD_BLOCK) / STATE_LIMIT;
  // Zeros, or next to nothing, are rounded to zeros.
  const float inverse = step > smallest_step ? 1.0f / step : 0.0f;
  int32_t sum = 0;
  for (size_t i = 0; i < TK_HEAD_BLOCK; i++) {
    s->q[t * TK_HEAD_BLOCK + i] = (int8_t)round_value(x[i], inverse, STATE_LIMIT);
    sum += s->q[t * TK_HEAD_BLOCK + i];
  }
  s->offsets[t] = -excess * sum;
  s->scales[t] = step / scale;
  s->blocks[t] = (uint32_t)block;
}

/// What the last term leaves of x.
static void subtract_term(const float *x, float scale, const tk_head_q_0_state *s, float *rest) {
  const size_t t = s->count - 1;
  for (size_t i = 0; i < TK_HEAD_BLOCK; i++) {
    const double value = s->q[t * TK_HEAD_BLOCK + i] * (double)s->scales[t] * (double)scale;
    rest[i] = (float)((double)x[i] - value);
  }
}

/// The square of the largest element from which on a block has a second term: four times the
/// average of blocks that have one, where the largest blocks are left out as long as they may have
/// two. An ordinary state has none.
static double second_term_from(const float *x, size_t columns, double scale) {
  const size_t blocks = columns / TK_HEAD_BLOCK;
  double from = INFINITY;
  for (size_t seconds = 0; seconds < tk_head_q_0_terms(blocks) - blocks; seconds++) {
    double sum = 0.0;
    double largest = 0.0; // of those that have one term
    size_t count = 0;
    for (size_t b = 0; b < blocks; b++) {
      const double a = (double)tk_head_largest(x + b * TK_HEAD_BLOCK, TK_HEAD_BLOCK) / scale;
      if (a * a < from) {
        sum += a * a;
        largest = a * a > largest ? a * a : largest;
        count++;
      }
    }
    if (count == 0 || largest <= 4.0 * sum / (double)count) {
      break;
    }
    from = largest;
  }
  return from;
}

static void round_q_0(const float *x, size_t columns, float scale, int32_t excess, void *q) {
  const double from = second_term_from(x, columns, (double)scale);
  const size_t blocks = columns / TK_HEAD_BLOCK;
  tk_head_q_0_state s = tk_head_q_0_state_at(q, columns);
  s.count = 0;
  for (size_t b = 0; b < blocks; b++) {
    const float *part = x + b * TK_HEAD_BLOCK;
    const double a = (double)tk_head_largest(part, TK_HEAD_BLOCK) / (double)scale;
    add_term(part, b, scale, excess, &s);
    // Blocks that are equally large can be more than there is memory for.
    if (a * a >= from && s.count + (blocks - 1 - b) < tk_head_q_0_terms(blocks)) {
      float rest[TK_HEAD_BLOCK];
      subtract_term(part, scale, &s, rest);
      add_term(rest, b, scale, excess, &s);
    }
  }
  const uint32_t count = (uint32_t)s.count;
  memcpy(q, &count, sizeof count);
}

/// The square of what a state is from its terms.
static double residual_q_0(const float *x, float scale, const tk_head_q_0_state *s) {
  double residual = 0.0;
  for (size_t t = 0; t < s->count;) {
    const uint32_t block = s->blocks[t];
    double value[TK_HEAD_BLOCK] = {0};
    for (; t < s->count && s->blocks[t] == block; t++) {
      for (size_t i = 0; i < TK_HEAD_BLOCK; i++) {
        value[i] += s->q[t * TK_HEAD_BLOCK + i] * (double)s->scales[t];
      }
    }
    for (size_t i = 0; i < TK_HEAD_BLOCK; i++) {
      const double d = (double)x[block * TK_HEAD_BLOCK + i] - (double)scale * value[i];
      residual += d * d;
    }
  }
  return residual;
}

/// What x[i] is rounded to, without the state's scale, where that is one term; exact.
static inline double rounded_value(tk_head_type type, const void *q, size_t columns, size_t i) {
  switch (type) {
  case TK_HEAD_INT8:
    return ((const int16_t *)q)[i];
  case TK_HEAD_INT4:
    return ((const int8_t *)q)[i];
  case TK_HEAD_Q6_K: {
    const tk_head_q6_k_state s = tk_head_q6_k_state_at((void *)(uintptr_t)q, columns);
    const size_t b = i / TK_HEAD_Q6_K_COLUMNS;
    const size_t g = i % TK_HEAD_Q6_K_COLUMNS / TK_HEAD_Q6_K_GROUP;
    const double multiplier = s.multipliers[b * TK_HEAD_Q6_K_GROUPS + tk_head_q6_k_place(g)];
    return s.q[i] * multiplier * (double)s.scales[b];
  }
  case TK_HEAD_Q8_0:
  case TK_HEAD_Q4_0:
    break; // see residual_q_0
  }
  __builtin_trap();
}

/// The square of what a rounded state is from x.
static double residual_of(tk_head_type type, const float *x, size_t columns, float scale, void *q) {
  if (type == TK_HEAD_Q8_0 || type == TK_HEAD_Q4_0) {
    const tk_head_q_0_state s = tk_head_q_0_state_at(q, columns);
    return residual_q_0(x, scale, &s);
  }
  double residual = 0.0;
  for (size_t i = 0; i < columns; i++) {
    const double d = (double)x[i] - (double)scale * rounded_value(type, q, columns, i);
    residual += d * d;
  }
  return residual;
}

/// The largest multiple of its scale that a rounded state holds.
static float state_limit(tk_head_type type, size_t columns) {
  switch (type) {
  case TK_HEAD_INT8:
    return (float)tk_head_limit(columns);
  case TK_HEAD_INT4:
  case TK_HEAD_Q8_0:
  case TK_HEAD_Q4_0:
    return STATE_LIMIT;
  case TK_HEAD_Q6_K:
    return LARGEST_Q6_K;
  }
  __builtin_trap(); // there is no such type
}

static void round_int8(const float *x, size_t columns, float inverse, float limit, int16_t *q) {
  for (size_t i = 0; i < tk_head_blocks(columns) * TK_HEAD_BLOCK; i++) {
    q[i] = i < columns ? (int16_t)round_value(x[i], inverse, limit) : 0;
  }
}

tk_head_input tk_head_round(tk_head_type type, const float *x, size_t columns, void *q) {
  const float limit = state_limit(type, columns);
  const float largest = tk_head_largest(x, columns);
  if (!(largest >= smallest_state && largest < INFINITY)) {
    return (tk_head_input){0};
  }
  const float scale = largest / limit;
  const float inverse = limit / largest;
  if (!(inverse < INFINITY)) {
    return (tk_head_input){0};
  }
  switch (type) {
  case TK_HEAD_INT8:
    round_int8(x, columns, inverse, limit, q);
    break;
  case TK_HEAD_INT4:
    round_int4(x, columns, inverse, q);
    break;
  case TK_HEAD_Q6_K:
    round_q6_k(x, columns, scale, tk_head_q6_k_state_at(q, columns));
    break;
  case TK_HEAD_Q8_0:
    round_q_0(x, columns, scale, 128, q);
    break;
  case TK_HEAD_Q4_0:
    round_q_0(x, columns, scale, 8, q);
    break;
  }
  double norm = 0.0;
  for (size_t i = 0; i < columns; i++) {
    norm += (double)x[i] * (double)x[i];
  }
  const double residual = residual_of(type, x, columns, scale, q);
  return (tk_head_input){scale, tk_head_round_up(sqrt(norm) * (1.0 + 0x1p-28)),
                         tk_head_round_up(sqrt(residual) * (1.0 + 0x1p-28))};
}
