// AVX2 norm, rotary embedding, activations, exp, softmax and float16 conversion: float_scalar.c,
// eight lanes at a time.

#if defined(__x86_64__)

#include "float/float_avx2.h"

#pragma clang fp contract(off)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

static float rms_norm(const float *x, const float *weight, size_t n, float eps, float *y) {
  // A square is never -0, so adding the 0 of an absent element changes no lane.
  __m256 low = _mm256_setzero_ps();
  __m256 high = _mm256_setzero_ps();
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const __m256 a = _mm256_loadu_ps(x + i);
    const __m256 b = _mm256_loadu_ps(x + i + 8);
    low = _mm256_fmadd_ps(a, a, low);
    high = _mm256_fmadd_ps(b, b, high);
  }
  if (i < n) {
    const __m256 a = tk_load8(x + i, n - i);
    low = _mm256_fmadd_ps(a, a, low);
  }
  if (i + 8 < n) {
    const __m256 b = tk_load8(x + i + 8, n - i - 8);
    high = _mm256_fmadd_ps(b, b, high);
  }
  const float inverse = tk_inverse_rms(tk_lane_sum16(low, high), n, eps);
  const __m256 r = _mm256_set1_ps(inverse);
  for (i = 0; i < n; i += 8) {
    const __m256 scaled = _mm256_mul_ps(tk_load8(x + i, n - i), r);
    tk_store8(y + i, n - i, _mm256_mul_ps(scaled, tk_load8(weight + i, n - i)));
  }
  return inverse;
}

static void rope(float *x, const float *cos, const float *sin, size_t heads, size_t head_dim) {
  const size_t half = head_dim / 2;
  for (size_t h = 0; h < heads; h++) {
    float *first = x + h * head_dim;
    float *second = first + half;
    for (size_t i = 0; i < half; i += 8) {
      const size_t count = half - i;
      const __m256 a = tk_load8(first + i, count);
      const __m256 b = tk_load8(second + i, count);
      const __m256 c = tk_load8(cos + i, count);
      const __m256 s = tk_load8(sin + i, count);
      tk_store8(first + i, count, _mm256_fmsub_ps(a, c, _mm256_mul_ps(b, s)));
      tk_store8(second + i, count, _mm256_fmadd_ps(b, c, _mm256_mul_ps(a, s)));
    }
  }
}

static void add(const float *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i += 8) {
    tk_store8(y + i, n - i, _mm256_add_ps(tk_load8(x + i, n - i), tk_load8(y + i, n - i)));
  }
}

static void relu2_mul(const float *gate, const float *up, size_t n, float *out) {
  for (size_t i = 0; i < n; i += 8) {
    // This operand order gives back the second where either is NaN.
    const __m256 g = _mm256_max_ps(_mm256_setzero_ps(), tk_load8(gate + i, n - i));
    const __m256 u = tk_load8(up + i, n - i);
    tk_store8(out + i, n - i, _mm256_mul_ps(_mm256_mul_ps(g, g), u));
  }
}

/// tk_exp_one in eight lanes.
static inline __m256 exp8(__m256 x) {
  const __m256 round = _mm256_set1_ps(tk_exp_round);
  const __m256 t = _mm256_fmadd_ps(x, _mm256_set1_ps(tk_exp_log2_e), round);
  const __m256 n = _mm256_sub_ps(t, round);
  __m256 r = _mm256_fmadd_ps(n, _mm256_set1_ps(-tk_exp_ln2_high), x);
  r = _mm256_fmadd_ps(n, _mm256_set1_ps(-tk_exp_ln2_low), r);
  __m256 p = _mm256_set1_ps(tk_exp_polynomial[0]);
  for (int i = 1; i < 6; i++) {
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(tk_exp_polynomial[i]));
  }
  p = _mm256_add_ps(_mm256_fmadd_ps(p, _mm256_mul_ps(r, r), r), _mm256_set1_ps(1.0f));
  const __m256i bias = _mm256_set1_epi32(127);
  const __m256i exponent =
      _mm256_sub_epi32(_mm256_castps_si256(t), _mm256_set1_epi32(TK_EXP_ROUND_BITS));
  const __m256i half = _mm256_srai_epi32(exponent, 1);
  const __m256i rest = _mm256_sub_epi32(exponent, half);
  p = _mm256_mul_ps(p, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23)));
  p = _mm256_mul_ps(p, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23)));
  const __m256 above = _mm256_cmp_ps(x, _mm256_set1_ps(tk_exp_upper), _CMP_GT_OQ);
  const __m256 below = _mm256_cmp_ps(x, _mm256_set1_ps(tk_exp_lower), _CMP_LT_OQ);
  return _mm256_andnot_ps(below, _mm256_blendv_ps(p, _mm256_set1_ps(INFINITY), above));
}

static void silu_mul(const float *gate, const float *up, size_t n, float *out) {
  const __m256 one = _mm256_set1_ps(1.0f);
  for (size_t i = 0; i < n; i += 8) {
    const __m256 g = tk_load8(gate + i, n - i);
    const __m256 e = exp8(_mm256_xor_ps(g, _mm256_set1_ps(-0.0f)));
    const __m256 silu = _mm256_div_ps(g, _mm256_add_ps(one, e));
    tk_store8(out + i, n - i, _mm256_mul_ps(silu, tk_load8(up + i, n - i)));
  }
}

static void gelu_mul(const float *gate, const float *up, size_t n, float *out) {
  const __m256 one = _mm256_set1_ps(1.0f);
  const __m256 linear = _mm256_set1_ps(tk_gelu_linear);
  const __m256 cubic = _mm256_set1_ps(tk_gelu_cubic);
  for (size_t i = 0; i < n; i += 8) {
    const __m256 g = tk_load8(gate + i, n - i);
    const __m256 z = _mm256_mul_ps(g, _mm256_fmadd_ps(_mm256_mul_ps(g, g), cubic, linear));
    const __m256 gelu = _mm256_div_ps(g, _mm256_add_ps(one, exp8(z)));
    tk_store8(out + i, n - i, _mm256_mul_ps(gelu, tk_load8(up + i, n - i)));
  }
}

static void exp_all(const float *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i += 8) {
    tk_store8(y + i, n - i, exp8(tk_load8(x + i, n - i)));
  }
}

/// The largest of n > 0 floats; exact in any order.
static inline float maximum(const float *x, size_t n) {
  __m256 m = _mm256_set1_ps(x[0]);
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    m = _mm256_max_ps(m, _mm256_loadu_ps(x + i));
  }
  if (i < n) {
    const __m256 present = _mm256_castsi256_ps(tk_first_lanes(n - i));
    m = _mm256_max_ps(m, _mm256_blendv_ps(m, tk_load8(x + i, n - i), present));
  }
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(m), _mm256_extractf128_ps(m, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

/// x = exp(x - m) for the first `count` of eight elements; 0 in the other lanes of the result.
static inline __m256 shifted_exp8(float *x, size_t count, __m256 m) {
  const __m256 e = exp8(_mm256_sub_ps(tk_load8(x, count), m));
  tk_store8(x, count, e);
  return _mm256_and_ps(e, _mm256_castsi256_ps(tk_first_lanes(count)));
}

static float exponentials(float *x, size_t n) {
  if (n == 0) {
    return 1.0f;
  }
  const __m256 m = _mm256_set1_ps(maximum(x, n));
  __m256 low = _mm256_setzero_ps();
  __m256 high = _mm256_setzero_ps();
  size_t i = 0;
  for (; i + 16 <= n; i += 16) { // without masks
    low = _mm256_add_ps(low, shifted_exp8(x + i, 8, m));
    high = _mm256_add_ps(high, shifted_exp8(x + i + 8, 8, m));
  }
  if (i < n) {
    low = _mm256_add_ps(low, shifted_exp8(x + i, n - i, m));
    if (i + 8 < n) {
      high = _mm256_add_ps(high, shifted_exp8(x + i + 8, n - i - 8, m));
    }
  }
  return tk_lane_sum16(low, high);
}

static void softmax(float *x, size_t n) {
  const __m256 sum = _mm256_set1_ps(exponentials(x, n));
  for (size_t i = 0; i < n; i += 8) {
    tk_store8(x + i, n - i, _mm256_div_ps(tk_load8(x + i, n - i), sum));
  }
}

static void f32_to_f16(const float *x, size_t n, uint16_t *y) {
  for (size_t i = 0; i < n; i += 8) {
    const __m128i half = _mm256_cvtps_ph(tk_load8(x + i, n - i), _MM_FROUND_TO_NEAREST_INT);
    if (n - i >= 8) {
      _mm_storeu_si128((__m128i *)(y + i), half);
    } else {
      memcpy(y + i, &half, (n - i) * sizeof *y);
    }
  }
}

static void f16_to_f32(const uint16_t *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i += 8) {
    __m128i half = _mm_setzero_si128();
    if (n - i >= 8) {
      half = _mm_loadu_si128((const __m128i *)(x + i));
    } else {
      memcpy(&half, x + i, (n - i) * sizeof *x);
    }
    tk_store8(y + i, n - i, _mm256_cvtph_ps(half));
  }
}

const tk_float_kernels tk_floats_avx2 = {
    .rms_norm = rms_norm,
    .rope = rope,
    .add = add,
    .relu2_mul = relu2_mul,
    .silu_mul = silu_mul,
    .gelu_mul = gelu_mul,
    .exp = exp_all,
    .softmax = softmax,
    .exponentials = exponentials,
    .f32_to_f16 = f32_to_f16,
    .f16_to_f32 = f16_to_f32,
};

#pragma clang attribute pop

#endif
