/* The level and the spectrum of what is left when nobody speaks, tracked all the time.
 *
 * Who calls: concealment, for every 10 ms heard; what a stall fades into sounds like this. The
 * sender, for what it says of its own pauses (dtx.c). The speech detector, which needs the level
 * alone.
 *
 * Theory: speech pauses at least every second or two, and in a pause only the background is left.
 * So the floor is the least smoothed energy of the last one to two seconds, and its spectrum the
 * average of blocks that were not much louder.
 */
#ifndef RM_NOISE_FLOOR_H
#define RM_NOISE_FLOOR_H

#include <stddef.h>
#include <stdint.h>

#include "comfort_noise.h"

typedef struct rm_noise_floor {
    float smooth;        /* mean square */
    float now, before;   /* the least of this second, and of the one before it */
    uint32_t age;        /* blocks in this second */
    float shape[RM_COMFORT_NOISE_ORDER + 1]; /* autocorrelation, shape[0] = 1 */
} rm_noise_floor;

void rm_noise_floor_init(rm_noise_floor *floor);

/* Take the mean square of the next 10 ms: the level alone. */
void rm_noise_floor_track(rm_noise_floor *floor, float energy);

/* Take the next 10 ms, 80 samples at 8 kHz or 160 at 16: the level and the spectrum. */
void rm_noise_floor_update(rm_noise_floor *floor, const int16_t *block, size_t n);

/* The mean square of the background, as tracked. */
float rm_noise_floor_energy(const rm_noise_floor *floor);

/* The root mean square of the background, in sample units; never below that of an idle line. */
float rm_noise_floor_rms(const rm_noise_floor *floor);

/* Describe the background in an RFC 3389 payload of 1 + RM_COMFORT_NOISE_ORDER octets; returns its
 * length. */
size_t rm_noise_floor_describe(const rm_noise_floor *floor, uint8_t *payload);

/* Make comfort noise sound like the background. */
void rm_noise_floor_apply(const rm_noise_floor *floor, rm_comfort_noise *cn);

#endif
