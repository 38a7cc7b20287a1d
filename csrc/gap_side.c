/* One side of a gap; see gap_side.h. Constants are the best of those tried by PESQ, over loss
 * patterns, voices and languages (docs/media-quality.md). */
#include "gap_side.h"

#include <math.h>
#include <string.h>

#include "fade.h"
#include "lpc.h"

enum {
    LAGS_MAX = 15 * 16 + 1,
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

/* The normalised correlation of the newest sound with that a lag earlier, for each lag. */
static void correlate(
    const float *heard, uint32_t n, uint32_t rate_hz, uint32_t low, uint32_t high, float *match)
{
    double energy[RM_GAP_SIDE_HEARD + 1]; /* of all before; whole numbers, so nothing is lost */
    energy[0] = 0;
    for (uint32_t i = 0; i < n; i++)
        energy[i + 1] = energy[i] + (double)heard[i] * heard[i];
    for (uint32_t lag = low; lag <= high; lag++) {
        uint32_t length = in_ms(rate_hz, MATCHED_MS);
        length = n - lag < length ? n - lag : length;
        float product = rm_dot(heard + n - length, heard + n - length - lag, length);
        double newest = energy[n] - energy[n - length] + length;
        double earlier = energy[n - lag] - energy[n - lag - length] + length;
        match[lag - low] = product / sqrtf((float)(newest * earlier));
    }
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
    return bend < 0 ? fminf(fmaxf(0.5F * (peak[-1] - peak[1]) / bend, -0.5F), 0.5F) : 0;
}

static void find_lag(rm_gap_side *side, const float *heard, uint32_t n, uint32_t rate_hz)
{
    float match[LAGS_MAX];
    uint32_t low = in_ms(rate_hz, SHORTEST_LAG_MS), high = in_ms(rate_hz, LONGEST_LAG_MS);
    uint32_t least = in_ms(rate_hz, LEAST_MATCHED_MS);
    side->lag = n < low ? (n ? n : 1) : low;
    side->period = (float)side->lag;
    side->match = 0;
    if (n < low + least)
        return;
    high = n - least < high ? n - least : high;
    correlate(heard, n, rate_hz, low, high, match);
    uint32_t count = high - low + 1, chosen = choose(match, count);
    side->lag = low + chosen;
    side->period = (float)side->lag;
    if (chosen > 0 && chosen < count - 1)
        side->period += rm_peak_offset(match + chosen);
    side->match = fminf(fmaxf(match[chosen], 0), 1);
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
    cut_cycle(side, heard, n);
    ring_out(side, heard, n, rate_hz);
}

static int32_t wrapped(int32_t position, uint32_t cycle)
{
    int32_t within = position % (int32_t)cycle;
    return within < 0 ? within + (int32_t)cycle : within;
}

float rm_gap_side_at(const rm_gap_side *side, float position)
{
    float at = position * (float)side->lag / side->period, whole = floorf(at), f = at - whole;
    const float *c = side->source + RM_GAP_SIDE_GUARD + wrapped((int32_t)whole, side->cycle);
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
