// Which kernels this CPU can run: a grid of named kernel sets, fastest first. A new instruction set
// is one row, a new kernel one column. The public calls that go through it are in calls.c.

#include "kernels.h"

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

static bool always(void) { return true; }

#if defined(__x86_64__)
/// The compiler's run time also asks whether the operating system saves the wide registers.
static bool has_avx2(void) {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c");
}

static bool has_avxvnni(void) {
#if defined(TK_EMULATE_AVXVNNI)
  return has_avx2();
#else
  return has_avx2() && __builtin_cpu_supports("avxvnni");
#endif
}

static bool has_avx512_vnni(void) {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
}

static bool has_avx512(void) { return has_avx512_vnni() && __builtin_cpu_supports("avx512vbmi"); }
#elif defined(__aarch64__)
#if defined(__APPLE__)
static bool has_feature(const char *name) {
  int has = 0;
  size_t size = sizeof has;
  return sysctlbyname(name, &has, &size, NULL, 0) == 0 && has == 1;
}
#endif

static bool has_dotprod(void) {
#if defined(__linux__)
  enum { ASIMDDP = 1 << 20 }; // HWCAP_ASIMDDP of <asm/hwcap.h>
  return (getauxval(AT_HWCAP) & ASIMDDP) != 0;
#elif defined(__APPLE__)
  return has_feature("hw.optional.arm.FEAT_DotProd");
#else
  return false;
#endif
}

/// With the dot product extension, whose kernels the set shares.
static bool has_i8mm(void) {
#if defined(__linux__)
  enum { I8MM = 1 << 13 }; // HWCAP2_I8MM
  return has_dotprod() && (getauxval(AT_HWCAP2) & I8MM) != 0;
#elif defined(__APPLE__)
  return has_dotprod() && has_feature("hw.optional.arm.FEAT_I8MM");
#else
  return false;
#endif
}
#endif

typedef struct kernel_set {
  tk_kernels kernels; // first, so that a pointer to it is a pointer to the set
  bool (*supported)(void);
} kernel_set;

// clang-format off
static const kernel_set grid[] = {
#if defined(__x86_64__)
    {{
         .name = "avx512",
         .quantize = tk_quantize_avx512,
         .dequantize = tk_dequantize_avx512,
         .gemv[TK_LAYOUT_T2] = tk_gemv_t2_avx512_vnni,
         .gemv[TK_LAYOUT_T5] = tk_gemv_t5_avx512,
         .gemv[TK_LAYOUT_L2] = tk_gemv_l2_avx512,
         .gemm = tk_gemm_avx512,
         .active = tk_active_avx512,
         .nonzero = tk_nonzero_avx512,
         .gemv_rows = tk_gemv_rows_avx512,
         .gemv_columns = tk_gemv_columns_avx512,
         .split_t5 = tk_split_t5_avx512_vnni,
         .int8_peak = tk_int8_peak_avx512_vnni,
         .rms_norm = tk_rms_norm_avx512,
         .rope = tk_rope_avx512,
         .add = tk_add_avx512,
         .relu2_mul = tk_relu2_mul_avx512,
         .silu_mul = tk_silu_mul_avx512,
         .gelu_mul = tk_gelu_mul_avx512,
         .exp = tk_exp_avx512,
         .softmax = tk_softmax_avx512,
         .f32_to_f16 = tk_f32_to_f16_avx512,
         .f16_to_f32 = tk_f16_to_f32_avx512,
         .attention_scores = tk_attention_scores_avx512,
         .exponentials = tk_exponentials_avx512,
         .attention_values = tk_attention_values_avx512,
         .dense_gemv = tk_dense_gemv_avx512,
         .head_scan[TK_HEAD_INT8] = tk_head_int8_avx512_vnni,
         .head_scan[TK_HEAD_INT4] = tk_head_int4_avx512_vnni,
         .head_scan[TK_HEAD_Q6_K] = tk_head_q6_k_avx512_vnni,
     },
     has_avx512},
    {{
         .name = "avx512-vnni",
         .quantize = tk_quantize_avx512,
         .dequantize = tk_dequantize_avx512,
         .gemv[TK_LAYOUT_T2] = tk_gemv_t2_avx512_vnni,
         .gemv[TK_LAYOUT_T5] = tk_gemv_t5_avx512_vnni,
         .gemv[TK_LAYOUT_L2] = tk_gemv_l2_avx512,
         .gemm = tk_gemm_avx512_vnni,
         .active = tk_active_avx512,
         .nonzero = tk_nonzero_avx512,
         .gemv_rows = tk_gemv_rows_avx512_vnni,
         .gemv_columns = tk_gemv_columns_avx512_vnni,
         .split_t5 = tk_split_t5_avx512_vnni,
         .int8_peak = tk_int8_peak_avx512_vnni,
         .rms_norm = tk_rms_norm_avx512,
         .rope = tk_rope_avx512,
         .add = tk_add_avx512,
         .relu2_mul = tk_relu2_mul_avx512,
         .silu_mul = tk_silu_mul_avx512,
         .gelu_mul = tk_gelu_mul_avx512,
         .exp = tk_exp_avx512,
         .softmax = tk_softmax_avx512,
         .f32_to_f16 = tk_f32_to_f16_avx512,
         .f16_to_f32 = tk_f16_to_f32_avx512,
         .attention_scores = tk_attention_scores_avx512,
         .exponentials = tk_exponentials_avx512,
         .attention_values = tk_attention_values_avx512,
         .dense_gemv = tk_dense_gemv_avx512,
         .head_scan[TK_HEAD_INT8] = tk_head_int8_avx512_vnni,
         .head_scan[TK_HEAD_INT4] = tk_head_int4_avx512_vnni,
         .head_scan[TK_HEAD_Q6_K] = tk_head_q6_k_avx512_vnni,
     },
     has_avx512_vnni},
    {{
         .name = "avx-vnni",
         .quantize = tk_quantize_avx2,
         .dequantize = tk_dequantize_avx2,
         .gemv[TK_LAYOUT_T2] = tk_gemv_t2_avxvnni,
         .gemv[TK_LAYOUT_T5] = tk_gemv_t5_avxvnni,
         .gemv[TK_LAYOUT_L2] = tk_gemv_l2_avx2,
         .gemm = tk_gemm_avxvnni,
         .active = tk_active_avx2,
         .nonzero = tk_nonzero_avx2,
         .gemv_rows = tk_gemv_rows_avxvnni,
         .gemv_columns = tk_gemv_columns_avxvnni,
         .split_t5 = tk_split_t5_avx2,
         .int8_peak = tk_int8_peak_avxvnni,
         .rms_norm = tk_rms_norm_avx2,
         .rope = tk_rope_avx2,
         .add = tk_add_avx2,
         .relu2_mul = tk_relu2_mul_avx2,
         .silu_mul = tk_silu_mul_avx2,
         .gelu_mul = tk_gelu_mul_avx2,
         .exp = tk_exp_avx2,
         .softmax = tk_softmax_avx2,
         .f32_to_f16 = tk_f32_to_f16_avx2,
         .f16_to_f32 = tk_f16_to_f32_avx2,
         .attention_scores = tk_attention_scores_avx2,
         .exponentials = tk_exponentials_avx2,
         .attention_values = tk_attention_values_avx2,
         .dense_gemv = tk_dense_gemv_avx2,
         .head_scan[TK_HEAD_INT8] = tk_head_int8_avxvnni,
         .head_scan[TK_HEAD_INT4] = tk_head_int4_avxvnni,
         .head_scan[TK_HEAD_Q6_K] = tk_head_q6_k_avx2,
     },
     has_avxvnni},
    {{
         .name = "avx2",
         .quantize = tk_quantize_avx2,
         .dequantize = tk_dequantize_avx2,
         .gemv[TK_LAYOUT_T2] = tk_gemv_t2_avx2,
         .gemv[TK_LAYOUT_T5] = tk_gemv_t5_avx2,
         .gemv[TK_LAYOUT_L2] = tk_gemv_l2_avx2,
         .gemm = tk_gemm_avx2,
         .active = tk_active_avx2,
         .nonzero = tk_nonzero_avx2,
         .gemv_rows = tk_gemv_rows_avx2,
         .gemv_columns = tk_gemv_columns_avx2,
         .split_t5 = tk_split_t5_avx2,
         .int8_peak = tk_int8_peak_avx2,
         .rms_norm = tk_rms_norm_avx2,
         .rope = tk_rope_avx2,
         .add = tk_add_avx2,
         .relu2_mul = tk_relu2_mul_avx2,
         .silu_mul = tk_silu_mul_avx2,
         .gelu_mul = tk_gelu_mul_avx2,
         .exp = tk_exp_avx2,
         .softmax = tk_softmax_avx2,
         .f32_to_f16 = tk_f32_to_f16_avx2,
         .f16_to_f32 = tk_f16_to_f32_avx2,
         .attention_scores = tk_attention_scores_avx2,
         .exponentials = tk_exponentials_avx2,
         .attention_values = tk_attention_values_avx2,
         .dense_gemv = tk_dense_gemv_avx2,
         .head_scan[TK_HEAD_INT8] = tk_head_int8_avx2,
         .head_scan[TK_HEAD_INT4] = tk_head_int4_avx2,
         .head_scan[TK_HEAD_Q6_K] = tk_head_q6_k_avx2,
     },
     has_avx2},
#elif defined(__aarch64__)
    {{
         .name = "neon-i8mm",
         .quantize = tk_quantize_neon,
         .dequantize = tk_dequantize_neon,
         .gemv[TK_LAYOUT_T2] = tk_gemv_t2_neon_dotprod,
         .gemv[TK_LAYOUT_T5] = tk_gemv_t5_neon_dotprod,
         .gemv[TK_LAYOUT_L2] = tk_gemv_l2_neon,
         .gemm = tk_gemm_neon_i8mm,
         .active = tk_active_neon,
         .nonzero = tk_nonzero_neon,
         .gemv_rows = tk_gemv_rows_neon_dotprod,
         .gemv_columns = tk_gemv_columns_neon_dotprod,
         .split_t5 = tk_split_t5_neon,
         .int8_peak = tk_int8_peak_neon_i8mm,
         .rms_norm = tk_rms_norm_neon,
         .rope = tk_rope_neon,
         .add = tk_add_neon,
         .relu2_mul = tk_relu2_mul_neon,
         .silu_mul = tk_silu_mul_neon,
         .gelu_mul = tk_gelu_mul_neon,
         .exp = tk_exp_neon,
         .softmax = tk_softmax_neon,
         .f32_to_f16 = tk_f32_to_f16_neon,
         .f16_to_f32 = tk_f16_to_f32_neon,
         .attention_scores = tk_attention_scores_neon,
         .exponentials = tk_exponentials_neon,
         .attention_values = tk_attention_values_neon,
         .dense_gemv = tk_dense_gemv_neon,
         .head_scan[TK_HEAD_INT8] = tk_head_int8_neon_dotprod,
         .head_scan[TK_HEAD_INT4] = tk_head_int4_neon_dotprod,
         .head_scan[TK_HEAD_Q6_K] = tk_head_q6_k_neon,
     },
     has_i8mm},
    {{
         .name = "neon-dotprod",
         .quantize = tk_quantize_neon,
         .dequantize = tk_dequantize_neon,
         .gemv[TK_LAYOUT_T2] = tk_gemv_t2_neon_dotprod,
         .gemv[TK_LAYOUT_T5] = tk_gemv_t5_neon_dotprod,
         .gemv[TK_LAYOUT_L2] = tk_gemv_l2_neon,
         .gemm = tk_gemm_neon_dotprod,
         .active = tk_active_neon,
         .nonzero = tk_nonzero_neon,
         .gemv_rows = tk_gemv_rows_neon_dotprod,
         .gemv_columns = tk_gemv_columns_neon_dotprod,
         .split_t5 = tk_split_t5_neon,
         .int8_peak = tk_int8_peak_neon_dotprod,
         .rms_norm = tk_rms_norm_neon,
         .rope = tk_rope_neon,
         .add = tk_add_neon,
         .relu2_mul = tk_relu2_mul_neon,
         .silu_mul = tk_silu_mul_neon,
         .gelu_mul = tk_gelu_mul_neon,
         .exp = tk_exp_neon,
         .softmax = tk_softmax_neon,
         .f32_to_f16 = tk_f32_to_f16_neon,
         .f16_to_f32 = tk_f16_to_f32_neon,
         .attention_scores = tk_attention_scores_neon,
         .exponentials = tk_exponentials_neon,
         .attention_values = tk_attention_values_neon,
         .dense_gemv = tk_dense_gemv_neon,
         .head_scan[TK_HEAD_INT8] = tk_head_int8_neon_dotprod,
         .head_scan[TK_HEAD_INT4] = tk_head_int4_neon_dotprod,
         .head_scan[TK_HEAD_Q6_K] = tk_head_q6_k_neon,
     },
     has_dotprod},
    {{
         .name = "neon",
         .quantize = tk_quantize_neon,
         .dequantize = tk_dequantize_neon,
         .gemv[TK_LAYOUT_T2] = tk_gemv_t2_neon,
         .gemv[TK_LAYOUT_T5] = tk_gemv_t5_neon,
         .gemv[TK_LAYOUT_L2] = tk_gemv_l2_neon,
         .gemm = tk_gemm_neon,
         .active = tk_active_neon,
         .nonzero = tk_nonzero_neon,
         .gemv_rows = tk_gemv_rows_neon,
         .gemv_columns = tk_gemv_columns_neon,
         .split_t5 = tk_split_t5_neon,
         .int8_peak = tk_int8_peak_neon,
         .rms_norm = tk_rms_norm_neon,
         .rope = tk_rope_neon,
         .add = tk_add_neon,
         .relu2_mul = tk_relu2_mul_neon,
         .silu_mul = tk_silu_mul_neon,
         .gelu_mul = tk_gelu_mul_neon,
         .exp = tk_exp_neon,
         .softmax = tk_softmax_neon,
         .f32_to_f16 = tk_f32_to_f16_neon,
         .f16_to_f32 = tk_f16_to_f32_neon,
         .attention_scores = tk_attention_scores_neon,
         .exponentials = tk_exponentials_neon,
         .attention_values = tk_attention_values_neon,
         .dense_gemv = tk_dense_gemv_neon,
         .head_scan[TK_HEAD_INT8] = tk_head_int8_neon,
         .head_scan[TK_HEAD_INT4] = tk_head_int4_neon,
         .head_scan[TK_HEAD_Q6_K] = tk_head_q6_k_neon,
     },
     always},
#endif
    {{
         .name = "scalar",
         .quantize = tk_quantize_scalar,
         .dequantize = tk_dequantize_scalar,
         .gemv[TK_LAYOUT_T2] = tk_gemv_t2_scalar,
         .gemv[TK_LAYOUT_T5] = tk_gemv_t5_scalar,
         .gemv[TK_LAYOUT_L2] = tk_gemv_l2_scalar,
         .gemm = tk_gemm_scalar,
         .active = tk_active_scalar,
         .nonzero = tk_nonzero_scalar,
         .gemv_rows = tk_gemv_rows_scalar,
         .gemv_columns = tk_gemv_columns_scalar,
         .split_t5 = tk_split_t5_scalar,
         .int8_peak = tk_int8_peak_scalar,
         .rms_norm = tk_rms_norm_scalar,
         .rope = tk_rope_scalar,
         .add = tk_add_scalar,
         .relu2_mul = tk_relu2_mul_scalar,
         .silu_mul = tk_silu_mul_scalar,
         .gelu_mul = tk_gelu_mul_scalar,
         .exp = tk_exp_scalar,
         .softmax = tk_softmax_scalar,
         .f32_to_f16 = tk_f32_to_f16_scalar,
         .f16_to_f32 = tk_f16_to_f32_scalar,
         .attention_scores = tk_attention_scores_scalar,
         .exponentials = tk_exponentials_scalar,
         .attention_values = tk_attention_values_scalar,
         .dense_gemv = tk_dense_gemv_scalar,
         .head_scan[TK_HEAD_INT8] = tk_head_int8_scalar,
         .head_scan[TK_HEAD_INT4] = tk_head_int4_scalar,
         .head_scan[TK_HEAD_Q6_K] = tk_head_q6_k_scalar,
     },
     always},
};
// clang-format on

size_t tk_kernel_set_count(void) { return sizeof grid / sizeof *grid; }

const tk_kernels *tk_kernel_set(size_t index) { return &grid[index].kernels; }

const char *tk_kernel_set_name(const tk_kernels *k) { return k->name; }

bool tk_kernel_set_supported(const tk_kernels *k) { return ((const kernel_set *)k)->supported(); }

const char *tk_self_test(const tk_kernels *k) {
  const char *disagreement = tk_self_test_ternary(k);
  if (!disagreement)
    disagreement = tk_self_test_sparse(k);
  disagreement = disagreement ? disagreement : tk_self_test_float(k);
  return disagreement ? disagreement : tk_self_test_head(k);
}
