/* Streaming polyphase FIR resamplers on 16-bit mono PCM.
 *
 * What for: a leg at 8 kHz meets the 16 kHz bus (rm_up2, rm_down2); 24, 32 and 48 kHz speech
 * services meet both (rm_resampler). Who calls: the stream kernel, the Cython wrapper, the fused
 * paths.
 *
 * Definition, the same for every push size and every SIMD variant, bit for bit: with L / M the
 * ratio of the rates in lowest terms, output m is
 *     clip16((sum over j of C[p][j] * x[n - j] + half) >> shift),  n = m*M / L,  p = m*M mod L
 * with integer coefficients C, exact integer sums and x = 0 before the first sample. After N input
 * samples exactly ceil(N*L / M) outputs have been given: 20 ms in, 20 ms out, from the first push.
 *
 * 8 <-> 16 kHz: profile telephony, 79 taps half-band, 0-3.4 kHz within 0.0002 dB, 97.8 dB from 4.6
 * kHz, 39 samples of 16 kHz = 2.4375 ms of constant delay. The other responses: fir_tables.h.
 *
 * State is a plain struct of fixed size, no pointer inside: copy it to fork a stream. `in` and
 * `out` must not overlap. No allocation anywhere.
 */
#ifndef RM_RESAMPLE_H
#define RM_RESAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "fir_plan.h"

enum { RM_UP2_HISTORY = 39, RM_DOWN2_HISTORY = 78 };

typedef struct rm_up2 {
    uint32_t position; /* of the next output, in 1/L input samples after the next input sample */
    int16_t history[RM_UP2_HISTORY];
} rm_up2;

typedef struct rm_down2 {
    uint32_t position;
    int16_t history[RM_DOWN2_HISTORY];
} rm_down2;

/* A zeroed struct is a reset one. */
void rm_up2_reset(rm_up2 *state);
void rm_down2_reset(rm_down2 *state);

/* Writes exactly 2n samples. */
void rm_up2_push(rm_up2 *state, const int16_t *in, size_t n, int16_t *out);

/* Returns the samples written: n/2 for even n; for odd n it alternates (n+1)/2, (n-1)/2. */
size_t rm_down2_push(rm_down2 *state, const int16_t *in, size_t n, int16_t *out);

typedef struct rm_resampler {
    rm_fir_plan plan;
    uint32_t position;
    int16_t history[RM_MAX_TAPS];
} rm_resampler;

/* Rates: any two of 8000, 16000, 24000, 32000, 48000. False, and nothing changed, for others and
 * for a profile that does not go with them. */
bool rm_resampler_init(rm_resampler *state, int from_hz, int to_hz, rm_profile profile);
void rm_resampler_reset(rm_resampler *state);

/* How many samples the next push of n will write, and the push that does so. */
size_t rm_resampler_outputs(const rm_resampler *state, size_t n);
size_t rm_resampler_push(rm_resampler *state, const int16_t *in, size_t n, int16_t *out);

/* As rm_g711_use, for the resamplers. */
void rm_resample_use(rm_simd variant);

#endif
