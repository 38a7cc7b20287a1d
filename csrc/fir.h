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

/* The taps for two neighbouring samples, two to a word: that for x[offset] in its low half, that
 * for x[offset + 1] in its high. Outputs of odd number, which lie one sample later, meet the same
 * two samples with the taps before: so one load of samples serves both kinds. */
typedef struct rm_fir_pair {
    int32_t even_low, even_high, odd_low, odd_high;
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

/* The rows of a plan read M streams, this far apart; elements of one that lie before the period at
 * hand; the longest ratio. */
enum { RM_FIR_PAST = 64, RM_FIR_STREAM = RM_FIR_PAST + 240 + RM_FIR_GROUP + 16, RM_MAX_UP = 6 };

typedef struct rm_fir_kernels {
    rm_fir_kernel *row;
    /* Deal down * n samples out to `down` streams. */
    void (*deal)(const int16_t *in, size_t n, uint32_t down, int16_t *streams);
    /* Weave `up` rows of n samples into one line. */
    void (*weave)(const int16_t *const *rows, uint32_t up, size_t n, int16_t *out);
} rm_fir_kernels;

#if RM_X86
rm_fir_kernel rm_fir_sse2, rm_fir_avx2, rm_fir_avx512;
extern const rm_fir_kernels rm_fir_kernels_sse2, rm_fir_kernels_avx2, rm_fir_kernels_avx512;
#elif RM_ARM
rm_fir_kernel rm_fir_neon;
extern const rm_fir_kernels rm_fir_kernels_neon;
#endif

#endif
