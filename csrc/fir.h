/* The inner loop of the polyphase resamplers, in vector variants.
 *
 * A row is one polyphase branch over consecutive periods: out[i] = clip16((sum of coefficient *
 * x[i + offset]) rounded, >> shift). Coefficients have up to 23 bits and a sign. They are split as
 * high * 256 + low, so that 16 x 16 bit multiply-add instructions, which take samples in pairs, give
 * the exact integer: two sums of 32 bits that cannot overflow, added with the right weights.
 */
#ifndef RM_FIR_H
#define RM_FIR_H

#include <stddef.h>
#include <stdint.h>

#include "simd.h"

/* Two neighbouring taps: for x[offset] in the low half of each word, for x[offset + 1] in the high. */
typedef struct rm_fir_pair {
    int32_t high, low;
    uint32_t offset;
} rm_fir_pair;

/* Outputs are written in groups of this many; x must be readable as far as the last group needs. */
enum { RM_FIR_GROUP = 32 };

/* n: a multiple of RM_FIR_GROUP. shift: 22 or 23. out and x must not overlap. */
typedef void rm_fir_row(const int16_t *x, const rm_fir_pair *pairs, size_t pair_count, int shift,
                        int16_t *out, size_t n);

#if RM_X86
rm_fir_row rm_fir_row_sse2, rm_fir_row_avx2, rm_fir_row_avx512;
#elif RM_ARM
rm_fir_row rm_fir_row_neon;
#endif

#endif
