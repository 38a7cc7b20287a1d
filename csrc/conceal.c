/* Loss concealment; see conceal.h. Constants are the best of those tried by PESQ, over loss
 * patterns, voices and languages (docs/media-quality.md). */
#include "conceal.h"

#include <math.h>
#include <string.h>

#include "fade.h"
#include "lpc.h"

enum {
    HISTORY_MS = 60,
    BLOCK_MS = 10,
    HOLD_MS = 15,
    FADE_MS = 100,
    REPAIR_MS = 2,
    LEAST_AHEAD_MS = 5,
    ALIGNED_MS = 10,
    COMPARED_MS = 8,         /* levels of so much sound, or a whole period, tell whether it falls */
    FALLING_MS = 20,         /* that long it goes on falling */
    LONGEST_BRIDGE_MS = 500, /* of a longer gap the beginning is extrapolated */
    FORWARD_CYCLE_MS = 5,    /* short cycles buzz when they are repeated often */
    BRIDGE_CYCLE_MS = 1,     /* one lag: the newest is the nearest */
    ALIGNED_MAX = ALIGNED_MS * 16,
    SHIFTS_MAX = 15 * 16 + 2,
};
static const float VOICED = 0.5F;
static const float SAME_VOICE = 1.2F; /* pitch before and after a gap differs less, or is not one */
static const float INAUDIBLE = 1e-4F;
static const float DEEPEST_FALL = 0.3F;
static const float NOISE_PEAK = 4.0F; /* of Gaussian noise, in root mean squares */

static uint32_t in_ms(const rm_conceal *c, uint32_t ms) { return c->rate_hz / 1000 * ms; }

void rm_conceal_init(rm_conceal *c, uint32_t rate_hz)
{
    memset(c, 0, sizeof *c);
    c->rate_hz = rate_hz;
    c->kept = in_ms(c, HISTORY_MS);
    rm_noise_floor_init(&c->floor);
    rm_comfort_noise_init(&c->noise);
}

static void keep(rm_conceal *c, const int16_t *pcm, size_t n)
{
    if (n < c->kept) {
        memmove(c->history, c->history + n, (c->kept - n) * sizeof *pcm);
        memcpy(c->history + c->kept - n, pcm, n * sizeof *pcm);
    } else {
        memcpy(c->history, pcm + n - c->kept, c->kept * sizeof *pcm);
    }
}

static int16_t rounded(float value, float loudest)
{
    return (int16_t)rm_nearest(rm_clamp(value, -loudest, loudest));
}

/* Widen samples, in order or with time reversed; gives the largest magnitude. */
static float widen(const int16_t *pcm, uint32_t n, bool reversed, float *out)
{
    int32_t low = 0, high = 0;
    for (uint32_t i = 0; i < n; i++) {
        int16_t value = pcm[reversed ? n - 1 - i : i];
        low = value < low ? value : low;
        high = value > high ? value : high;
        out[i] = value;
    }
    return rm_clamp((float)(high > -low ? high : -low), 0, INT16_MAX);
}

/* The level of the newest periods beside that of those before them; 1 when they are not quieter. */
static float fall_of(const rm_conceal *c, const float *end)
{
    uint32_t length = c->before.lag, least = in_ms(c, COMPARED_MS);
    length *= (least + length - 1) / length;
    if (2 * length > c->kept)
        return 1;
    float newest = rm_dot(end - length, end - length, length) + (float)length;
    float earlier = rm_dot(end - 2 * length, end - 2 * length, length) + (float)length;
    return rm_clamp(sqrtf(newest / earlier), DEEPEST_FALL, 1);
}

static void begin(rm_conceal *c, bool one_sided)
{
    float heard[RM_GAP_SIDE_HEARD];
    float loudest = widen(c->history, c->kept, false, heard);
    uint32_t cycle_ms = one_sided ? FORWARD_CYCLE_MS : BRIDGE_CYCLE_MS;
    rm_gap_side_begin(&c->before, heard, c->kept, c->rate_hz, cycle_ms);
    c->fall = one_sided ? fall_of(c, heard + c->kept) : 1;
    rm_noise_floor_apply(&c->floor, &c->noise);
    c->loudest = fmaxf(loudest, NOISE_PEAK * rm_noise_floor_rms(&c->floor));
    c->active = true;
    c->gap = c->repair = 0;
}

/* How much of the repeated sound is left so far from its edge. */
static float gain_at(const rm_conceal *c, size_t distance)
{
    size_t hold = in_ms(c, HOLD_MS), fade = in_ms(c, FADE_MS);
    if (distance <= hold)
        return 1;
    return distance >= hold + fade ? 0 : 1 - (float)(distance - hold) / (float)fade;
}

/* The same of the sound before the gap, which may have been falling. */
static float forward_gain(const rm_conceal *c)
{
    float fallen = rm_clamp((float)c->gap / (float)in_ms(c, FALLING_MS), 0, 1);
    return gain_at(c, c->gap) * (1 + fallen * (c->fall - 1));
}

/* Noise for what is still to come of a call's samples, made when the first of it is needed. */
typedef struct supply {
    float noise[RM_COMFORT_NOISE_BLOCK];
    size_t at, made;
} supply;

static float next_noise(rm_conceal *c, supply *s, size_t to_come)
{
    if (s->at == s->made) {
        s->made = to_come < RM_COMFORT_NOISE_BLOCK ? to_come : RM_COMFORT_NOISE_BLOCK;
        s->at = 0;
        rm_comfort_noise_block(&c->noise, s->noise, s->made);
    }
    return s->noise[s->at++];
}

/* The next sample of a gap whose end is not here; to_come: as far as is known, with this one. */
static float go_on(rm_conceal *c, supply *s, size_t to_come)
{
    float sound = 0, gain = forward_gain(c), left = gain_at(c, c->gap);
    if (gain > 0) {
        sound = rm_gap_side_at(&c->before, (float)c->gap) + rm_gap_side_ring(&c->before, c->gap);
        c->gap++;
    }
    return gain * sound + (left < 1 ? (1 - left) * next_noise(c, s, to_come) : 0);
}

void rm_conceal_extrapolate(rm_conceal *c, int16_t *out, size_t n)
{
    if (n == 0)
        return;
    if (!c->active)
        begin(c, true);
    supply s = {.at = 0, .made = 0};
    size_t i = 0;
    for (; i < n && c->gap < in_ms(c, HOLD_MS + FADE_MS); i++)
        out[i] = rounded(go_on(c, &s, n - i), c->loudest);
    for (; i < n; i++) /* the sound has faded */
        out[i] = rounded(next_noise(c, &s, n - i), c->loudest);
    c->closed = false;
    keep(c, out, n);
}

void rm_conceal_filled(rm_conceal *c, const int16_t *pcm, size_t n)
{
    if (n == 0)
        return;
    if (!c->active)
        begin(c, true);
    c->gap = in_ms(c, HOLD_MS + FADE_MS);
    c->closed = false;
    keep(c, pcm, n);
}

/* How a gap is crossed: position before(t) of the forward sound, and that of the later sound. */
typedef struct crossing {
    float length; /* of the gap, or what is left of it */
    float shift;  /* the forward sound's position at the gap's end, less the length */
    float pace;   /* and its speed there; 1 at the beginning */
} crossing;

/* The position within the gap, moving as a cubic from pace 1 to the last pace. */
static float position_at(const crossing *x, float t)
{
    float u = t / x->length, squared = u * u, cubed = squared * u;
    return x->length * (cubed - 2 * squared + u + x->pace * (cubed - squared))
        + (x->length + x->shift) * (3 * squared - 2 * cubed);
}

/* The shift, about `expected`, at which the forward sound after n samples is most like what comes;
 * returns the normalised correlation there. */
static float align(
    const rm_conceal *c, size_t n, const float *ahead, uint32_t length, float expected, float *shift)
{
    float sound[SHIFTS_MAX + ALIGNED_MAX], match[SHIFTS_MAX] = {0};
    int32_t half = (int32_t)c->before.lag / 2, low = (int32_t)lrintf(expected) - half;
    int32_t count = 2 * half + 1, best = 0;
    float energy = rm_dot(ahead, ahead, length) + (float)length;
    rm_gap_side_read(&c->before, (float)(c->gap + n) + (float)low, sound, (uint32_t)count + length);
    double own = 0; /* in double, so that what is taken away again was there */
    for (uint32_t i = 0; i < length; i++)
        own += (double)sound[i] * sound[i];
    for (int32_t i = 0; i < count; i++) {
        const float *at = sound + i;
        match[i] = rm_dot(at, ahead, length) / sqrtf(energy * ((float)own + (float)length));
        own += (double)at[length] * at[length] - (double)at[0] * at[0];
        if (match[i] > match[best])
            best = i;
    }
    *shift = (float)(low + best);
    if (best > 0 && best < count - 1)
        *shift += rm_peak_offset(match + best);
    return match[best];
}

static crossing plan(const rm_conceal *c, const rm_gap_side *after, size_t n, const float *ahead,
                     uint32_t n_ahead)
{
    crossing straight = {(float)n, 0, 1}, bent = straight;
    uint32_t length = in_ms(c, ALIGNED_MS);
    float pace = c->before.period / after->period;
    bool known = after->match > VOICED && pace < SAME_VOICE && pace > 1 / SAME_VOICE;
    float expected = known ? bent.length * (pace - 1) / 2 : 0;
    length = n_ahead < length ? n_ahead : length;
    if (c->before.match <= VOICED || align(c, n, ahead, length, expected, &bent.shift) < VOICED)
        return straight;
    if (!known)
        pace = rm_clamp(1 + 2 * bent.shift / bent.length, 1 / SAME_VOICE, SAME_VOICE);
    bent.pace = pace;
    return bent;
}

/* The gap's n samples, from the forward sound to the backward one. Each fades with the distance from
 * its own edge, and what both leave is filled with the background. */
static void cross(rm_conceal *c, const rm_gap_side *after, const crossing *x, int16_t *out, size_t n)
{
    rm_fade fade = rm_fade_over(n);
    float slower = 1 / x->pace;
    supply s = {.at = 0, .made = 0};
    for (size_t i = 0; i < n; i++, c->gap++) {
        size_t distance = n - 1 - i;
        float position = position_at(x, (float)i), weight = rm_fade_next(&fade);
        float left = (x->length + x->shift - position) * slower;
        float forward = rm_gap_side_at(&c->before, (float)c->gap - (float)i + position);
        float backward = rm_gap_side_at(after, left - 1);
        float of_forward = weight * forward_gain(c);
        float of_backward = (1 - weight) * gain_at(c, distance);
        float value = of_forward * (forward + rm_gap_side_ring(&c->before, c->gap))
            + of_backward * (backward + rm_gap_side_ring(after, distance));
        float rest = 1 - of_forward - of_backward;
        if (rest > INAUDIBLE)
            value += rest * next_noise(c, &s, n - i);
        out[i] = rounded(value, c->loudest);
    }
}

void rm_conceal_bridge(
    rm_conceal *c, int16_t *out, size_t n, const int16_t *ahead, size_t n_ahead)
{
    size_t longest = in_ms(c, LONGEST_BRIDGE_MS);
    if (n == 0)
        return;
    if (n_ahead < in_ms(c, LEAST_AHEAD_MS)) {
        rm_conceal_extrapolate(c, out, n);
        return;
    }
    if (n > longest) {
        rm_conceal_extrapolate(c, out, n - longest);
        out += n - longest;
        n = longest;
    }
    if (!c->active)
        begin(c, false);
    rm_gap_side after;
    float reversed[RM_GAP_SIDE_HEARD], later[RM_GAP_SIDE_HEARD];
    uint32_t used = n_ahead < c->kept ? (uint32_t)n_ahead : c->kept;
    c->loudest = fmaxf(c->loudest, widen(ahead, used, false, later));
    widen(ahead, used, true, reversed);
    rm_gap_side_begin(&after, reversed, used, c->rate_hz, BRIDGE_CYCLE_MS);
    crossing x = plan(c, &after, n, later, used);
    cross(c, &after, &x, out, n);
    c->closed = true;
    keep(c, out, n);
}

static void repair(rm_conceal *c, int16_t *pcm, size_t n)
{
    uint32_t whole = in_ms(c, REPAIR_MS);
    supply s = {.at = 0, .made = 0};
    for (size_t i = 0; i < n && c->repair; i++, c->repair--) { /* in pieces of any size */
        float done = ((float)(whole - c->repair) + 0.5F) / (float)whole;
        float weight = 0.5F + 0.5F * cosf((float)M_PI * done);
        size_t to_come = n - i < c->repair ? n - i : c->repair;
        pcm[i] = rounded(weight * go_on(c, &s, to_come) + (1 - weight) * pcm[i], INT16_MAX);
    }
}

/* Into the history, a block of the background at a time. */
static void listen(rm_conceal *c, const int16_t *pcm, size_t n)
{
    uint32_t block = in_ms(c, BLOCK_MS);
    while (n) {
        size_t part = n < block - c->heard ? n : block - c->heard;
        keep(c, pcm, part);
        c->heard += (uint32_t)part;
        pcm += part;
        n -= part;
        if (c->heard == block) {
            rm_noise_floor_update(&c->floor, c->history + c->kept - block, block);
            c->heard = 0;
        }
    }
}

void rm_conceal_heard(rm_conceal *c, int16_t *pcm, size_t n)
{
    if (n == 0)
        return;
    if (c->active) {
        c->repair = c->closed ? 0 : in_ms(c, REPAIR_MS);
        c->active = c->closed = false;
        c->heard = 0;
    }
    repair(c, pcm, n);
    listen(c, pcm, n);
}
