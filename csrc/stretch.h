/* Changing how long sound lasts without changing its pitch: whole pitch periods are left out or
 * repeated, with the seam under a cross-fade (pitch-synchronous overlap-add). Pure functions, called
 * by steps.c and adjust.c. Samples are s16, rates whole kHz. */
#ifndef RM_STRETCH_H
#define RM_STRETCH_H

#include <stddef.h>
#include <stdint.h>

/* Mean square of n samples. */
float rm_power(const int16_t *pcm, size_t n);

/* From one sound to the other over n samples; out may be either of them. */
void rm_cross_fade(int16_t *out, const int16_t *from, const int16_t *to, size_t n);

typedef struct rm_period {
    size_t samples;    /* 0: none found */
    float correlation; /* 0 to 1: how well one period resembles the next */
} rm_period;

/* The pitch period at the beginning of pcm, 2.5 to 15 ms: n samples, at least 25 ms. */
rm_period rm_find_period(const int16_t *pcm, size_t n, uint32_t samples_per_ms);

#endif
