/* In-band DTMF detection: the signals of ITU-T Q.23 within the limits of Q.24.
 *
 * What for: digits that a peer sends as sound because no telephone-event was negotiated.
 * Who calls: whoever holds decoded frames, through the Cython wrapper. 16-bit mono PCM, host order,
 * at 8 or 16 kHz.
 *
 * The theory. Every 5 ms the last 20 ms are looked at through a Hann window: eight Goertzel filters
 * give amplitude and phase at the nominal frequencies. A window is a hit when
 *   - its strongest row tone and column tone are loud enough, of similar level, and hold nearly all
 *     of its energy (talk-off protection rests on that: a voice has further harmonics and noise);
 *   - the phase of both moved over the last 5 ms as that of a tone near the nominal frequency does.
 * Four hits in a row with the same pair, steady frequencies and their means within the limits are a
 * digit; seven misses in a row, or another pair, end it:
 *
 *     tone of    23 ms   40 ms            gap of    10 ms   20 ms   30 ms   40 ms
 *     hits       2-3     5-7              misses    2-4     5-6     7-8     9-10
 *
 * What is reported does not depend on how the input was cut. State is a plain struct of fixed size,
 * no pointer inside: copy it to fork a stream. No allocation.
 */
#ifndef RM_DTMF_H
#define RM_DTMF_H

#include <stddef.h>
#include <stdint.h>

enum { RM_DTMF_TONES = 8, RM_DTMF_WINDOW_LIMIT = 320 };

typedef struct rm_dtmf_digit {
    char symbol;      /* 0-9 * # A-D */
    uint64_t start;   /* its first sample since reset, to about 3 ms; not in the digit before */
    uint64_t samples; /* its length, short interruptions included */
} rm_dtmf_digit;

/* The pair of tones heard last. */
typedef struct rm_dtmf_pair {
    int row, column;      /* 0-3 each */
    unsigned hits;        /* windows; 0: no pair */
    unsigned misses;      /* windows since the last hit */
    float error_hz[2];    /* sums over the hits: row tone, column tone beside nominal */
    uint64_t first, last; /* ends of the first and last window that hit, in samples */
    int confirmed;
} rm_dtmf_pair;

typedef struct rm_dtmf {
    uint32_t rate_hz;
    uint32_t window, hop, filled; /* samples */
    uint64_t position;            /* samples taken since reset */
    uint64_t ended;               /* where the digit reported last ended */
    rm_dtmf_pair pair;
    float real[RM_DTMF_TONES], imaginary[RM_DTMF_TONES]; /* of the last window */
    float cosine[RM_DTMF_TONES], sine[RM_DTMF_TONES];    /* of one sample's rotation */
    float hop_cosine[RM_DTMF_TONES], hop_sine[RM_DTMF_TONES];
    float hann[RM_DTMF_WINDOW_LIMIT];
    int16_t pcm[RM_DTMF_WINDOW_LIMIT];
} rm_dtmf;

/* rate_hz: 8000 or 16000. Needed before the first use; starts a new stream. */
void rm_dtmf_init(rm_dtmf *state, uint32_t rate_hz);

/* Takes up to n samples and returns how many: fewer when one of them ended a digit, which is then
 * in *digit (else digit->symbol is 0). Call again with the rest. */
size_t rm_dtmf_push(rm_dtmf *state, const int16_t *in, size_t n, rm_dtmf_digit *digit);

#endif
