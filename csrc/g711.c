/* G.711 written from the Recommendation: a sign, three bits of segment, four bits of step. */
#include "g711.h"

/* G.711 section 3.1, table 2a: mu-law works on 14-bit magnitudes biased by 33, which makes segment e
 * start at 33 * 2^e - 33. Negative samples are taken in one's complement, so that a sample on a
 * decision value goes toward zero, as the table's "decision value number n" columns ask. */
enum { ULAW_BIAS = 33, ULAW_LIMIT = 8191 };

/* The index of the highest bit set; x > 0. */
static inline int top_bit(unsigned x)
{
    return 31 - __builtin_clz(x);
}

static inline int16_t ulaw_expand(uint8_t code)
{
    unsigned inverted = (uint8_t)~code; /* table 2a, note 2: all bits are inverted on the line */
    int segment = (inverted >> 4) & 7;
    int magnitude = (((int)((inverted & 15) * 2) + ULAW_BIAS) << segment) - ULAW_BIAS;
    return (int16_t)((inverted & 0x80 ? -magnitude : magnitude) * 4);
}

static inline uint8_t ulaw_compress(int16_t sample)
{
    unsigned sign = sample < 0 ? 0x80 : 0;
    unsigned magnitude = ((unsigned)(sample < 0 ? ~sample : sample) >> 2) + ULAW_BIAS;
    if (magnitude > ULAW_LIMIT)
        magnitude = ULAW_LIMIT;
    int segment = top_bit(magnitude) - 5;
    unsigned step = (magnitude >> (segment + 1)) & 15;
    return (uint8_t)~(sign | ((unsigned)segment << 4) | step);
}

/* G.711 section 3.2, table 1a: A-law works on 12-bit magnitudes (sign apart); segments 0 and 1 have
 * the same step. "The character signals are obtained by inverting the even bits": 0x55. */
enum { ALAW_EVEN_BITS = 0x55 };

static inline int16_t alaw_expand(uint8_t code)
{
    unsigned inverted = code ^ ALAW_EVEN_BITS;
    int segment = (inverted >> 4) & 7;
    int magnitude = (int)((inverted & 15) * 2) + 1; /* the middle of the step, table 1a column 8 */
    if (segment > 0)
        magnitude = (magnitude + 32) << (segment - 1);
    return (int16_t)((inverted & 0x80 ? magnitude : -magnitude) * 8);
}

static inline uint8_t alaw_compress(int16_t sample)
{
    unsigned sign = sample < 0 ? 0 : 0x80;
    unsigned magnitude = (unsigned)(sample < 0 ? ~sample : sample) >> 4;
    unsigned code = magnitude;
    if (magnitude > 15) {
        int segment = top_bit(magnitude) - 3;
        code = ((unsigned)segment << 4) | ((magnitude >> (segment - 1)) & 15);
    }
    return (uint8_t)((sign | code) ^ ALAW_EVEN_BITS);
}

void rm_ulaw_decode(const uint8_t *in, int16_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = ulaw_expand(in[i]);
}

void rm_ulaw_encode(const int16_t *in, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = ulaw_compress(in[i]);
}

void rm_alaw_decode(const uint8_t *in, int16_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = alaw_expand(in[i]);
}

void rm_alaw_encode(const int16_t *in, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = alaw_compress(in[i]);
}
