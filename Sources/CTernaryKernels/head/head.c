// The two-stage LM head without its scans: rounding the hidden state, how wrong a score can be, and
// which rows are left. Portable; nothing here runs longer than a small part of a scan.
//
// The strict margin. For row r let W be the stored weights as floats, y what tk_dense_gemv computes
// for it, T the real number W . x, s q the codes' row, t z the rounded state (z integers), and
//
//   e >= |W - s q|    n >= |W|    X >= |x|    d >= |x - t z|        (Euclidean norms, rounded up)
//
// T - s t (q . z) = (W - s q) . x + s q . (x - t z), so by Cauchy and Schwarz, with |s q| <= n + e:
//
//   |T - s t (q . z)| <= e X + (n + e) d                                                       (1)
//
// q . z is an exact integer below 2^31. The score f is the float product (float)(q . z) * (s * t):
// three roundings of relative error u = 2^-24 of a number that is at most (n + e)(X + d):
//
//   |f - s t (q . z)| <= 4 u (n + e)(X + d)                                                    (2)
//
// tk_dense_gemv adds, in each of 16 lanes, columns / 16 products with one rounding each, and then
// the lanes in 4 more. With m = columns / 16 + 4 roundings on any path (Higham, "Accuracy and
// Stability of Numerical Algorithms", 3.1):
//
//   |y - T| <= g sum |W x| <= g n X,  g = m u / (1 - m u)                                      (3)
//
// Together, with one u (n + e)(X + d) more for the rounding of f - margin and f + margin:
//
//   |y - f| <= e [(X + d)(1 + 5 u)] + n [d + g X + 5 u (X + d)]
//
// The brackets are computed in double, made larger by 2^-20, which also covers the roundings of the
// margin itself, and rounded up. Underflow adds at most 2^-149 for each operation, of which the
// largest factor is |q . z| < 2^31 (when s * t is subnormal) or the number of columns: the constant
// 2^-110 is more than all of it. Overflow: the caller computes all rows where n X is above 1e37.
//
// Q6_K. Stored weights are exactly d * scale * code: 11, 7 and 5 significant bits. So e is 0, and
// with v for the state that the rounded one stands for, t times the scale a of the block times z =
// multiplier times q, (1) is |T - W . v| <= n d. The score is a chain of fma over B = columns / 256
// blocks,
//
//   (float)(sum scale code z) * (d * a)
//
// and then times t: each term is rounded at most B + 3 times, and |W v| adds up to at most
// n (X + d):
//
//   |f - W . v| <= b n (X + d),  b = (B + 3) u / (1 - (B + 3) u)                               (2')
//
//   |y - f| <= n [d + g X + (b + 2 u) (X + d)]
//
// If k rows have y >= L because their lower bounds are, a row whose upper bound is below L has a
// smaller logit than each of those, so it is not among the k largest, however ties are broken.

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

static float round_up(double x) {
  const float f = (float)x;
  return (double)f < x ? nextafterf(f, INFINITY) : f;
}

size_t tk_head_input_size(size_t columns) {
  // INT8: int16. INT4: int8, and an int32 for each 32. Q6_K: int8, two int16 for each 16 and a
  // float for each 256.
  return tk_head_blocks(columns) * TK_HEAD_BLOCK * 2;
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

/// What x[i] is rounded to, without the state's scale; exact.
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
  }
  __builtin_trap(); // there is no such type
}

/// The largest multiple of its scale that a rounded state holds.
static float state_limit(tk_head_type type, size_t columns) {
  switch (type) {
  case TK_HEAD_INT8:
    return (float)tk_head_limit(columns);
  case TK_HEAD_INT4:
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
  }
  double norm = 0.0;
  double residual = 0.0;
  for (size_t i = 0; i < columns; i++) {
    const double d = (double)x[i] - (double)scale * rounded_value(type, q, columns, i);
    norm += (double)x[i] * (double)x[i];
    residual += d * d;
  }
  return (tk_head_input){scale, round_up(sqrt(norm) * (1.0 + 0x1p-28)),
                         round_up(sqrt(residual) * (1.0 + 0x1p-28))};
}

tk_head_margin tk_head_strict_margin(tk_head_type type, const tk_head_input *input,
                                     size_t columns) {
  const double u = 0x1p-24;
  const double larger = 1.0 + 0x1p-20;
  const double x = input->norm;
  const double d = input->residual;
  const double m = (double)(columns / TK_FLOAT_LANES + 4) * u;
  const double g = m / (1.0 - m);
  if (type == TK_HEAD_Q6_K) {
    const double roundings = (double)(columns / TK_HEAD_Q6_K_COLUMNS + 3) * u;
    const double b = roundings / (1.0 - roundings);
    const double norm = d + g * x + (b + 2.0 * u) * (x + d);
    return (tk_head_margin){0.0f, round_up(norm * larger), 0x1p-110f};
  }
  return (tk_head_margin){round_up((x + d) * (1.0 + 5.0 * u) * larger),
                          round_up((d + g * x + 5.0 * u * (x + d)) * larger), 0x1p-110f};
}

tk_head_margin tk_head_likely_margin(const tk_head_input *input, size_t columns, float spread,
                                     float deviations) {
  // A sum of independent errors, of weights and of activations, has the root of the sum of their
  // squares; adding the two deviations is a little more than that.
  const double each = deviations;
  return (tk_head_margin){round_up(each * spread),
                          round_up(each * input->residual / sqrt((double)columns)), 0x1p-110f};
}

static inline float margin_of(const tk_head *h, const tk_head_margin *m, size_t row) {
  const float error = h->errors ? h->errors[row] * m->error : 0.0f;
  return error + h->norms[row] * m->norm + m->constant;
}

/// Puts `value`, which is above the last of `best`, where it belongs.
static void insert(float value, float *best, size_t k) {
  size_t i = k - 1;
  for (; i > 0 && best[i - 1] < value; i--) {
    best[i] = best[i - 1];
  }
  best[i] = value;
}

void tk_head_rank(const tk_head *h, const tk_head_margin *margin, const float *scores,
                  size_t row_begin, size_t row_end, float *best, size_t k) {
  enum { CHUNK = 64 };
  for (size_t r = row_begin; r < row_end; r += CHUNK) {
    const size_t count = row_end - r < CHUNK ? row_end - r : CHUNK;
    float lower[CHUNK];
    for (size_t i = 0; i < count; i++) {
      lower[i] = scores[r - row_begin + i] - margin_of(h, margin, r + i);
    }
    for (size_t i = 0; i < count; i++) {
      if (lower[i] > best[k - 1]) {
        insert(lower[i], best, k);
      }
    }
  }
}

size_t tk_head_candidates(const tk_head *h, const tk_head_margin *margin, float threshold,
                          size_t row_begin, size_t row_end, float *scores, uint32_t *ids) {
  size_t count = 0;
  for (size_t r = row_begin; r < row_end; r++) {
    const float upper = scores[r - row_begin] + margin_of(h, margin, r);
    scores[r - row_begin] = -INFINITY;
    // Not `upper >= threshold`: a row whose bound is not a number stays.
    if (!(upper < threshold)) {
      ids[count++] = (uint32_t)r;
    }
  }
  return count;
}
