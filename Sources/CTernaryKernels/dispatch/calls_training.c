// The public calls of training kernels.

#include "kernels.h"

size_t tk_packed_factor_size(size_t depth, size_t columns) {
  return (columns + TK_FACTOR_PANEL - 1) / TK_FACTOR_PANEL * TK_FACTOR_PANEL * depth;
}

void tk_pack_factor(const tk_kernels *k, const tk_factor *f, size_t depth_begin, size_t depth_end,
                    float *packed) {
  tk_training_of(k)->pack_factor(f, depth_begin, depth_end, packed);
}

void tk_training_product(const tk_kernels *k, const tk_product *p, size_t row_begin, size_t row_end,
                         float *scratch) {
  tk_training_of(k)->product(p, row_begin, row_end, scratch);
}

void tk_dot_products(const tk_kernels *k, const float *x, size_t x_stride, size_t tokens,
                     const float *w, size_t columns, size_t row_begin, size_t row_end, float *y,
                     size_t y_stride) {
  tk_training_of(k)->dot_products(x, x_stride, tokens, w, columns, row_begin, row_end, y, y_stride);
}

void tk_rms_norm_backward(const tk_kernels *k, const float *x, const float *weight, const float *dy,
                          size_t n, float eps, float *dx, float *d_weight) {
  tk_training_of(k)->rms_norm_backward(x, weight, dy, n, eps, dx, d_weight);
}

void tk_relu2_mul_backward(const tk_kernels *k, const float *gate, const float *up, const float *dy,
                           size_t n, float *d_gate, float *d_up) {
  tk_training_of(k)->relu2_mul_backward(gate, up, dy, n, d_gate, d_up);
}

void tk_softmax_backward(const tk_kernels *k, const float *p, float *dp, size_t n, float scale) {
  tk_training_of(k)->softmax_backward(p, dp, n, scale);
}

void tk_scale(const tk_kernels *k, float *x, size_t n, float factor) {
  tk_training_of(k)->scale(x, n, factor);
}

double tk_cross_entropy(const tk_kernels *k, float *logits, size_t n, size_t target, float factor) {
  const tk_training_kernels *training = tk_training_of(k);
  const double largest = (double)training->maximum(logits, n);
  const double wanted = (double)logits[target];
  const float total = tk_floats_of(k)->exponentials(logits, n);
  training->scale(logits, n, factor / total);
  logits[target] -= factor;
  return log((double)total) + (largest - wanted);
}

double tk_sum_of_squares(const tk_kernels *k, const float *x, size_t n) {
  return tk_training_of(k)->sum_of_squares(x, n);
}

void tk_adamw_step(const tk_kernels *k, const tk_adamw *step, const float *gradient, size_t n,
                   float *weights, float *mean, float *square) {
  tk_training_of(k)->adamw(step, gradient, n, weights, mean, square);
}
