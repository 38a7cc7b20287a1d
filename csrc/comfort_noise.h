/* Comfort noise: RFC 3389 payloads both ways, and the noise itself.
 *
 * What for: what is heard while a far end sends no audio, and what a long stall fades into.
 * Who calls: the receive core for payload type 13, concealment for its floor, the sender.
 *
 * State is a plain struct of fixed size; its noise comes from a generator of its own and repeats
 * from rm_comfort_noise_init on. Samples are 16-bit mono PCM in host order; any rate. No allocation.
 */
#ifndef RM_COMFORT_NOISE_H
#define RM_COMFORT_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* RFC 3389 section 3: "The decoder may reduce the model order by setting higher order reflection
 * coefficients to zero". */
enum { RM_COMFORT_NOISE_ORDER = 10, RM_COMFORT_NOISE_BLOCK = 160 };

typedef struct rm_comfort_noise {
    double a[RM_COMFORT_NOISE_ORDER + 1]; /* of the synthesis filter 1 / A(z), see lpc.h */
    double past[RM_COMFORT_NOISE_ORDER];  /* the last samples, the newest last */
    bool coloured;                        /* a has something to say */
    float step;                           /* excitation: this times a number in (-1, 1) */
    uint32_t random;
} rm_comfort_noise;

/* White noise at -75 dBov, about the idle noise of a telephone line. */
void rm_comfort_noise_init(rm_comfort_noise *cn);

/* Noise of this root mean square, in sample units, with the spectrum of k[1..order], order at most
 * RM_COMFORT_NOISE_ORDER, 0 for white; of a steeper spectrum than sound has, the lower orders alone. */
void rm_comfort_noise_set(rm_comfort_noise *cn, float rms, const float *k, int order);

/* Take level and spectrum from an RFC 3389 payload; false for an empty one, which changes nothing. */
bool rm_comfort_noise_receive(rm_comfort_noise *cn, const uint8_t *payload, size_t octets);

/* The next n samples, not rounded, n at most RM_COMFORT_NOISE_BLOCK; any n, rounded. */
void rm_comfort_noise_block(rm_comfort_noise *cn, float *out, size_t n);
void rm_comfort_noise_read(rm_comfort_noise *cn, int16_t *out, size_t n);

/* The level as RFC 3389 counts it: 0 (loudest) to 127, for a root mean square in sample units. */
uint8_t rm_comfort_noise_level(float rms);

/* Write a payload of 1 + order octets for noise of this root mean square with the spectrum of
 * k[1..order]; returns its length. */
size_t rm_comfort_noise_write(float rms, const float *k, int order, uint8_t *payload);

/* Describe sound in a payload of 1 + order octets, order 0 to RM_COMFORT_NOISE_ORDER; returns its
 * length. n = 0 is described as silence. */
size_t rm_comfort_noise_describe(const int16_t *pcm, size_t n, int order, uint8_t *payload);

#endif
