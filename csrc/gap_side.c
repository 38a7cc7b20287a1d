/* One side of a gap; see gap_side.h. Constants are the best of those tried by PESQ, over loss
 * patterns, voices and languages (docs/media-quality.md). */
#include "gap_side.h"

#include <math.h>
#include <string.h>

#include "fade.h"
#include "lpc.h"

enum {
    LAGS_MAX = 15 * 8 + 1,
    MATCHED_MS = 8,  /* longer ones prefer an average of the past to its newest sound */
    LEAST_MATCHED_MS = 5,
    LONGEST_LAG_MS = 15, /* 66 Hz, as in G.711 Appendix I */
    UNVOICED_CYCLE_MS = 10,
    SPECTRUM_MS = 20,
    ORDER = RM_LPC_ORDER_MAX,
};
static const float SHORTEST_LAG_MS = 2.5F;
static const float AS_GOOD = 0.95F;  /* of the best match: then the shorter lag is the period */
static const float VOICED = 0.5F;
static const float OVERLAP = 0.25F;  /* of a lag, where the cycle's end meets its beginning */
static const float DENORMAL = 1e-20F;

static uint32_t in_ms(uint32_t rate_hz, float ms) { return (uint32_t)((float)rate_hz * ms / 1000.0F); }

/* What lags are compared by. */
typedef struct search {
    const float *end; /* behind the newest sample */
    uint32_t n, longest;
    double energy[RM_GAP_SIDE_HEARD + 1]; /* of all before a sample; whole numbers: nothing is lost */
} search;

static void search_begin(search *s, const float *heard, uint32_t n, uint32_t rate_hz)
{
    s->end = heard + n;
    s->n = n;
    s->longest = in_ms(rate_hz, MATCHED_MS);
    s->energy[0] = 0;
    for (uint32_t i = 0; i < n; i++)
        s->energy[i + 1] = s->energy[i] + (double)heard[i] * heard[i];
}

/* The normalised correlation of the newest sound with that a lag earlier. */
static float likeness(const search *s, uint32_t lag)
{
    uint32_t n = s->n, length = n - lag < s->longest ? n - lag : s->longest;
    float product = rm_dot(s->end - length, s->end - length - lag, length);
    double newest = s->energy[n] - s->energy[n - length] + length;
    double earlier = s->energy[n - lag] - s->energy[n - lag - length] + length;
    return product / sqrtf((float)(newest * earlier));
}

/* The best lag; of those nearly as good that are a peak the shortest, which avoids two periods
 * being taken for one. */
static uint32_t choose(const float *match, uint32_t count)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < count; i++)
        if (match[i] > match[best])
            best = i;
    for (uint32_t i = 1; i < best; i++)
        if (match[i] > AS_GOOD * match[best] && match[i] >= match[i - 1]
            && match[i] >= match[i + 1])
            return i;
    return best;
}

float rm_peak_offset(const float *peak)
{
    float bend = peak[-1] - 2 * peak[0] + peak[1];
    return bend < 0 ? rm_clamp(0.5F * (peak[-1] - peak[1]) / bend, -0.5F, 0.5F) : 0;
}

/* Climb to the peak beside a lag, and find its top between the samples. */
static void settle(rm_gap_side *side, const search *s, uint32_t lag, uint32_t low, uint32_t high)
{
    float offset = 0;
    for (int tries = 0; tries < 2 && lag > low && lag < high; tries++) {
        float peak[] = {likeness(s, lag - 1), likeness(s, lag), likeness(s, lag + 1)};
        if (peak[1] >= peak[0] && peak[1] >= peak[2]) {
            offset = rm_peak_offset(peak + 1);
            break;
        }
        lag = peak[2] > peak[0] ? lag + 1 : lag - 1;
    }
    side->lag = lag;
    side->period = (float)lag + offset;
    side->match = rm_clamp(likeness(s, lag), 0, 1);
}

/* Lags are tried at the spacing of 8 kHz; at 16 kHz the best lies beside the chosen one, at most. */
static void find_lag(rm_gap_side *side, const float *heard, uint32_t n, uint32_t rate_hz)
{
    search s;
    float match[LAGS_MAX];
    uint32_t low = in_ms(rate_hz, SHORTEST_LAG_MS), high = in_ms(rate_hz, LONGEST_LAG_MS);
    uint32_t least = in_ms(rate_hz, LEAST_MATCHED_MS), step = rate_hz / 8000, count = 0;
    side->lag = n < low ? (n ? n : 1) : low;
    side->period = (float)side->lag;
    side->match = 0;
    if (n < low + least)
        return;
    search_begin(&s, heard, n, rate_hz);
    high = n - least < high ? n - least : high;
    for (uint32_t lag = low; lag <= high; lag += step)
        match[count++] = likeness(&s, lag);
    settle(side, &s, low + step * choose(match, count), low, high);
}

static uint32_t cycle_of(const rm_gap_side *side, uint32_t n, uint32_t wanted)
{
    uint32_t lags = (wanted + side->lag - 1) / side->lag;
    lags = lags ? lags : 1;
    while (lags > 1 && (lags * side->lag > RM_GAP_SIDE_CYCLE || (lags + 1) * side->lag > n))
        lags--;
    return lags * side->lag;
}

/* Cut the cycle out and blend its end into what stood before its beginning, so that it closes. */
static void cut_cycle(rm_gap_side *side, const float *heard, uint32_t n)
{
    float *cycle = side->source + RM_GAP_SIDE_GUARD;
    uint32_t length = side->cycle, overlap = (uint32_t)(OVERLAP * (float)side->lag);
    memset(side->source, 0, sizeof side->source);
    if (n < length)
        return;
    memcpy(cycle, heard + n - length, length * sizeof *cycle);
    overlap = length + overlap > n ? n - length : overlap;
    const float *before = heard + n - length - overlap;
    for (uint32_t i = 0; i < overlap; i++) {
        float weight = (float)(i + 1) / (float)(overlap + 1), *at = cycle + length - overlap + i;
        *at += weight * (before[i] - *at);
    }
    for (uint32_t i = 0; i < RM_GAP_SIDE_GUARD; i++) {
        cycle[length + i] = cycle[i % length];
        side->source[RM_GAP_SIDE_GUARD - 1 - i] = cycle[length - 1 - i % length];
    }
}

static void spectrum(const float *heard, uint32_t n, float *a)
{
    float x[RM_GAP_SIDE_HEARD], r[ORDER + 1];
    uint32_t half = n / 2;
    rm_fade fade = rm_fade_over(half);
    x[half] = heard[half]; /* of an odd number the middle; else overwritten */
    for (uint32_t i = 0; i < half; i++) {
        float weight = rm_fade_next(&fade);
        x[half - 1 - i] = weight * heard[half - 1 - i];
        x[n - half + i] = weight * heard[n - half + i];
    }
    rm_autocorrelate(x, n, ORDER, r);
    rm_levinson(r, ORDER, a, NULL);
}

/* Let the difference at the edge ring out, faded by a raised cosine. */
static void ring_out(rm_gap_side *side, const float *heard, uint32_t n, uint32_t rate_hz)
{
    uint32_t analysed = in_ms(rate_hz, SPECTRUM_MS), cycle = side->cycle;
    analysed = n < analysed ? n : analysed;
    side->ring_length = 0;
    if (n < cycle + ORDER || analysed < in_ms(rate_hz, LEAST_MATCHED_MS))
        return;
    float a[ORDER + 1], memory[ORDER + RM_GAP_SIDE_RING], *ring = memory + ORDER;
    spectrum(heard + n - analysed, analysed, a);
    for (uint32_t i = 1; i <= ORDER; i++)
        memory[ORDER - i] = heard[n - i] - heard[n - cycle - i];
    side->ring_length = in_ms(rate_hz, 5);
    rm_fade fade = rm_fade_over(side->ring_length);
    for (uint32_t t = 0; t < side->ring_length; t++) {
        float value = 0;
        for (int j = 1; j <= ORDER; j++)
            value -= a[j] * ring[(int)t - j];
        ring[t] = fabsf(value) < DENORMAL ? 0 : value;
        side->ring[t] = ring[t] * rm_fade_next(&fade);
    }
}

void rm_gap_side_begin(
    rm_gap_side *side, const float *heard, uint32_t n, uint32_t rate_hz, uint32_t cycle_ms)
{
    find_lag(side, heard, n, rate_hz);
    uint32_t wanted = side->match < VOICED ? UNVOICED_CYCLE_MS : cycle_ms;
    side->cycle = cycle_of(side, n, in_ms(rate_hz, (float)wanted));
    side->speed = (float)side->lag / side->period;
    cut_cycle(side, heard, n);
    ring_out(side, heard, n, rate_hz);
}

float rm_gap_side_at(const rm_gap_side *side, float position)
{
    float at = position * side->speed;
    int32_t whole = (int32_t)at, cycle = (int32_t)side->cycle;
    whole -= (float)whole > at; /* downwards: floorf would be a call */
    float f = at - (float)whole;
    int32_t within = whole % cycle;
    const float *c = side->source + RM_GAP_SIDE_GUARD + (within < 0 ? within + cycle : within);
    /* The cubic through both samples with the slopes of their neighbours (Catmull and Rom). */
    float slope = c[1] - c[-1], bend = 2 * c[-1] - 5 * c[0] + 4 * c[1] - c[2];
    float twist = 3 * (c[0] - c[1]) + c[2] - c[-1];
    return c[0] + 0.5F * f * (slope + f * (bend + f * twist));
}

void rm_gap_side_read(const rm_gap_side *side, float position, float *out, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = rm_gap_side_at(side, position + (float)i);
}
