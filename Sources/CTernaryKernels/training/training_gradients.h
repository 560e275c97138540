// Private: gradients of layers that are no products, and the optimiser; a part of
// training_generic.h. Sums are in the 16-lane order.

static void rms_norm_backward(const float *x, const float *weight, const float *dy, size_t n,
                              float eps, float *dx, float *d_weight) {
  v16 squares = {}, dots = {};
  for (size_t i = 0; i < n; i += LANES) {
    v16 a, w, d;
    load(&a, x + i, n - i);
    load(&w, weight + i, n - i);
    load(&d, dy + i, n - i);
    d *= w;
    fma16(&a, &a, &squares);
    fma16(&a, &d, &dots);
  }
  const float r = 1.0f / __builtin_sqrtf(lane_sum(&squares) / (float)n + eps);
  const float along = lane_sum(&dots) * r * r / (float)n;
  for (size_t i = 0; i < n; i += LANES) {
    v16 a, w, d, gradient, weights;
    load(&a, x + i, n - i);
    load(&w, weight + i, n - i);
    load(&d, dy + i, n - i);
    load(&gradient, dx + i, n - i);
    load(&weights, d_weight + i, n - i);
    weights += d * (a * r);
    gradient += (d * w - a * along) * r;
    store(dx + i, n - i, &gradient);
    store(d_weight + i, n - i, &weights);
  }
}

static void relu2_mul_backward(const float *gate, const float *up, const float *dy, size_t n,
                               float *d_gate, float *d_up) {
  for (size_t i = 0; i < n; i += LANES) {
    v16 g, u, d;
    load(&g, gate + i, n - i);
    load(&u, up + i, n - i);
    load(&d, dy + i, n - i);
    g = (v16)((i16)g & (g > 0.0f));
    const v16 du = d * (g * g);
    const v16 dg = d * u * (g + g);
    store(d_gate + i, n - i, &dg);
    store(d_up + i, n - i, &du);
  }
}

static void softmax_backward(const float *p, float *dp, size_t n, float scale) {
  v16 lanes = {};
  for (size_t i = 0; i < n; i += LANES) {
    v16 a, b;
    load(&a, p + i, n - i);
    load(&b, dp + i, n - i);
    fma16(&a, &b, &lanes);
  }
  const float mean = lane_sum(&lanes);
  for (size_t i = 0; i < n; i += LANES) {
    v16 a, b;
    load(&a, p + i, n - i);
    load(&b, dp + i, n - i);
    b = a * (b - mean) * scale;
    store(dp + i, n - i, &b);
  }
}

static float maximum(const float *x, size_t n) {
  v16 largest = (v16){} - __builtin_inff();
  for (size_t i = 0; i < n; i += LANES) {
    v16 a;
    if (n - i >= LANES) {
      load(&a, x + i, LANES);
    } else {
      a = (v16){} + x[i];
      memcpy(&a, x + i, (n - i) * sizeof *x);
    }
    const i16 larger = a > largest;
    largest = (v16)(((i16)a & larger) | ((i16)largest & ~larger));
  }
  float result = largest[0];
  for (size_t l = 1; l < LANES; l++) {
    result = largest[l] > result ? largest[l] : result;
  }
  return result;
}

static void scale(float *x, size_t n, float factor) {
  for (size_t i = 0; i < n; i++) {
    x[i] *= factor;
  }
}

/// Lanes of double, since millions are added.
static double sum_of_squares(const float *x, size_t n) {
  double lanes[LANES] = {0};
  for (size_t i = 0; i + LANES <= n; i += LANES) {
    for (size_t l = 0; l < LANES; l++) {
      lanes[l] += (double)x[i + l] * (double)x[i + l];
    }
  }
  for (size_t i = n / LANES * LANES, l = 0; i < n; i++, l++) {
    lanes[l] += (double)x[i] * (double)x[i];
  }
  double sum = 0;
  for (size_t l = 0; l < LANES; l++) {
    sum += lanes[l];
  }
  return sum;
}

static void adamw(const tk_adamw *step, const float *gradient, size_t n, float *weights,
                  float *mean, float *square) {
  const float keep_mean = step->beta1, keep_square = step->beta2;
  for (size_t i = 0; i < n; i += LANES) {
    v16 g, w, m, s;
    load(&g, gradient + i, n - i);
    load(&w, weights + i, n - i);
    load(&m, mean + i, n - i);
    load(&s, square + i, n - i);
    g *= step->gradient_factor;
    w *= step->decay;
    m = m * keep_mean + g * (1.0f - keep_mean);
    s = s * keep_square + g * g * (1.0f - keep_square);
    const v16 root = __builtin_elementwise_sqrt(s);
    w -= step->rate * m / (root * step->root_factor + step->epsilon);
    store(weights + i, n - i, &w);
    store(mean + i, n - i, &m);
    store(square + i, n - i, &s);
  }
}
