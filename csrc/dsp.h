/* Small sample arithmetic: mixing, level, gain ramps, a tone.
 *
 * Who calls: the stream kernel (fade of concealed frames, level), the mixer and the tone agent
 * through the Cython wrapper. All samples are 16-bit mono PCM in host order, full scale 32768.
 */
#ifndef RM_DSP_H
#define RM_DSP_H

#include <stddef.h>
#include <stdint.h>

/* acc[i] = clip16(acc[i] + in[i]). The two may be the same array, not otherwise overlap. */
void rm_mix_add(int16_t *acc, const int16_t *in, size_t n);

/* The RFC 6464 audio level as a negative number: 0 (the loudest) to -127 (silence, or n = 0). */
int rm_level_dbov(const int16_t *pcm, size_t n);

/* In place: the gain runs in a straight line from `from_q15` at the first sample to `to_q15` at the
 * one after the last, so consecutive ramps join without a step. 32768 = unity; 0 to 8*32768. */
void rm_gain_ramp(int16_t *pcm, size_t n, int32_t from_q15, int32_t to_q15);

/* A sine of constant amplitude, phase-continuous from read to read, the same for any read sizes. */
typedef struct rm_tone {
    double cosine, sine;           /* the current phase as a unit vector */
    double step_cosine, step_sine; /* one sample's rotation */
    double amplitude;              /* peak, in sample units */
} rm_tone;

/* level_dbov: RMS relative to a full-scale square wave (RFC 6464), so a full-scale sine is -3. */
void rm_tone_init(rm_tone *tone, double rate_hz, double hz, double level_dbov);
void rm_tone_read(rm_tone *tone, int16_t *out, size_t n);

#endif
