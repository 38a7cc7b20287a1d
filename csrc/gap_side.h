/* One side of a gap in speech, and how its sound would go on into the gap.
 *
 * Who calls: conceal.c; forwards from what was heard before the gap, and, with time reversed,
 * backwards from what comes after it.
 *
 * Theory: the last pitch periods are repeated. What that gets wrong at the edge, the difference
 * between the samples before it and those a cycle earlier, is let ring out through the all-pole
 * filter of the sound there (linear prediction), so that the waveform and its slopes join without
 * knowing a later sample. Repeating the prediction residual through that filter is the same sum.
 *
 * A position counts samples from the edge into the gap: 0 is the gap's first sample, -1 the last
 * one before it. Between samples it is interpolated: so the period need not be a whole number of
 * them, and the sound can be read faster or slower.
 */
#ifndef RM_GAP_SIDE_H
#define RM_GAP_SIDE_H

#include <stddef.h>
#include <stdint.h>

enum {
    RM_GAP_SIDE_CYCLE = 480, /* 30 ms at 16 kHz */
    RM_GAP_SIDE_RING = 80,   /* 5 ms */
    RM_GAP_SIDE_GUARD = 2,   /* samples of the neighbouring cycles, for interpolation */
    RM_GAP_SIDE_HEARD = 960, /* no more samples than these are looked at */
};

typedef struct rm_gap_side {
    uint32_t lag;   /* the pitch period, or the most alike distance where there is none */
    uint32_t cycle; /* what is repeated: one or more lags */
    uint32_t ring_length;
    float period;   /* the lag again, with its fraction */
    float speed;    /* of reading, so that a lag takes a period */
    float match;    /* normalised correlation at the lag, 0 to 1 */
    float source[RM_GAP_SIDE_CYCLE + 2 * RM_GAP_SIDE_GUARD];
    float ring[RM_GAP_SIDE_RING];
} rm_gap_side;

/* heard[n - 1] lies at the edge; n at most RM_GAP_SIDE_HEARD. The cycle is made of as many lags as
 * cycle_ms takes. */
void rm_gap_side_begin(
    rm_gap_side *side, const float *heard, uint32_t n, uint32_t rate_hz, uint32_t cycle_ms);

/* The repeated sound at any position within some seconds, the ringing of the edge not added. */
float rm_gap_side_at(const rm_gap_side *side, float position);

/* n samples of it from a position on. */
void rm_gap_side_read(const rm_gap_side *side, float position, float *out, uint32_t n);

/* Where between its neighbours peak[-1] and peak[1] the top of a curve through peak[0] lies: -0.5 to
 * 0.5, by the parabola through the three. */
float rm_peak_offset(const float *peak);

/* What to add for the edge at this distance from it. */
static inline float rm_gap_side_ring(const rm_gap_side *side, size_t distance)
{
    return distance < side->ring_length ? side->ring[distance] : 0;
}

#endif
