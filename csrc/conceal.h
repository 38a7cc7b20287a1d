/* Loss concealment: what is played where packets are missing, of the class of G.711 Appendix I.
 *
 * What for: the receive core plays its samples through rm_conceal_heard and asks here for those
 * that did not come. Who calls: the stream kernel, for people and recognisers alike.
 *
 * Theory: gap_side.c lets the pitch periods before the gap go on. When what follows the gap is here
 * already, it is continued backwards into the gap as well; the forward sound is read a little
 * faster or slower, so that after the gap's length it is where the later sound is in its period,
 * and the two are cross-faded. Without it the sound fades after 15 ms, over 100 ms, into comfort
 * noise at the tracked level of the background, and cross-fades into what comes next.
 *
 * Samples are 16-bit mono PCM in host order at 8000 or 16000 Hz. State is a plain struct of fixed
 * size without pointers; its noise comes from a generator of its own, so the same input gives the
 * same output. No output is louder than the loudest sample near the gap. No allocation.
 */
#ifndef RM_CONCEAL_H
#define RM_CONCEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "comfort_noise.h"
#include "gap_side.h"
#include "noise_floor.h"

typedef struct rm_conceal {
    uint32_t rate_hz;
    uint32_t kept;    /* samples of history: 60 ms */
    uint32_t heard;   /* of the background's next block, at the history's end */
    uint32_t gap;     /* samples concealed of this gap, within the fade */
    uint32_t repair;  /* samples that the cross-fade back still has to do */
    bool active;      /* the last sample was concealed */
    bool closed;      /* and leads into the next one, by rm_conceal_bridge */
    float loudest;    /* no concealed sample is louder */
    float fall;       /* the level that the repeated sound sinks to, 1: it was not falling */
    rm_gap_side before;
    rm_noise_floor floor;
    rm_comfort_noise noise;
    int16_t history[RM_GAP_SIDE_HEARD];
} rm_conceal;

/* rate_hz: 8000 or 16000. */
void rm_conceal_init(rm_conceal *c, uint32_t rate_hz);

/* Real samples about to be played, in order, any n. After concealment the first ones are changed in
 * place: over 2 ms the concealed sound fades out and they fade in. */
void rm_conceal_heard(rm_conceal *c, int16_t *pcm, size_t n);

/* n missing samples and nothing later is here. Any n, again and again. */
void rm_conceal_extrapolate(rm_conceal *c, int16_t *out, size_t n);

/* n missing samples that something else filled, with the background of a pause, say: what was
 * extrapolated before them is over. */
void rm_conceal_filled(rm_conceal *c, const int16_t *pcm, size_t n);

/* Exactly n missing samples (what is left of the gap), after which `ahead` will be heard: 20 to
 * 40 ms of it are of use, under 5 ms count as nothing. */
void rm_conceal_bridge(
    rm_conceal *c, int16_t *out, size_t n, const int16_t *ahead, size_t n_ahead);

/* Whether the last sample was concealed. */
static inline bool rm_conceal_active(const rm_conceal *c) { return c->active; }

#endif
