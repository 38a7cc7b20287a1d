/* Linear prediction: from sound to an all-pole filter and to reflection coefficients, and back.
 *
 * Who calls: concealment (gap_side.c, conceal.c) and comfort noise.
 *
 * The prediction error filter is A(z) = 1 + a[1] z^-1 + ... + a[order] z^-order, and a[order] of
 * each order of the recursion is that order's reflection coefficient k. This is the sign of ITU-T's
 * reference code (G.729 and its annexes): sound with more bass than treble has k1 < 0.
 */
#ifndef RM_LPC_H
#define RM_LPC_H

#include <stddef.h>
#include <stdint.h>

enum { RM_LPC_ORDER_MAX = 16 };

/* value, not below low and not above high. Inline, where fminf and fmaxf are calls. */
static inline float rm_clamp(float value, float low, float high)
{
    return value < low ? low : value > high ? high : value;
}

/* The nearest whole number of a value that an int32_t holds; halves away from zero. */
static inline int32_t rm_nearest(float value) { return (int32_t)(value < 0 ? value - 0.5F : value + 0.5F); }

/* Sum of products. Any n, 0 included. */
float rm_dot(const float *a, const float *b, size_t n);

/* r[k] = sum of x[i] x[i - k] for k = 0 to order. */
void rm_autocorrelate(const float *x, size_t n, int order, float *r);

/* One order more, by its reflection coefficient: a[1..i-1] of order i - 1 become a[1..i]. */
void rm_step_up(double *a, int i, double k);

/* Levinson-Durbin: r[0..order] -> a[0..order] with a[0] = 1, and k[1..order]; k may be NULL.
 * White noise 40 dB below the sound is added, so that any r gives a stable filter. Returns the
 * error's energy as a share of r[0], above 0 and at most 1. */
float rm_levinson(const float *r, int order, float *a, float *k);

#endif
