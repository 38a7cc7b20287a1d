/* A raised cosine from 1 to 0, a sample at a time: half a turn in n steps, taken in their middles.
 *
 * Who calls: concealment, for cross-fades and for analysis windows. A recurrence, because n calls of
 * cosf would cost more than everything else that is done with its values.
 */
#ifndef RM_FADE_H
#define RM_FADE_H

#include <math.h>
#include <stddef.h>

typedef struct rm_fade {
    double now, before, twice; /* cosines of this step and the last, and twice that of a step */
} rm_fade;

/* n at least 1. */
static inline rm_fade rm_fade_over(size_t n)
{
    double step = M_PI / (double)n;
    rm_fade fade = {cos(step / 2), cos(step / 2), 2 * cos(step)};
    return fade;
}

/* The weight at this step; call n times. */
static inline float rm_fade_next(rm_fade *fade)
{
    double now = fade->now;
    fade->now = fade->twice * now - fade->before;
    fade->before = now;
    return (float)(0.5 + 0.5 * now);
}

#endif
