/* G.722 written from the Recommendation's block descriptions; see g722.h.
 *
 * The signal is split by a 24-tap quadrature mirror filter into 0-4 and 4-8 kHz, each at 8 kHz. Each
 * band sends how far it is from a prediction: 6 bits in the lower band, 2 in the higher. Both ends
 * adapt predictor (two poles, six zeros) and step from what was sent. Only the lower band's four
 * most significant bits drive the adaptation, so that the other modes may steal the other two.
 *
 * Section 6.2 gives it as 16-bit arithmetic: sums saturate, products lose their 15 lowest bits
 * towards minus infinity. Names in capital letters are those of its blocks.
 */
#include "g722.h"

#include <string.h>

enum {
    LOWER_SCALE_LIMIT = 18432,
    HIGHER_SCALE_LIMIT = 22528,
    RECONSTRUCTION_LIMIT = 16384,
    LOWER_OCTAVES = 8,   /* SCALEL: right shift of a scale factor in octave 0 */
    HIGHER_OCTAVES = 10, /* SCALEH */
    LEVELS = 32,         /* of decision in the lower band, padded */
    BLOCK = 160,         /* pairs of samples filtered in one go: 20 ms */
};

/* The quadrature mirror filter, times 8192; the second half mirrors the first. */
static const int16_t LOW_PASS[RM_G722_TAPS] = {
    3,    -11, -11,  53,   12,  -156, 32,   362, -210, -805, 951, 3876,
    3876, 951, -805, -210, 362, 32,   -156, 12,  53,   -11,  -11, 3,
};
/* Its mirror image about 4 kHz: every other tap negated, the newest sample's not. */
static const int16_t HIGH_PASS[RM_G722_TAPS] = {
    -3,    -11, 11,  53,   -12,  -156, -32,   362, 210, -805, -951, 3876,
    -3876, 951, 805, -210, -362, 32,   156, 12,  -53,   -11,  11, 3,
};

/* Q6: where the lower band's 30 intervals of each sign begin, in 1/4096 of the scale factor. Two
 * zeros more than there are intervals make 32. */
static const uint16_t LOWER_DECISION[LEVELS] = {
    0,   0,   0,   35,  72,  110,  150,  190,  233,  276,  323,  370,  422,  473,  530,  587,
    650, 714, 786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
};

/* QQ6: what each lower-band code stands for, in 1/32768 of the scale factor. No encoder sends the
 * codes 0-3 (60 intervals, so that no octet is all zeros in any mode); they mean what 63 means. */
static const int16_t LOWER_VALUE[64] = {
    -136,  -136,  -136,  -136,  -24808, -21904, -19008, -16704, -14984, -13512, -12280,
    -11192, -10232, -9360, -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464,
    -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040, -728,
    24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856,
    7192,  6576,  6000,  5456,  4944,  4464,  4008,  3576,  3168,  2776, 2400, 2032,
    1688,  1360,  1040,  728,   432,   136,   -432,  -136,
};

/* QQ4: the same for the four bits that drive the adaptation. */
static const int16_t LOWER_COARSE_VALUE[16] = {
    0,     -20456, -12896, -8968, -6288, -4240, -2584, -1200,
    20456, 12896,  8968,   6288,  4240,  2584,  1200,  0,
};

/* WL, by code: how far each moves the logarithmic scale factor. */
static const int16_t LOWER_STEP[16] = {
    -60,  3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60,
};

/* The higher band's only decision level (Q2), four codes (QQ2) and their steps (WH). */
enum { HIGHER_DECISION = 564 };
static const int16_t HIGHER_VALUE[4] = {-7408, -1616, 7408, 1616};
static const int16_t HIGHER_STEP[4] = {798, -214, 798, -214};

/* ILB: 2048 * 2^(i/32). */
static const int16_t INVERSE_LOG[32] = {
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
    2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
};

static inline int32_t clip(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

static inline int32_t clip16(int32_t value)
{
    return clip(value, INT16_MIN, INT16_MAX);
}

/* A right shift of a negative number keeps the sign with every compiler this builds with. */
static inline int32_t product(int32_t a, int32_t b)
{
    return (a * b) >> 15;
}

static inline int differ_in_sign(int32_t a, int32_t b)
{
    return (a ^ b) < 0;
}

/* LOGSCL and SCALEL, LOGSCH and SCALEH. */
static inline void adapt_scale(rm_g722_band *band, int32_t step, int32_t limit, int octaves)
{
    band->nb = clip(product(band->nb, 32512) + step, 0, limit);
    int32_t mantissa = INVERSE_LOG[(band->nb >> 6) & 31];
    int shift = octaves - (band->nb >> 11);
    band->det = (shift < 0 ? mantissa << -shift : mantissa >> shift) << 2;
}

/* UPPOL2, then UPPOL1: the pole section follows the signs of the partially reconstructed signal p.
 * The second coefficient first, because it bounds the first one. */
static inline void adapt_poles(rm_g722_band *band, int32_t p)
{
    int opposed = differ_in_sign(p, band->p1);
    int32_t lean = clip16(4 * band->a1);
    lean = clip16(opposed ? lean : -lean) >> 7;
    int32_t a2 = lean + (differ_in_sign(p, band->p2) ? -128 : 128) + product(band->a2, 32512);
    band->a2 = clip(clip16(a2), -12288, 12288);

    int32_t bound = 15360 - band->a2;
    int32_t a1 = (opposed ? -192 : 192) + product(band->a1, 32640);
    band->a1 = clip(a1, -bound, bound);
    band->p2 = band->p1;
    band->p1 = p;
}

/* UPZERO, DELAYA and FILTEZ in one pass: each coefficient leaks, leans towards the sign its delayed
 * difference shares with the newest, and weighs the difference one step younger. Returns SZ, which
 * saturates as a whole: saturating after each term gives other samples for codes that no encoder
 * makes, and the decoders in the field do not. */
static inline int32_t adapt_zeros(rm_g722_band *band, int32_t d)
{
    int32_t lean = d == 0 ? 0 : 128;
    int32_t sum = 0;
    for (int i = RM_G722_ZEROS - 1; i >= 0; i--) {
        int32_t younger = i > 0 ? band->d[i - 1] : d;
        int32_t turn = differ_in_sign(d, band->d[i]) ? -lean : lean;
        band->b[i] = clip16(product(band->b[i], 32640) + turn);
        band->d[i] = younger;
        sum += product(band->b[i], clip16(2 * younger));
    }
    return clip16(sum);
}

/* Block 4: take the quantised difference d into the predictor and predict the next sample. */
static inline void adapt_predictor(rm_g722_band *band, int32_t d)
{
    int32_t p = clip16(d + band->sz);           /* PARREC */
    int32_t r = clip16(d + band->s);            /* RECONS */
    adapt_poles(band, p);
    band->sz = adapt_zeros(band, d);
    int32_t poles = clip16(product(band->a1, clip16(2 * r)) /* FILTEP */
                           + product(band->a2, clip16(2 * band->r1)));
    band->r1 = r;
    band->s = clip16(poles + band->sz);         /* PREDIC */
}

static inline void adapt_lower(rm_g722_band *band, unsigned code)
{
    int32_t d = product(band->det, LOWER_COARSE_VALUE[code >> 2]); /* INVQAL */
    adapt_scale(band, LOWER_STEP[code >> 2], LOWER_SCALE_LIMIT, LOWER_OCTAVES);
    adapt_predictor(band, d);
}

/* Returns the higher band's quantised difference, which is also what its decoder hears. */
static inline int32_t adapt_higher(rm_g722_band *band, unsigned code)
{
    int32_t d = product(band->det, HIGHER_VALUE[code]); /* INVQAH */
    adapt_scale(band, HIGHER_STEP[code], HIGHER_SCALE_LIMIT, HIGHER_OCTAVES);
    adapt_predictor(band, d);
    return d;
}

/* QUANTL. Magnitudes of negative differences are one's complements. Interval n is code 61 - n for
 * positive, 33 - n for negative differences, but 63, 62 for the two negative ones nearest zero.
 * Counting the levels reached takes no branch, and 16-bit products by their upper halves. */
static inline unsigned quantise_lower(int32_t difference, int32_t det)
{
    int16_t magnitude = (int16_t)(difference < 0 ? ~difference : difference);
    int16_t reached = 0;
    for (int i = 0; i < LEVELS; i++) {
        int16_t level = (int16_t)((8u * LOWER_DECISION[i] * (uint16_t)(2 * det)) >> 16);
        reached = (int16_t)(reached + (magnitude >= level));
    }
    unsigned interval = (unsigned)(reached - 3);
    if (difference >= 0)
        return 61 - interval;
    return interval < 2 ? 63 - interval : 33 - interval;
}

/* QUANTH: codes 0, 1 for negative differences, 2, 3 for positive ones, the smaller magnitude odd. */
static inline unsigned quantise_higher(int32_t difference, int32_t det)
{
    int32_t magnitude = difference < 0 ? ~difference : difference;
    unsigned small = magnitude < ((HIGHER_DECISION * det) >> 12);
    return (difference < 0 ? 0 : 2) + small;
}

static unsigned encode_pair(rm_g722_encoder *state, int32_t low, int32_t high)
{
    unsigned lower = quantise_lower(clip16(low - state->lower.s), state->lower.det); /* SUBTRA */
    unsigned higher = quantise_higher(clip16(high - state->higher.s), state->higher.det);
    adapt_lower(&state->lower, lower);
    adapt_higher(&state->higher, higher);
    return higher << 6 | lower;
}

/* INVQBL, RECONS, LIMIT for both bands. */
static void decode_pair(rm_g722_decoder *state, unsigned code, int32_t *low, int32_t *high)
{
    rm_g722_band *lower = &state->lower, *higher = &state->higher;
    int32_t heard = lower->s + product(lower->det, LOWER_VALUE[code & 63]);
    *low = clip(heard, -RECONSTRUCTION_LIMIT, RECONSTRUCTION_LIMIT - 1);
    adapt_lower(lower, code & 63);
    int32_t predicted = higher->s;
    *high = clip(predicted + adapt_higher(higher, code >> 6), -RECONSTRUCTION_LIMIT,
                 RECONSTRUCTION_LIMIT - 1);
}

static inline int32_t filter(const int16_t *line, const int16_t *taps)
{
    int32_t sum = 0;
    for (int i = 0; i < RM_G722_TAPS; i++)
        sum += line[i] * taps[i];
    return sum;
}

static void reset_band(rm_g722_band *band, int32_t det)
{
    memset(band, 0, sizeof *band);
    band->det = det;
}

void rm_g722_encoder_reset(rm_g722_encoder *state)
{
    reset_band(&state->lower, 32);
    reset_band(&state->higher, 8);
    memset(state->history, 0, sizeof state->history);
}

void rm_g722_decoder_reset(rm_g722_decoder *state)
{
    reset_band(&state->lower, 32);
    reset_band(&state->higher, 8);
    memset(state->history, 0, sizeof state->history);
}

/* The transmit mirror filter takes 16-bit samples for the 14 bits and two of fraction that the
 * Recommendation's converter gives; 16 bits of sub-band signal come out at half the amplitude. */
static void encode_block(rm_g722_encoder *state, const int16_t *in, uint8_t *out, size_t n)
{
    int16_t line[RM_G722_TAPS - 2 + 2 * BLOCK];
    memcpy(line, state->history, sizeof state->history);
    memcpy(line + RM_G722_TAPS - 2, in, 2 * n * sizeof *in);
    for (size_t i = 0; i < n; i++) {
        int32_t low = filter(line + 2 * i, LOW_PASS) >> 14;
        int32_t high = filter(line + 2 * i, HIGH_PASS) >> 14;
        out[i] = (uint8_t)encode_pair(state, low, high);
    }
    memcpy(state->history, line + 2 * n, sizeof state->history);
}

void rm_g722_encode(rm_g722_encoder *state, const int16_t *in, uint8_t *out, size_t n)
{
    for (size_t part; n > 0; n -= part, in += 2 * part, out += part) {
        part = n < BLOCK ? n : BLOCK;
        encode_block(state, in, out, part);
    }
}

static void decode_block(rm_g722_decoder *state, const uint8_t *in, int16_t *out, size_t n)
{
    int16_t line[RM_G722_TAPS - 2 + 2 * BLOCK];
    memcpy(line, state->history, sizeof state->history);
    for (size_t i = 0; i < n; i++) {
        int32_t low, high;
        decode_pair(state, in[i], &low, &high);
        line[RM_G722_TAPS - 2 + 2 * i] = (int16_t)(low + high);
        line[RM_G722_TAPS - 1 + 2 * i] = (int16_t)(low - high);
    }
    for (size_t i = 0; i < n; i++) {
        /* The sum and difference of the two filters are twice the sums over odd and even places. */
        int32_t low = filter(line + 2 * i, LOW_PASS), high = filter(line + 2 * i, HIGH_PASS);
        /* A full-scale tone overshoots here; a decoder that wraps instead turns it into clicks. */
        out[2 * i] = (int16_t)clip16((low + high) >> 12);
        out[2 * i + 1] = (int16_t)clip16((low - high) >> 12);
    }
    memcpy(state->history, line + 2 * n, sizeof state->history);
}

void rm_g722_decode(rm_g722_decoder *state, const uint8_t *in, int16_t *out, size_t n)
{
    for (size_t part; n > 0; n -= part, in += part, out += 2 * part) {
        part = n < BLOCK ? n : BLOCK;
        decode_block(state, in, out, part);
    }
}
