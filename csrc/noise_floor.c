/* The background's level and spectrum; see noise_floor.h. */
#include "noise_floor.h"

#include <math.h>
#include <string.h>

#include "lpc.h"

enum { BLOCKS_A_SECOND = 100, LONGEST_BLOCK = 160 };
static const float SMOOTHING = 0.25F;        /* some 40 ms */
static const float LEAST_TO_MEAN = 1.3F;     /* the least of noise lies below its mean */
static const float START = 104.0F * 104.0F;  /* -50 dBov: who begins in speech has a quiet floor */
static const float LEAST_RMS = 5.8F;         /* -75 dBov */
static const float LOUDEST_RMS = 1036.0F;    /* -30 dBov: above it, it was no pause */
static const float LIKE_THE_FLOOR = 2.5F;    /* in energy */
static const float SHAPE_SMOOTHING = 0.1F;

void rm_noise_floor_init(rm_noise_floor *floor)
{
    memset(floor, 0, sizeof *floor);
    floor->smooth = floor->now = floor->before = START;
    floor->shape[0] = 1;
}

static void learn_shape(rm_noise_floor *floor, const float *x, size_t n)
{
    float r[RM_COMFORT_NOISE_ORDER + 1];
    rm_autocorrelate(x, n, RM_COMFORT_NOISE_ORDER, r);
    if (r[0] <= 0)
        return;
    for (int k = 0; k <= RM_COMFORT_NOISE_ORDER; k++)
        floor->shape[k] += SHAPE_SMOOTHING * (r[k] / r[0] - floor->shape[k]);
}

void rm_noise_floor_track(rm_noise_floor *floor, float energy)
{
    floor->smooth += SMOOTHING * (energy - floor->smooth);
    floor->now = fminf(floor->now, floor->smooth);
    if (++floor->age == BLOCKS_A_SECOND) {
        floor->age = 0;
        floor->before = floor->now;
        floor->now = floor->smooth;
    }
}

void rm_noise_floor_update(rm_noise_floor *floor, const int16_t *block, size_t n)
{
    float x[LONGEST_BLOCK];
    n = n < LONGEST_BLOCK ? n : LONGEST_BLOCK;
    for (size_t i = 0; i < n; i++)
        x[i] = block[i];
    float energy = n ? rm_dot(x, x, n) / (float)n : 0;
    rm_noise_floor_track(floor, energy);
    float rms = rm_noise_floor_rms(floor);
    if (energy < LIKE_THE_FLOOR * rms * rms)
        learn_shape(floor, x, n);
}

float rm_noise_floor_energy(const rm_noise_floor *floor)
{
    return LEAST_TO_MEAN * fminf(floor->now, floor->before);
}

float rm_noise_floor_rms(const rm_noise_floor *floor)
{
    return rm_clamp(sqrtf(rm_noise_floor_energy(floor)), LEAST_RMS, LOUDEST_RMS);
}

/* k[1..RM_COMFORT_NOISE_ORDER] */
static void reflections(const rm_noise_floor *floor, float *k)
{
    float r[RM_COMFORT_NOISE_ORDER + 1], a[RM_COMFORT_NOISE_ORDER + 1];
    float energy = 1e6F; /* well above the least that lpc.c sees as sound */
    for (int i = 0; i <= RM_COMFORT_NOISE_ORDER; i++)
        r[i] = energy * floor->shape[i];
    rm_levinson(r, RM_COMFORT_NOISE_ORDER, a, k);
}

size_t rm_noise_floor_describe(const rm_noise_floor *floor, uint8_t *payload)
{
    float k[RM_COMFORT_NOISE_ORDER + 1];
    reflections(floor, k);
    return rm_comfort_noise_write(rm_noise_floor_rms(floor), k, RM_COMFORT_NOISE_ORDER, payload);
}

void rm_noise_floor_apply(const rm_noise_floor *floor, rm_comfort_noise *cn)
{
    float k[RM_COMFORT_NOISE_ORDER + 1];
    reflections(floor, k);
    rm_comfort_noise_set(cn, rm_noise_floor_rms(floor), k, RM_COMFORT_NOISE_ORDER);
}
