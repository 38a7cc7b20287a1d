/* Comfort noise; see comfort_noise.h. */
#include "comfort_noise.h"

#include <math.h>
#include <string.h>

#include "lpc.h"

static const float IDLE_RMS = 5.8F;      /* -75 dBov */
static const float OVERLOAD = 32768.0F;  /* RFC 3389 section 3.1: 0 dBov is a full-scale square */
static const float UNIFORM_RMS = 0.57735F; /* of a number in (-1, 1) */
enum { LEVEL_MASK = 0x7F, LONGEST_DESCRIBED = 1024 };

/* The least share of its energy that a sound may have in what cannot be predicted: -40 dB, as little
 * as rm_levinson leaves. With less of it the filter would ring, from whatever it played before, far
 * above the level that was asked for. */
static const float LEAST_ERROR = 1e-4F;

/* Section 3.2: k_i(N_i) = 258 (N_i - 127) / 32768 for N_i = 0 to 254; 255 is reserved. */
static const float REFLECTION_STEP = 258.0F / 32768.0F;
enum { REFLECTION_ZERO = 127, REFLECTION_LAST = 254 };

void rm_comfort_noise_init(rm_comfort_noise *cn)
{
    memset(cn, 0, sizeof *cn);
    cn->random = 1;
    rm_comfort_noise_set_level(cn, IDLE_RMS);
}

void rm_comfort_noise_set_level(rm_comfort_noise *cn, float rms)
{
    rm_comfort_noise_set(cn, rms, NULL, 0);
}

void rm_comfort_noise_set(rm_comfort_noise *cn, float rms, const float *k, int order)
{
    float error = 1;
    memset(cn->k, 0, sizeof cn->k);
    for (int i = 1; i <= order; i++) {
        float left = error * (1 - k[i] * k[i]);
        if (left < LEAST_ERROR)
            break;
        cn->k[i] = k[i];
        error = left;
    }
    cn->step = rms * sqrtf(error) / UNIFORM_RMS;
}

bool rm_comfort_noise_receive(rm_comfort_noise *cn, const uint8_t *payload, size_t octets)
{
    if (octets == 0)
        return false;
    float k[RM_COMFORT_NOISE_ORDER + 1];
    int order = 0;
    while (order < RM_COMFORT_NOISE_ORDER && (size_t)order + 1 < octets) {
        order++;
        int index = payload[order] > REFLECTION_LAST ? REFLECTION_LAST : payload[order];
        k[order] = REFLECTION_STEP * (float)(index - REFLECTION_ZERO);
    }
    float dbov = -(float)(payload[0] & LEVEL_MASK);
    rm_comfort_noise_set(cn, OVERLOAD * powf(10.0F, dbov / 20.0F), k, order);
    return true;
}

float rm_comfort_noise_next(rm_comfort_noise *cn)
{
    cn->random = cn->random * 1664525U + 1013904223U; /* Numerical Recipes' generator */
    float value = cn->step * ((float)(int32_t)cn->random * (1.0F / 2147483648.0F));
    /* A lattice: as long as every |k| < 1, rounding cannot make it unstable. */
    for (int i = RM_COMFORT_NOISE_ORDER; i > 0; i--) {
        value -= cn->k[i] * cn->memory[i - 1];
        if (i < RM_COMFORT_NOISE_ORDER)
            cn->memory[i] = cn->memory[i - 1] + cn->k[i] * value;
    }
    cn->memory[0] = value;
    return value;
}

void rm_comfort_noise_read(rm_comfort_noise *cn, int16_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float value = rm_comfort_noise_next(cn);
        out[i] = (int16_t)rm_nearest(rm_clamp(value, INT16_MIN, INT16_MAX));
    }
}

uint8_t rm_comfort_noise_level(float rms)
{
    float level = rms > 0 ? -20.0F * log10f(rms / OVERLOAD) : LEVEL_MASK;
    return (uint8_t)rm_nearest(rm_clamp(level, 0, LEVEL_MASK));
}

static uint8_t reflection_index(float k)
{
    float index = REFLECTION_ZERO + k / REFLECTION_STEP;
    return (uint8_t)rm_nearest(rm_clamp(index, 0, REFLECTION_LAST));
}

size_t rm_comfort_noise_write(float rms, const float *k, int order, uint8_t *payload)
{
    payload[0] = rm_comfort_noise_level(rms);
    for (int i = 1; i <= order; i++)
        payload[i] = reflection_index(k[i]);
    return 1 + (size_t)order;
}

size_t rm_comfort_noise_describe(const int16_t *pcm, size_t n, int order, uint8_t *payload)
{
    float x[LONGEST_DESCRIBED] = {0}, r[RM_COMFORT_NOISE_ORDER + 1] = {0};
    float a[RM_COMFORT_NOISE_ORDER + 1], k[RM_COMFORT_NOISE_ORDER + 1];
    size_t used = n < LONGEST_DESCRIBED ? n : LONGEST_DESCRIBED; /* the newest */
    for (size_t i = 0; i < used; i++)
        x[i] = pcm[n - used + i];
    rm_autocorrelate(x, used, order, r);
    float rms = used ? sqrtf(r[0] / (float)used) : 0;
    rm_levinson(r, order, a, k);
    return rm_comfort_noise_write(rms, k, order, payload);
}
