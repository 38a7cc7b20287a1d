/* ITU-T G.722: 7 kHz audio at 64 kbit/s, mode 1 (eight bits a pair of samples, none of them data).
 *
 * What for: two 16-bit samples at 16 kHz (host order, full scale = 32768) <-> one octet on the wire.
 * Who calls: the stream kernel for each RTP packet, the Cython wrapper.
 *
 * RTP: a 20 ms packet holds 160 octets = 320 samples, and its timestamp moves by 160. RFC 3551
 * section 4.5.2: "Even though the actual sampling rate for G.722 audio is 16,000 Hz, the RTP clock
 * rate for the G722 payload format is 8,000 Hz because that value was erroneously assigned in
 * RFC 1890 and must remain unchanged for backward compatibility."
 *
 * State is a plain struct of fixed size, no pointer inside: copy it to fork a stream. The output
 * does not depend on how the input was cut. `in` and `out` must not overlap. No allocation.
 */
#ifndef RM_G722_H
#define RM_G722_H

#include <stddef.h>
#include <stdint.h>

enum { RM_G722_TAPS = 24, RM_G722_ZEROS = 6 };

/* One sub-band's adaptive predictor and quantiser scale, named as in section 6.2 of the
 * Recommendation without the band's letter: it has ...L and ...H of each. */
typedef struct rm_g722_band {
    int32_t nb;                /* logarithmic scale factor */
    int32_t det;               /* quantiser scale factor, linear */
    int32_t s, sz;             /* the whole prediction; the zero section's part of it */
    int32_t a1, a2;            /* pole section */
    int32_t r1;                /* last reconstructed signal */
    int32_t p1, p2;            /* last two partially reconstructed signals */
    int32_t b[RM_G722_ZEROS];  /* zero section */
    int32_t d[RM_G722_ZEROS];  /* last six quantised differences */
} rm_g722_band;

typedef struct rm_g722_encoder {
    rm_g722_band lower, higher;
    int16_t history[RM_G722_TAPS - 2]; /* the transmit filter's input, oldest first */
} rm_g722_encoder;

typedef struct rm_g722_decoder {
    rm_g722_band lower, higher;
    int16_t history[RM_G722_TAPS - 2]; /* the receive filter's: difference and sum in turns */
} rm_g722_decoder;

/* Needed before the first use; starts a new stream (section 6.2, the values at RS = 1). */
void rm_g722_encoder_reset(rm_g722_encoder *state);
void rm_g722_decoder_reset(rm_g722_decoder *state);

/* n octets: 2n samples on the linear side. Any n, 0 included; any octet is a legal code. */
void rm_g722_encode(rm_g722_encoder *state, const int16_t *in, uint8_t *out, size_t n);
void rm_g722_decode(rm_g722_decoder *state, const uint8_t *in, int16_t *out, size_t n);

#endif
