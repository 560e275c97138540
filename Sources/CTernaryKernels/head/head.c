// The two-stage LM head without its scans: how wrong a score can be, and which rows are left.
// Portable; nothing here runs longer than a small part of a scan.
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
// Q8_0 and Q4_0. Stored weights are exactly d * code: 11 and 8 significant bits. The score is the
// same chain over the B <= columns / 32 * 9 / 8 terms of the state, and the integer sum of a term
// is a float as it is, so that each is rounded at most B + 2 times. The magnitudes of the first
// terms add up to at most n (X + d'), those of the second to n (d' + d), where d' <= X / 40 is what
// the first leave: together to less than 2 n (X + d), so that (2') holds with 2 (B + 3) in the
// place of B + 3.
//
// Underflow inside these chains is multiplied by t: by at most 2^-149 * 2^31 * t for a block. But
// X is above 126 t, and n is at least 2^-24 where a sum is not 0, so that it is far below the 2^-20
// by which n [...] is made larger.
//
// If k rows have y >= L because their lower bounds are, a row whose upper bound is below L has a
// smaller logit than each of those, so it is not among the k largest, however ties are broken.

#include "head/head.h"

#pragma clang fp contract(off)

tk_head_margin tk_head_strict_margin(tk_head_type type, const tk_head_input *input,
                                     size_t columns) {
  const double u = 0x1p-24;
  const double larger = 1.0 + 0x1p-20;
  const double x = input->norm;
  const double d = input->residual;
  const double m = (double)(columns / TK_FLOAT_LANES + 4) * u;
  const double g = m / (1.0 - m);
  if (type != TK_HEAD_INT8) {
    const size_t terms = type == TK_HEAD_Q6_K
                             ? columns / TK_HEAD_Q6_K_COLUMNS + 3
                             : 2 * (tk_head_q_0_terms(columns / TK_HEAD_BLOCK) + 3);
    const double roundings = (double)terms * u;
    const double b = roundings / (1.0 - roundings);
    const double norm = d + g * x + (b + 2.0 * u) * (x + d);
    return (tk_head_margin){0.0f, tk_head_round_up(norm * larger), 0x1p-110f};
  }
  return (tk_head_margin){tk_head_round_up((x + d) * (1.0 + 5.0 * u) * larger),
                          tk_head_round_up((d + g * x + 5.0 * u * (x + d)) * larger), 0x1p-110f};
}

tk_head_margin tk_head_likely_margin(const tk_head_input *input, size_t columns, float spread,
                                     float deviations) {
  // A sum of independent errors, of weights and of activations, has the root of the sum of their
  // squares; adding the two deviations is a little more than that.
  const double each = deviations;
  return (tk_head_margin){tk_head_round_up(each * spread),
                          tk_head_round_up(each * input->residual / sqrt((double)columns)),
                          0x1p-110f};
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
