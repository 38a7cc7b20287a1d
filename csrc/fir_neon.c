/* The row kernel of fir.h for 64-bit ARM: eight outputs in two vectors, one tap at a time. */
#include "fir.h"

#if RM_ARM

#include <arm_neon.h>

static inline int32x4_t finish(int32x4_t high, int32x4_t low, int32x4_t half, int32x4_t shift)
{
    return vshlq_s32(vaddq_s32(vaddq_s32(high, vshrq_n_s32(low, 8)), half), shift);
}

static inline void row_8(const int16_t *x, const rm_fir_pair *pairs, size_t pair_count,
                         int32x4_t half, int32x4_t shift, int16_t *out)
{
    int32x4_t zero = vdupq_n_s32(0), high[2] = {zero, zero}, low[2] = {zero, zero};
    for (size_t j = 0; j < 2 * pair_count; j++) {
        const rm_fir_pair *pair = pairs + j / 2;
        int16_t high_tap = (int16_t)(j & 1 ? pair->high >> 16 : pair->high);
        int16_t low_tap = (int16_t)(j & 1 ? pair->low >> 16 : pair->low);
        int16x8_t samples = vld1q_s16(x + pair->offset + (j & 1));
        high[0] = vmlal_n_s16(high[0], vget_low_s16(samples), high_tap);
        high[1] = vmlal_n_s16(high[1], vget_high_s16(samples), high_tap);
        low[0] = vmlal_n_s16(low[0], vget_low_s16(samples), low_tap);
        low[1] = vmlal_n_s16(low[1], vget_high_s16(samples), low_tap);
    }
    vst1q_s16(out, vcombine_s16(vqmovn_s32(finish(high[0], low[0], half, shift)),
                                vqmovn_s32(finish(high[1], low[1], half, shift))));
}

void rm_fir_row_neon(const int16_t *x, const rm_fir_pair *pairs, size_t pair_count, int shift,
                     int16_t *out, size_t n)
{
    int32x4_t half = vdupq_n_s32(1 << (shift - 9)), count = vdupq_n_s32(8 - shift);
    for (size_t i = 0; i < n; i += 8)
        row_8(x + i, pairs, pair_count, half, count, out + i);
}

#endif
