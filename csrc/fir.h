/* The inner loop of the polyphase resamplers, in vector variants.
 *
 * A row is one polyphase branch over consecutive periods:
 *     out[i] = clip16((sum of coefficient * x[i + offset]) rounded, >> (14 + split))
 * Coefficients are wider than 16 bits. They are taken apart as high * 2^split + low, so that 16 x
 * 16 bit multiply-add instructions, which take samples in pairs, give the exact integer: two sums
 * of 32 bits that cannot overflow, added with the right weights. Many coefficients are small enough
 * to be all low, which halves their work.
 */
#ifndef RM_FIR_H
#define RM_FIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "simd.h"

enum { RM_FIR_HIGH_SHIFT = 14 }; /* fractional bits of a high part */

/* Two neighbouring taps: for x[offset] in the low half of each word, for x[offset + 1] in the
 * high. */
typedef struct rm_fir_pair {
    int32_t low, high;
    uint32_t offset;
} rm_fir_pair;

typedef struct rm_fir_row {
    uint32_t first; /* of the plan's pairs */
    uint32_t count;
    uint32_t small; /* so many of them, the first, have high parts of zero */
    int split;
    bool delay_only; /* one tap of 1: out[i] = x[i + offset], as half-band filters have */
} rm_fir_row;

/* Outputs are written in groups of this many; x must be readable as far as the last group needs. */
enum { RM_FIR_GROUP = 32 };

/* pairs: the row's own, row->count of them. n: a multiple of RM_FIR_GROUP. x and out: apart. */
typedef void rm_fir_kernel(const rm_fir_row *row, const rm_fir_pair *pairs, const int16_t *x,
                           int16_t *out, size_t n);

#if RM_X86
rm_fir_kernel rm_fir_sse2, rm_fir_avx2;
#elif RM_ARM
rm_fir_kernel rm_fir_neon;
#endif

#endif
