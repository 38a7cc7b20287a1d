/* Which vector instruction sets this build knows and this processor has.
 *
 * What for: kernels with several variants pick the best one when the module is loaded, so one wheel
 * serves every machine. Who calls: the dispatch in g711.c and fir.c; tests, to try each variant.
 */
#ifndef RM_SIMD_H
#define RM_SIMD_H

#include <stdbool.h>

#if defined(__x86_64__)
#define RM_X86 1
#elif defined(__aarch64__)
#define RM_ARM 1
#endif

/* Ascending: the best variant is the highest one that the processor has. */
typedef enum rm_simd { RM_SCALAR, RM_SSE2, RM_NEON, RM_AVX2, RM_AVX512, RM_SIMD_COUNT } rm_simd;

static const char *const rm_simd_names[RM_SIMD_COUNT] = {"scalar", "sse2", "neon", "avx2",
                                                          "avx512"};

static inline bool rm_simd_has(rm_simd variant)
{
#if RM_X86
    __builtin_cpu_init();
    if (variant == RM_AVX2)
        return __builtin_cpu_supports("avx2");
    if (variant == RM_AVX512) /* Ice Lake and Zen 4 on; the first AVX-512 machines use avx2 */
        return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
               && __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni");
    return variant == RM_SSE2 || variant == RM_SCALAR;
#elif RM_ARM
    return variant == RM_NEON || variant == RM_SCALAR;
#else
    return variant == RM_SCALAR;
#endif
}

static inline rm_simd rm_simd_best(void)
{
    for (int variant = RM_SIMD_COUNT - 1; variant > RM_SCALAR; variant--)
        if (rm_simd_has((rm_simd)variant))
            return (rm_simd)variant;
    return RM_SCALAR;
}

#define RM_TARGET_AVX2 __attribute__((target("avx2")))
#ifdef __clang__ /* ignores the whole attribute over a preference it does not know */
#define RM_TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni")))
#else
#define RM_TARGET_AVX512 \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni,prefer-vector-width=512")))
#endif

#endif
