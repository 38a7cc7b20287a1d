/* The row kernel of fir.h for 64-bit ARM: eight outputs in two vectors, one tap at a time. */
#include "fir.h"

#if RM_ARM

#include <arm_neon.h>

typedef struct sums {
    int32x4_t first, second; /* of outputs 0..3 and 4..7 */
} sums;

static inline sums add_products(sums sum, int16x8_t samples, int16_t tap)
{
    sum.first = vmlal_n_s16(sum.first, vget_low_s16(samples), tap);
    sum.second = vmlal_n_s16(sum.second, vget_high_s16(samples), tap);
    return sum;
}

/* floor((high * 2^split + low + half) / 2^(14 + split)), clipped: vrshr adds the half, vqmovn
 * clips, vshl to the left by less than nothing is a shift to the right. */
static inline int16x4_t finish(int32x4_t low, int32x4_t high, int split)
{
    int32x4_t sum = vaddq_s32(high, vshlq_s32(low, vdupq_n_s32(-split)));
    return vqmovn_s32(vrshrq_n_s32(sum, RM_FIR_HIGH_SHIFT));
}

static inline void group(const rm_fir_row *row, const rm_fir_pair *pair, const int16_t *x,
                         int16_t *out)
{
    sums low = {vdupq_n_s32(0), vdupq_n_s32(0)}, high = low;
    const rm_fir_pair *small = pair + row->small, *end = pair + row->count;
    for (; pair < small; pair++) {
        low = add_products(low, vld1q_s16(x + pair->offset), (int16_t)pair->even_low);
        low = add_products(low, vld1q_s16(x + pair->offset + 1), (int16_t)(pair->even_low >> 16));
    }
    for (; pair < end; pair++) {
        int16x8_t even = vld1q_s16(x + pair->offset), odd = vld1q_s16(x + pair->offset + 1);
        low = add_products(low, even, (int16_t)pair->even_low);
        high = add_products(high, even, (int16_t)pair->even_high);
        low = add_products(low, odd, (int16_t)(pair->even_low >> 16));
        high = add_products(high, odd, (int16_t)(pair->even_high >> 16));
    }
    vst1q_s16(out, vcombine_s16(finish(low.first, high.first, row->split),
                                finish(low.second, high.second, row->split)));
}

void rm_fir_neon(const rm_fir_row *row, const rm_fir_pair *pairs, const int16_t *x, int16_t *out,
                 size_t n)
{
    for (size_t i = 0; i < n; i += 8)
        group(row, pairs, x + i, out + i);
}

#endif
