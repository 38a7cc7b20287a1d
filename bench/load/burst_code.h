/* A name written into 20 ms of telephone audio, legible after the trip through an engine.
 *
 * What for: the load test must know which sent packet a returned sample belongs to, and must
 * know it from the audio alone: the engine makes RTP headers of its own, may delay by any number
 * of samples (so one returned packet holds the end of one sent packet and the start of the next),
 * and resamples 8 → 16 → 8 kHz. Who calls it: far_end.c.
 *
 * Why this code. One bit is one period of a 1 kHz sine (8 samples at 8 kHz), upright or inverted:
 *   - no direct current and nearly nothing above 3 kHz, so a telephone filter keeps its shape and
 *     a high-pass does not tilt it (an amplitude code would need both ends of the band);
 *   - 8 multiplications read a bit, so 30,000 packets a second cost under one per cent of a core
 *     (tones told apart by frequency need more of the 20 ms per bit, and a transform);
 *   - the sign decides and the strength is checked: every bit must come back within -4.4…+3.5 dB
 *     of what was sent, so faded, clipped, mixed or concealed audio does not count as echoed.
 * 18 bits fill samples 8…151 of the 160; the first and last period stay silent. A reader that is a
 * whole bit off finds silence where a bit should be, half a bit off finds half a period: only the
 * true position passes, so no preamble is needed. 8 bits number the packet (5.12 s until they
 * repeat), 10 check the number and the call, so audio that strayed in from another call shows.
 */
#ifndef BURST_CODE_H
#define BURST_CODE_H

#include <stdbool.h>
#include <stdint.h>

#define BURST_SAMPLES 160     /* 20 ms at 8 kHz */
#define BURST_READ_END 152    /* the last sample a reader looks at, plus one */
#define BURST_NUMBERS 256

/* Fills the μ-law tables; once, before anything else. */
void burst_code_init(void);

/* Writes the μ-law payload, 160 bytes, of packet `number` of the call with this key. */
void burst_code_write(uint8_t payload[BURST_SAMPLES], uint32_t number, uint32_t key);

/* Reads the word at block[0…151]. Returns its strength (larger is better aligned), 0 if there is
 * none. */
int32_t burst_code_read(const int16_t *block, uint32_t *word);

/* Whether the word was written with this key; *number (0…255) is set in either case. */
bool burst_code_check(uint32_t word, uint32_t key, uint32_t *number);

/* μ-law (ITU-T G.711) to 16-bit linear, n samples. */
void burst_code_expand(const uint8_t *payload, int16_t *pcm, int n);

#endif
