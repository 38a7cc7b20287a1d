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
    rm_comfort_noise_set(cn, IDLE_RMS, NULL, 0);
}

void rm_comfort_noise_set(rm_comfort_noise *cn, float rms, const float *k, int order)
{
    float error = 1;
    memset(cn->a, 0, sizeof cn->a);
    cn->coloured = false;
    for (int i = 1; i <= order; i++) {
        float left = error * (1 - k[i] * k[i]);
        if (left < LEAST_ERROR)
            break;
        rm_step_up(cn->a, i, k[i]);
        cn->coloured |= k[i] != 0;
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

void rm_comfort_noise_block(rm_comfort_noise *cn, float *out, size_t n)
{
    double line[RM_COMFORT_NOISE_ORDER + RM_COMFORT_NOISE_BLOCK];
    double *made = line + RM_COMFORT_NOISE_ORDER, step = cn->step / 2147483648.0;
    memcpy(line, cn->past, sizeof cn->past);
    for (size_t i = 0; i < n; i++) {
        cn->random = cn->random * 1664525U + 1013904223U; /* Numerical Recipes' generator */
        made[i] = step * (int32_t)cn->random;
    }
    for (size_t i = 0; cn->coloured && i < n; i++)
        for (int k = RM_COMFORT_NOISE_ORDER; k > 0; k--) /* the others need not wait for the newest */
            made[i] -= cn->a[k] * made[(ptrdiff_t)i - k];
    memcpy(cn->past, made + n - RM_COMFORT_NOISE_ORDER, sizeof cn->past);
    for (size_t i = 0; i < n; i++)
        out[i] = (float)made[i];
}

void rm_comfort_noise_read(rm_comfort_noise *cn, int16_t *out, size_t n)
{
    float block[RM_COMFORT_NOISE_BLOCK];
    while (n > 0) {
        size_t part = n < RM_COMFORT_NOISE_BLOCK ? n : RM_COMFORT_NOISE_BLOCK;
        rm_comfort_noise_block(cn, block, part);
        for (size_t i = 0; i < part; i++)
            out[i] = (int16_t)rm_nearest(rm_clamp(block[i], INT16_MIN, INT16_MAX));
        out += part;
        n -= part;
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
