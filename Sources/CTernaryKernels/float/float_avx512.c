// AVX-512 norm, rotary embedding, activations, exp, softmax and float16 conversion: float_scalar.c,
// sixteen lanes at a time.

#if defined(__x86_64__)

#include "float/float_avx512.h"

#pragma clang fp contract(off)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,"           \
                                                   "avx2,fma,f16c"))),                             \
                             apply_to = function)

static float rms_norm(const float *x, const float *weight, size_t n, float eps, float *y) {
  __m512 lanes = _mm512_setzero_ps();
  for (size_t i = 0; i < n; i += 16) {
    // A square is never -0, so adding the 0 of an absent element changes no lane.
    const __m512 a = tk_load16(x + i, n - i);
    lanes = _mm512_fmadd_ps(a, a, lanes);
  }
  const float inverse = tk_inverse_rms(tk_lane_sum512(lanes), n, eps);
  const __m512 r = _mm512_set1_ps(inverse);
  for (size_t i = 0; i < n; i += 16) {
    const __m512 scaled = _mm512_mul_ps(tk_load16(x + i, n - i), r);
    tk_store16(y + i, n - i, _mm512_mul_ps(scaled, tk_load16(weight + i, n - i)));
  }
  return inverse;
}

static void rope(float *x, const float *cos, const float *sin, size_t heads, size_t head_dim) {
  const size_t half = head_dim / 2;
  for (size_t h = 0; h < heads; h++) {
    float *first = x + h * head_dim;
    float *second = first + half;
    for (size_t i = 0; i < half; i += 16) {
      const size_t count = half - i;
      const __m512 a = tk_load16(first + i, count);
      const __m512 b = tk_load16(second + i, count);
      const __m512 c = tk_load16(cos + i, count);
      const __m512 s = tk_load16(sin + i, count);
      tk_store16(first + i, count, _mm512_fmsub_ps(a, c, _mm512_mul_ps(b, s)));
      tk_store16(second + i, count, _mm512_fmadd_ps(b, c, _mm512_mul_ps(a, s)));
    }
  }
}

static void add(const float *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i += 16) {
    tk_store16(y + i, n - i, _mm512_add_ps(tk_load16(x + i, n - i), tk_load16(y + i, n - i)));
  }
}

static void relu2_mul(const float *gate, const float *up, size_t n, float *out) {
  for (size_t i = 0; i < n; i += 16) {
    // This operand order gives back the second where either is NaN.
    const __m512 g = _mm512_max_ps(_mm512_setzero_ps(), tk_load16(gate + i, n - i));
    const __m512 u = tk_load16(up + i, n - i);
    tk_store16(out + i, n - i, _mm512_mul_ps(_mm512_mul_ps(g, g), u));
  }
}

/// tk_exp_one in 16 lanes. vscalefps multiplies by 2^n with one rounding, as the two halves of
/// tk_exp_one do: the first of its products is exact.
static inline __m512 exp16(__m512 x) {
  const __m512 round = _mm512_set1_ps(tk_exp_round);
  const __m512 n = _mm512_sub_ps(_mm512_fmadd_ps(x, _mm512_set1_ps(tk_exp_log2_e), round), round);
  __m512 r = _mm512_fmadd_ps(n, _mm512_set1_ps(-tk_exp_ln2_high), x);
  r = _mm512_fmadd_ps(n, _mm512_set1_ps(-tk_exp_ln2_low), r);
  __m512 p = _mm512_set1_ps(tk_exp_polynomial[0]);
  for (int i = 1; i < 6; i++) {
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(tk_exp_polynomial[i]));
  }
  p = _mm512_add_ps(_mm512_fmadd_ps(p, _mm512_mul_ps(r, r), r), _mm512_set1_ps(1.0f));
  p = _mm512_scalef_ps(p, n);
  const __mmask16 above = _mm512_cmp_ps_mask(x, _mm512_set1_ps(tk_exp_upper), _CMP_GT_OQ);
  const __mmask16 below = _mm512_cmp_ps_mask(x, _mm512_set1_ps(tk_exp_lower), _CMP_LT_OQ);
  p = _mm512_mask_mov_ps(p, above, _mm512_set1_ps(INFINITY));
  return _mm512_mask_mov_ps(p, below, _mm512_setzero_ps());
}

static void silu_mul(const float *gate, const float *up, size_t n, float *out) {
  const __m512 one = _mm512_set1_ps(1.0f);
  for (size_t i = 0; i < n; i += 16) {
    const __m512 g = tk_load16(gate + i, n - i);
    const __m512 e = exp16(_mm512_xor_ps(g, _mm512_set1_ps(-0.0f)));
    const __m512 silu = _mm512_div_ps(g, _mm512_add_ps(one, e));
    tk_store16(out + i, n - i, _mm512_mul_ps(silu, tk_load16(up + i, n - i)));
  }
}

static void gelu_mul(const float *gate, const float *up, size_t n, float *out) {
  const __m512 one = _mm512_set1_ps(1.0f);
  const __m512 linear = _mm512_set1_ps(tk_gelu_linear);
  const __m512 cubic = _mm512_set1_ps(tk_gelu_cubic);
  for (size_t i = 0; i < n; i += 16) {
    const __m512 g = tk_load16(gate + i, n - i);
    const __m512 z = _mm512_mul_ps(g, _mm512_fmadd_ps(_mm512_mul_ps(g, g), cubic, linear));
    const __m512 gelu = _mm512_div_ps(g, _mm512_add_ps(one, exp16(z)));
    tk_store16(out + i, n - i, _mm512_mul_ps(gelu, tk_load16(up + i, n - i)));
  }
}

static void exp_all(const float *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i += 16) {
    tk_store16(y + i, n - i, exp16(tk_load16(x + i, n - i)));
  }
}

/// The largest of n > 0 floats; exact in any order.
static inline float maximum(const float *x, size_t n) {
  __m512 m = _mm512_set1_ps(x[0]);
  for (size_t i = 0; i < n; i += 16) {
    m = _mm512_mask_max_ps(m, tk_first16(n - i), m, tk_load16(x + i, n - i));
  }
  const __m256 a = _mm256_max_ps(_mm512_castps512_ps256(m), _mm512_extractf32x8_ps(m, 1));
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

static float exponentials(float *x, size_t n) {
  if (n == 0) {
    return 1.0f;
  }
  const __m512 m = _mm512_set1_ps(maximum(x, n));
  __m512 lanes = _mm512_setzero_ps();
  for (size_t i = 0; i < n; i += 16) {
    const __m512 e = exp16(_mm512_sub_ps(tk_load16(x + i, n - i), m));
    tk_store16(x + i, n - i, e);
    lanes = _mm512_mask_add_ps(lanes, tk_first16(n - i), lanes, e);
  }
  return tk_lane_sum512(lanes);
}

static void softmax(float *x, size_t n) {
  const __m512 sum = _mm512_set1_ps(exponentials(x, n));
  for (size_t i = 0; i < n; i += 16) {
    tk_store16(x + i, n - i, _mm512_div_ps(tk_load16(x + i, n - i), sum));
  }
}

static void f32_to_f16(const float *x, size_t n, uint16_t *y) {
  for (size_t i = 0; i < n; i += 16) {
    const __m256i half = _mm512_cvtps_ph(tk_load16(x + i, n - i), _MM_FROUND_TO_NEAREST_INT);
    _mm256_mask_storeu_epi16(y + i, tk_first16(n - i), half);
  }
}

static void f16_to_f32(const uint16_t *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i += 16) {
    const __m256i half = _mm256_maskz_loadu_epi16(tk_first16(n - i), x + i);
    tk_store16(y + i, n - i, _mm512_cvtph_ps(half));
  }
}

const tk_float_kernels tk_floats_avx512 = {
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
