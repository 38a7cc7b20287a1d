/* Small sample arithmetic; see dsp.h. */
#include "dsp.h"

#include <math.h>

static inline int16_t clip16(int32_t value)
{
    return (int16_t)(value > INT16_MAX ? INT16_MAX : value < INT16_MIN ? INT16_MIN : value);
}

void rm_mix_add(int16_t *acc, const int16_t *in, size_t n)
{
    for (size_t i = 0; i < n; i++)
        acc[i] = clip16((int32_t)acc[i] + in[i]);
}

/* RFC 6464 section 3: "The audio level is expressed in -dBov, with values from 0 to 127
 * representing 0 to -127 dBov. dBov is the level, in decibels, relative to the overload point of
 * the system"; "a digital silence signal would be represented by" 127. */
int rm_level_dbov(const int16_t *pcm, size_t n)
{
    uint64_t energy = 0;
    for (size_t i = 0; i < n; i++)
        energy += (uint32_t)((int32_t)pcm[i] * pcm[i]);
    if (energy == 0)
        return -127;
    double level = 10.0 * log10((double)energy / (double)n / (32768.0 * 32768.0));
    return level < -127.0 ? -127 : (int)lrint(level);
}

void rm_gain_ramp(int16_t *pcm, size_t n, int32_t from_q15, int32_t to_q15)
{
    /* 16 more bits of gain than Q15, so that a slow ramp moves at every sample and not in
     * treads. */
    int64_t gain = (int64_t)from_q15 * 65536;
    int64_t step = n ? ((int64_t)to_q15 - from_q15) * 65536 / (int64_t)n : 0;
    for (size_t i = 0; i < n; i++, gain += step)
        pcm[i] = clip16((int32_t)(((gain >> 16) * pcm[i] + (1 << 14)) >> 15));
}

void rm_tone_init(rm_tone *tone, double rate_hz, double hz, double level_dbov)
{
    double radians = 2.0 * M_PI * hz / rate_hz;
    double peak = 32768.0 * sqrt(2.0) * pow(10.0, level_dbov / 20.0);
    tone->cosine = 1.0;
    tone->sine = 0.0;
    tone->step_cosine = cos(radians);
    tone->step_sine = sin(radians);
    tone->amplitude = peak > INT16_MAX ? INT16_MAX : peak;
}

void rm_tone_read(rm_tone *tone, int16_t *out, size_t n)
{
    double c = tone->cosine, s = tone->sine;
    for (size_t i = 0; i < n; i++) {
        out[i] = (int16_t)lrint(tone->amplitude * s);
        double cosine = c * tone->step_cosine - s * tone->step_sine;
        double sine = s * tone->step_cosine + c * tone->step_sine;
        /* One Newton step towards length 1 keeps rounding from growing into a louder tone. */
        double length = 1.5 - 0.5 * (cosine * cosine + sine * sine);
        c = cosine * length;
        s = sine * length;
    }
    tone->cosine = c;
    tone->sine = s;
}
