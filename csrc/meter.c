#include "meter.h"

#include <math.h>

enum {
    /* The largest μ-law code is ±32124, the largest A-law code ±32256: what a codec or an
     * amplifier before it cut off ends up there. */
    CLIPPED_FROM = 32000,
    /* Mean square of -45 dBov. ITU-T P.56 finds speech between 15.9 dB below its own active level
     * and its peaks; telephone speech is sent at -20 to -30 dBov. */
    ACTIVE_MEAN_SQUARE = 33954,
};

void rm_meter_take(rm_meter *m, const int16_t *pcm, size_t n)
{
    uint64_t energy = 0;
    uint32_t clipped = 0;
    for (size_t i = 0; i < n; i++) {
        int32_t sample = pcm[i];
        energy += (uint32_t)(sample * sample);
        clipped += (uint32_t)(sample >= CLIPPED_FROM) + (uint32_t)(sample <= -CLIPPED_FROM);
    }
    m->frames++;
    m->samples += n;
    m->energy += energy;
    m->clipped += clipped;
    if (energy < (uint64_t)ACTIVE_MEAN_SQUARE * n)
        return;
    m->active_frames++;
    m->active_samples += n;
    m->active_energy += energy;
}

void rm_meter_take_silence(rm_meter *m, size_t n)
{
    m->frames++;
    m->samples += n;
}

static double dbov(uint64_t energy, uint64_t samples)
{
    if (energy == 0 || samples == 0)
        return -127;
    return fmax(-127, 10 * log10((double)energy / (double)samples / (32768.0 * 32768.0)));
}

double rm_meter_speech_dbov(const rm_meter *m) { return dbov(m->active_energy, m->active_samples); }

double rm_meter_noise_dbov(const rm_meter *m)
{
    return dbov(m->energy - m->active_energy, m->samples - m->active_samples);
}
