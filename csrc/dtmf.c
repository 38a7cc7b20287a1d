/* DTMF detection; see dtmf.h for the theory. */
#include "dtmf.h"

#include <math.h>
#include <string.h>

/* Q.23 section 6: rows, then columns. */
static const float NOMINAL_HZ[RM_DTMF_TONES] = {697, 770, 852, 941, 1209, 1336, 1477, 1633};
static const char SYMBOLS[4][5] = {"123A", "456B", "789C", "*0#D"};

/* Q.24 table A-1 gives each administration's limits. Operation must be sure at the first figure and
 * (where there is a second) absent at the second; we draw the line between them. */
static const float MEAN_FREQUENCY_LIMIT = 0.025F; /* 1.5 % and 3.5 % */
static const float HOP_FREQUENCY_LIMIT = 0.04F;   /* one window's estimate, in noise */
static const float STEADY_LIMIT_HZ = 10.0F;       /* a hit beside the mean of those before it */
static const float LEVEL_LIMIT_DBM0 = -27.0F;     /* each tone: -25 and -29 dBm */
static const float COLUMN_ABOVE_LIMIT_DB = 5.5F;  /* column over row tone: 4 dB */
static const float ROW_ABOVE_LIMIT_DB = 9.5F;     /* row over column tone: 8 dB */

/* G.711: the loudest sine is +3.14 dBm0. */
static const float FULL_SINE_DBM0 = 3.14F;

/* Of a window's energy in its two tones: 1 without noise, 0.94 at a signal-to-noise ratio of 12 dB.
 * Over an hour of recorded and synthetic speech, 0.75 lets a few pairs of harmonics of high synthetic
 * voices pass, 0.85 none. */
static const float SHARE_LIMIT = 0.85F;

enum {
    WINDOW_MS = 20,
    HOP_MS = 5,
    HITS_TO_CONFIRM = 4,
    MISSES_TO_END = 7,
};

/* A window hits with this much of the tone missing at its end: where the tone began and ended, on
 * average over its place in the 5 ms grid. */
static const float EDGE_MS = 2.5F;

void rm_dtmf_init(rm_dtmf *state, uint32_t rate_hz)
{
    memset(state, 0, sizeof *state);
    state->rate_hz = rate_hz;
    state->window = rate_hz * WINDOW_MS / 1000;
    state->hop = rate_hz * HOP_MS / 1000;
    state->filled = state->window - state->hop; /* of silence, so that the first hop is a window */
    for (int k = 0; k < RM_DTMF_TONES; k++) {
        double radians = 2.0 * M_PI * (double)NOMINAL_HZ[k] / rate_hz;
        state->cosine[k] = (float)cos(radians);
        state->sine[k] = (float)sin(radians);
        state->hop_cosine[k] = (float)cos(radians * state->hop);
        state->hop_sine[k] = (float)sin(radians * state->hop);
    }
    for (uint32_t i = 0; i < state->window; i++)
        state->hann[i] = (float)(0.5 - 0.5 * cos(2.0 * M_PI * (i + 0.5) / state->window));
}

/* One window weighed into `out`. Returns its mean square, corrected for the weights. */
static float weigh(const rm_dtmf *state, float *out)
{
    /* Eight sums because one sum of floats is taken in order, which leaves the adder waiting. */
    float sums[8] = {0};
    for (uint32_t i = 0; i < state->window; i += 8)
        for (uint32_t j = 0; j < 8; j++) {
            out[i + j] = state->hann[i + j] * state->pcm[i + j];
            sums[j] += out[i + j] * out[i + j];
        }
    float energy = 0;
    for (int j = 0; j < 8; j++)
        energy += sums[j];
    return energy / (0.375F * (float)state->window); /* the mean of Hann weights squared is 3/8 */
}

/* Goertzel: all eight filters side by side, two samples a turn. Phases are relative to the window's
 * last sample. */
static void goertzel(const rm_dtmf *state, const float *in, float *real, float *imaginary)
{
    float one[RM_DTMF_TONES] = {0}, two[RM_DTMF_TONES] = {0}, twice[RM_DTMF_TONES];
    for (int k = 0; k < RM_DTMF_TONES; k++)
        twice[k] = 2.0F * state->cosine[k];
    for (uint32_t i = 0; i < state->window; i += 2)
        for (int k = 0; k < RM_DTMF_TONES; k++) {
            two[k] = twice[k] * one[k] + (in[i] - two[k]);
            one[k] = twice[k] * two[k] + (in[i + 1] - one[k]);
        }
    for (int k = 0; k < RM_DTMF_TONES; k++) {
        real[k] = one[k] - state->cosine[k] * two[k];
        imaginary[k] = state->sine[k] * two[k];
    }
}

/* How many Hz tone k lies above nominal, by what its phase did over the last hop: unambiguous
 * within +-100 Hz. */
static float error_hz(const rm_dtmf *state, const float *real, const float *imaginary, int k)
{
    float turn_real = real[k] * state->real[k] + imaginary[k] * state->imaginary[k];
    float turn_imaginary = imaginary[k] * state->real[k] - real[k] * state->imaginary[k];
    float beside_real = turn_real * state->hop_cosine[k] + turn_imaginary * state->hop_sine[k];
    float beside_imaginary = turn_imaginary * state->hop_cosine[k] - turn_real * state->hop_sine[k];
    return atan2f(beside_imaginary, beside_real) * (1000.0F / HOP_MS / (2.0F * (float)M_PI));
}

/* The mean square of a tone at `error` Hz beside filter k: a Hann window's response undone. */
static float tone_power(const rm_dtmf *state, float real, float imaginary, float error)
{
    float bins = fabsf(error) * WINDOW_MS / 1000.0F + 1e-3F;
    float response = sinf((float)M_PI * bins) / ((float)M_PI * bins * (1.0F - bins * bins));
    float amplitude_square = (real * real + imaginary * imaginary) / (response * response);
    return 8.0F * amplitude_square / ((float)state->window * (float)state->window);
}

static int strongest(const float *real, const float *imaginary, int from)
{
    int best = from;
    float most = -1.0F;
    for (int k = from; k < from + RM_DTMF_TONES / 2; k++) {
        float power = real[k] * real[k] + imaginary[k] * imaginary[k];
        if (power > most) {
            most = power;
            best = k;
        }
    }
    return best;
}

static inline float ratio(float decibels)
{
    return powf(10.0F, decibels / 10.0F);
}

/* The smallest mean square of a tone. */
static float power_limit(void)
{
    return 32768.0F * 32768.0F / 2.0F * ratio(LEVEL_LIMIT_DBM0 - FULL_SINE_DBM0);
}

static int levels_fit(float row, float column, float total)
{
    return row >= power_limit() && column >= power_limit() && row + column >= SHARE_LIMIT * total
           && column <= row * ratio(COLUMN_ABOVE_LIMIT_DB)
           && row <= column * ratio(ROW_ABOVE_LIMIT_DB);
}

/* Looks at the full window. Returns whether it is a hit, with the pair and its errors in *hit. */
static int analyse(rm_dtmf *state, rm_dtmf_pair *hit)
{
    float weighed[RM_DTMF_WINDOW_LIMIT], real[RM_DTMF_TONES] = {0}, imaginary[RM_DTMF_TONES] = {0};
    float total = weigh(state, weighed);
    int found = 0;
    if (total >= power_limit()) { /* else silence, and no phase for the next window to refer to */
        goertzel(state, weighed, real, imaginary);
        int row = strongest(real, imaginary, 0);
        int column = strongest(real, imaginary, RM_DTMF_TONES / 2);
        float row_error = error_hz(state, real, imaginary, row);
        float column_error = error_hz(state, real, imaginary, column);
        found = fabsf(row_error) <= HOP_FREQUENCY_LIMIT * NOMINAL_HZ[row]
                && fabsf(column_error) <= HOP_FREQUENCY_LIMIT * NOMINAL_HZ[column]
                && levels_fit(tone_power(state, real[row], imaginary[row], row_error),
                              tone_power(state, real[column], imaginary[column], column_error),
                              total);
        *hit = (rm_dtmf_pair){.row = row, .column = column - RM_DTMF_TONES / 2, .hits = 1,
                              .error_hz = {row_error, column_error},
                              .first = state->position, .last = state->position};
    }
    memcpy(state->real, real, sizeof real);
    memcpy(state->imaginary, imaginary, sizeof imaginary);
    return found;
}

static int frequencies_fit(const rm_dtmf_pair *pair)
{
    float limit = MEAN_FREQUENCY_LIMIT * (float)pair->hits;
    return fabsf(pair->error_hz[0]) <= limit * NOMINAL_HZ[pair->row]
           && fabsf(pair->error_hz[1]) <= limit * NOMINAL_HZ[pair->column + RM_DTMF_TONES / 2];
}

/* Forget the pair; report it when it was a digit. */
static void end_pair(rm_dtmf *state, rm_dtmf_digit *digit)
{
    const rm_dtmf_pair *pair = &state->pair;
    if (pair->confirmed) {
        uint64_t edge = (uint64_t)(EDGE_MS * (float)state->rate_hz / 1000.0F);
        uint64_t before = state->window - edge; /* of the first window's end */
        digit->symbol = SYMBOLS[pair->row][pair->column];
        digit->start = pair->first > before ? pair->first - before : 0;
        /* Of tones that follow without a gap, one window may hit for each within the same 20 ms. */
        digit->start = digit->start > state->ended ? digit->start : state->ended;
        digit->samples = pair->last - edge - digit->start;
        state->ended = pair->last - edge;
    }
    state->pair.hits = 0;
    state->pair.confirmed = 0;
}

/* Whether the hit is the pair going on. A voice's harmonics glide through the nominal frequencies,
 * 5 to 10 Hz from one window to the next; a tone stays where it is. */
static int continues(const rm_dtmf_pair *pair, const rm_dtmf_pair *hit)
{
    if (pair->hits == 0 || hit->row != pair->row || hit->column != pair->column)
        return 0;
    float limit = STEADY_LIMIT_HZ * (float)pair->hits;
    return pair->confirmed
           || (fabsf((float)pair->hits * hit->error_hz[0] - pair->error_hz[0]) <= limit
               && fabsf((float)pair->hits * hit->error_hz[1] - pair->error_hz[1]) <= limit);
}

static void join(rm_dtmf_pair *pair, const rm_dtmf_pair *hit)
{
    pair->hits++;
    pair->misses = 0;
    pair->error_hz[0] += hit->error_hz[0];
    pair->error_hz[1] += hit->error_hz[1];
    pair->last = hit->last;
    if (pair->hits >= HITS_TO_CONFIRM && frequencies_fit(pair))
        pair->confirmed = 1;
}

static void account(rm_dtmf *state, rm_dtmf_digit *digit)
{
    rm_dtmf_pair hit, *pair = &state->pair;
    int found = analyse(state, &hit);
    if (found && continues(pair, &hit)) {
        join(pair, &hit);
    } else if (found) {
        end_pair(state, digit);
        *pair = hit;
    } else if (pair->hits && (!pair->confirmed || ++pair->misses >= MISSES_TO_END)) {
        end_pair(state, digit);
    }
}

size_t rm_dtmf_push(rm_dtmf *state, const int16_t *in, size_t n, rm_dtmf_digit *digit)
{
    size_t taken = 0;
    digit->symbol = 0;
    while (taken < n && digit->symbol == 0) {
        size_t part = state->window - state->filled;
        part = part < n - taken ? part : n - taken;
        memcpy(state->pcm + state->filled, in + taken, part * sizeof *in);
        state->filled += (uint32_t)part;
        state->position += part;
        taken += part;
        if (state->filled == state->window) {
            account(state, digit);
            state->filled -= state->hop;
            memmove(state->pcm, state->pcm + state->hop, state->filled * sizeof *in);
        }
    }
    return taken;
}
