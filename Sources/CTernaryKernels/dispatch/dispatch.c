// Which kernels this CPU can run: the kernel sets, each of which says what it brings of its own and
// borrows the rest from the set below. A new instruction set is one row here, of as many lines as
// it has families. The public calls that go through the sets are in calls.c.

#include "dispatch/permission.h"
#include "dispatch/self_test.h"

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

#if defined(__linux__)
static bool has_amx(void) {
#if defined(TK_EMULATE_AMX)
  return has_avx512();
#else
  return has_avx512() && __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-int8");
#endif
}
#endif
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

// A set stands above those that borrow from it, and names what it brings of its own.

_Static_assert(TK_LAYOUT_COUNT == 3 && TK_HEAD_COUNT == 5,
               "scalar has every layout and every scan");

static const tk_kernels scalar = {
    .name = "scalar",
    .supported = always,
    .activations = &tk_activations_scalar,
    .gemv[TK_LAYOUT_T2] = &tk_gemv_scalar,
    .gemv[TK_LAYOUT_T5] = &tk_gemv_scalar,
    .gemv[TK_LAYOUT_L2] = &tk_gemv_scalar,
    .gemm_small[TK_LAYOUT_T2] = &tk_gemm_small_scalar,
    .gemm_small[TK_LAYOUT_T5] = &tk_gemm_small_scalar,
    .gemm_small[TK_LAYOUT_L2] = &tk_gemm_small_scalar,
    .gemm[TK_LAYOUT_T2] = &tk_gemm_scalar,
    .gemm[TK_LAYOUT_T5] = &tk_gemm_scalar,
    .gemm[TK_LAYOUT_L2] = &tk_gemm_scalar,
    .lists = &tk_lists_scalar,
    .sparse[TK_LAYOUT_T2] = &tk_sparse_scalar,
    .sparse[TK_LAYOUT_T5] = &tk_sparse_scalar,
    .sparse[TK_LAYOUT_L2] = &tk_sparse_scalar,
    .split = &tk_split_scalar,
    .floats = &tk_floats_scalar,
    .attention = &tk_attention_scalar,
    .dense = &tk_dense_scalar,
    .head[TK_HEAD_INT8] = &tk_head_int8_scalar,
    .head[TK_HEAD_INT4] = &tk_head_int4_scalar,
    .head[TK_HEAD_Q6_K] = &tk_head_q6_k_scalar,
    .head[TK_HEAD_Q8_0] = &tk_head_q8_0_scalar,
    .head[TK_HEAD_Q4_0] = &tk_head_q4_0_scalar,
    .limits = &tk_limits_scalar,
    .training = &tk_training_scalar,
};

#if defined(__x86_64__)

static const tk_kernels avx2 = {
    .name = "avx2",
    .supported = has_avx2,
    .below = &scalar,
    .activations = &tk_activations_avx2,
    .gemv[TK_LAYOUT_T2] = &tk_gemv_t2_avx2,
    .gemv[TK_LAYOUT_T5] = &tk_gemv_t5_avx2,
    .gemv[TK_LAYOUT_L2] = &tk_gemv_l2_avx2,
    .gemm_small[TK_LAYOUT_T2] = &tk_gemm_small_t2_avx2,
    .gemm_small[TK_LAYOUT_T5] = &tk_gemm_small_t5_avx2,
    .gemm[TK_LAYOUT_T2] = &tk_gemm_t2_avx2,
    .gemm[TK_LAYOUT_T5] = &tk_gemm_t5_avx2,
    .gemm[TK_LAYOUT_L2] = &tk_gemm_l2_avx2,
    .lists = &tk_lists_avx2,
    .sparse[TK_LAYOUT_T2] = &tk_sparse_t2_avx2,
    .sparse[TK_LAYOUT_T5] = &tk_sparse_t5_avx2,
    .split = &tk_split_avx2,
    .floats = &tk_floats_avx2,
    .attention = &tk_attention_avx2,
    .dense = &tk_dense_avx2,
    .head[TK_HEAD_INT8] = &tk_head_int8_avx2,
    .head[TK_HEAD_INT4] = &tk_head_int4_avx2,
    .head[TK_HEAD_Q6_K] = &tk_head_q6_k_avx2,
    .head[TK_HEAD_Q8_0] = &tk_head_q8_0_avx2,
    .head[TK_HEAD_Q4_0] = &tk_head_q4_0_avx2,
    .limits = &tk_limits_avx2,
    .training = &tk_training_avx2,
};

static const tk_kernels avxvnni = {
    .name = "avx-vnni",
    .supported = has_avxvnni,
    .below = &avx2,
    .gemv[TK_LAYOUT_T2] = &tk_gemv_t2_avxvnni,
    .gemv[TK_LAYOUT_T5] = &tk_gemv_t5_avxvnni,
    .gemm_small[TK_LAYOUT_T2] = &tk_gemm_small_t2_avxvnni,
    .gemm_small[TK_LAYOUT_T5] = &tk_gemm_small_t5_avxvnni,
    .gemm[TK_LAYOUT_T2] = &tk_gemm_t2_avxvnni,
    .gemm[TK_LAYOUT_T5] = &tk_gemm_t5_avxvnni,
    .gemm[TK_LAYOUT_L2] = &tk_gemm_l2_avxvnni,
    .sparse[TK_LAYOUT_T2] = &tk_sparse_t2_avxvnni,
    .sparse[TK_LAYOUT_T5] = &tk_sparse_t5_avxvnni,
    .head[TK_HEAD_INT8] = &tk_head_int8_avxvnni,
    .head[TK_HEAD_INT4] = &tk_head_int4_avxvnni,
    .head[TK_HEAD_Q8_0] = &tk_head_q8_0_avxvnni,
    .head[TK_HEAD_Q4_0] = &tk_head_q4_0_avxvnni,
    .limits = &tk_limits_avxvnni,
};

static const tk_kernels avx512_vnni = {
    .name = "avx512-vnni",
    .supported = has_avx512_vnni,
    .below = &avx2,
    .activations = &tk_activations_avx512,
    .gemv[TK_LAYOUT_T2] = &tk_gemv_t2_avx512_vnni,
    .gemv[TK_LAYOUT_T5] = &tk_gemv_t5_avx512_vnni,
    .gemv[TK_LAYOUT_L2] = &tk_gemv_l2_avx512,
    .gemm_small[TK_LAYOUT_T2] = &tk_gemm_small_t2_avx512_vnni,
    .gemm_small[TK_LAYOUT_T5] = &tk_gemm_small_t5_avx512_vnni,
    .gemm[TK_LAYOUT_T2] = &tk_gemm_t2_avx512_vnni,
    .gemm[TK_LAYOUT_T5] = &tk_gemm_t5_avx512_vnni,
    .lists = &tk_lists_avx512,
    .sparse[TK_LAYOUT_T2] = &tk_sparse_t2_avx512_vnni,
    .sparse[TK_LAYOUT_T5] = &tk_sparse_t5_avx512_vnni,
    .split = &tk_split_avx512_vnni,
    .floats = &tk_floats_avx512,
    .attention = &tk_attention_avx512,
    .dense = &tk_dense_avx512,
    .head[TK_HEAD_INT8] = &tk_head_int8_avx512_vnni,
    .head[TK_HEAD_INT4] = &tk_head_int4_avx512_vnni,
    .head[TK_HEAD_Q6_K] = &tk_head_q6_k_avx512_vnni,
    .head[TK_HEAD_Q8_0] = &tk_head_q8_0_avx512_vnni,
    .head[TK_HEAD_Q4_0] = &tk_head_q4_0_avx512_vnni,
    .limits = &tk_limits_avx512_vnni,
    .training = &tk_training_avx512,
};

static const tk_kernels avx512 = {
    .name = "avx512",
    .supported = has_avx512,
    .below = &avx512_vnni,
    .gemv[TK_LAYOUT_T5] = &tk_gemv_t5_avx512,
    .gemm_small[TK_LAYOUT_T5] = &tk_gemm_small_t5_avx512,
    .gemm[TK_LAYOUT_T5] = &tk_gemm_t5_avx512,
    .sparse[TK_LAYOUT_T5] = &tk_sparse_t5_avx512,
};

#if defined(__linux__)
static const tk_kernels amx = {
    .name = "amx",
    .supported = has_amx,
    .permit = tk_permit_amx,
    .below = &avx512,
    .gemm[TK_LAYOUT_T2] = &tk_gemm_t2_amx,
    .gemm[TK_LAYOUT_T5] = &tk_gemm_t5_amx,
    .limits = &tk_limits_amx,
};
#endif

#elif defined(__aarch64__)

static const tk_kernels neon = {
    .name = "neon",
    .supported = always,
    .below = &scalar,
    .activations = &tk_activations_neon,
    .gemv[TK_LAYOUT_T2] = &tk_gemv_t2_neon,
    .gemv[TK_LAYOUT_T5] = &tk_gemv_t5_neon,
    .gemv[TK_LAYOUT_L2] = &tk_gemv_l2_neon,
    .gemm_small[TK_LAYOUT_T2] = &tk_gemm_small_t2_neon,
    .gemm_small[TK_LAYOUT_T5] = &tk_gemm_small_t5_neon,
    .gemm[TK_LAYOUT_T2] = &tk_gemm_t2_neon,
    .gemm[TK_LAYOUT_T5] = &tk_gemm_t5_neon,
    .gemm[TK_LAYOUT_L2] = &tk_gemm_l2_neon,
    .lists = &tk_lists_neon,
    .sparse[TK_LAYOUT_T2] = &tk_sparse_t2_neon,
    .sparse[TK_LAYOUT_T5] = &tk_sparse_t5_neon,
    .split = &tk_split_neon,
    .floats = &tk_floats_neon,
    .attention = &tk_attention_neon,
    .dense = &tk_dense_neon,
    .head[TK_HEAD_INT8] = &tk_head_int8_neon,
    .head[TK_HEAD_INT4] = &tk_head_int4_neon,
    .head[TK_HEAD_Q6_K] = &tk_head_q6_k_neon,
    .head[TK_HEAD_Q8_0] = &tk_head_q8_0_neon,
    .head[TK_HEAD_Q4_0] = &tk_head_q4_0_neon,
    .limits = &tk_limits_neon,
    .training = &tk_training_neon,
};

static const tk_kernels neon_dotprod = {
    .name = "neon-dotprod",
    .supported = has_dotprod,
    .below = &neon,
    .gemv[TK_LAYOUT_T2] = &tk_gemv_t2_neon_dotprod,
    .gemv[TK_LAYOUT_T5] = &tk_gemv_t5_neon_dotprod,
    .gemm_small[TK_LAYOUT_T2] = &tk_gemm_small_t2_neon_dotprod,
    .gemm_small[TK_LAYOUT_T5] = &tk_gemm_small_t5_neon_dotprod,
    .gemm[TK_LAYOUT_T2] = &tk_gemm_t2_neon_dotprod,
    .gemm[TK_LAYOUT_T5] = &tk_gemm_t5_neon_dotprod,
    .gemm[TK_LAYOUT_L2] = &tk_gemm_l2_neon_dotprod,
    .sparse[TK_LAYOUT_T2] = &tk_sparse_t2_neon_dotprod,
    .sparse[TK_LAYOUT_T5] = &tk_sparse_t5_neon_dotprod,
    .head[TK_HEAD_INT8] = &tk_head_int8_neon_dotprod,
    .head[TK_HEAD_INT4] = &tk_head_int4_neon_dotprod,
    .head[TK_HEAD_Q8_0] = &tk_head_q8_0_neon_dotprod,
    .head[TK_HEAD_Q4_0] = &tk_head_q4_0_neon_dotprod,
    .limits = &tk_limits_neon_dotprod,
};

static const tk_kernels neon_i8mm = {
    .name = "neon-i8mm",
    .supported = has_i8mm,
    .below = &neon_dotprod,
    .gemm[TK_LAYOUT_T2] = &tk_gemm_t2_neon_i8mm,
    .gemm[TK_LAYOUT_T5] = &tk_gemm_t5_neon_i8mm,
    .limits = &tk_limits_neon_i8mm,
};

#endif

/// Fastest first.
static const tk_kernels *const sets[] = {
#if defined(__x86_64__) && defined(__linux__)
    &amx,
#endif
#if defined(__x86_64__)
    &avx512, &avx512_vnni, &avxvnni, &avx2,
#elif defined(__aarch64__)
    &neon_i8mm,
    &neon_dotprod,
    &neon,
#endif
    &scalar,
};

size_t tk_kernel_set_count(void) { return sizeof sets / sizeof *sets; }

const tk_kernels *tk_kernel_set(size_t index) { return sets[index]; }

const char *tk_kernel_set_name(const tk_kernels *k) { return k->name; }

const char *tk_kernel_set_obstacle(const tk_kernels *k) {
  if (!k->supported()) {
    return "this CPU does not have it";
  }
  return k->permit ? k->permit() : NULL;
}

bool tk_kernel_set_supported(const tk_kernels *k) { return tk_kernel_set_obstacle(k) == NULL; }

const char *tk_self_test(const tk_kernels *k) {
  static tk_self_test_part *const parts[] = {tk_self_test_ternary, tk_self_test_sparse,
                                             tk_self_test_float, tk_self_test_head,
                                             tk_self_test_training};
  const char *disagreement = NULL;
  for (size_t i = 0; i < sizeof parts / sizeof *parts && !disagreement; i++) {
    disagreement = parts[i](k, &scalar);
  }
  return disagreement;
}
