/* When to change the delay of the playout, and how: the third of adaptive.c that decides.
 *
 *   pause   cut or repeat what makes the delay cheapest when it gains something at once, or a little
 *           for long: where it was no pause after all, it is heard
 *   speech  leave out one pitch period where it repeats itself well, and only when much is to be
 *           gained: each such event is heard. A delay that is too short grows by waiting
 *
 * A packet is needed at the tick in which its first sample is put out. So the delay is changed such
 * that packets begin where ticks begin: any other place costs delay and wins no time. */
#include <math.h>
#include <string.h>

#include "adaptive_parts.h"
#include "stretch.h"

enum {
    CUT_MAX_MS = 60,
    ADD_MAX_MS = 40,
    AHEAD_MS = 30, /* this much of what follows must be pause too */
    APART_MS = 120,       /* between two changes inside speech */
    APART_HURRIED_MS = 60,
    LONG_PAUSE = 20,      /* blocks of 10 ms */
    FLOOR_WINDOW = 50, /* blocks of 10 ms: the floor is the least of 8 s */
};
/* MOS to be gained before anything is done. */
#define GAIN_IN_PAUSE 0.05f
#define GAIN_ADD_IN_PAUSE 0.03f
/* Or so little, once so many MOS × seconds were lost by not doing it, and in a pause that is certain. */
#define GAIN_LEAST 0.01f
#define REGRET 0.25f
#define CUT_IN_SPEECH_MS 40.0
#define HURRIED_MS 120.0
/* A stretch inside speech costs what 100 ms of delay for a second cost: so it is not done before
 * that much has been suffered waiting for a pause. MOS × seconds. */
#define PATIENCE 1.4f
#define PERIODIC 0.9f
/* Pauses: up to twice the floor's amplitude, 20 dB under speech, and never louder than -50 dBov as
 * long as no speech was heard. */
#define OVER_FLOOR 9.0f
#define UNDER_PEAK 0.01f
#define QUIET 10000.0f
#define SILENCE 400.0f
#define PEAK_DECAY 0.9995f

/* --- loudness ---------------------------------------------------------------------------- */

void rm_loudness_init(rm_loudness *l)
{
    *l = (rm_loudness){.floor = INFINITY};
    for (int i = 0; i < RM_FLOOR_WINDOWS; i++)
        l->minima[i] = INFINITY;
}

static float pause_limit(const rm_loudness *l)
{
    float limit = fmaxf(OVER_FLOOR * l->floor, SILENCE);
    return fminf(limit, fmaxf(QUIET, UNDER_PEAK * l->peak));
}

void rm_loudness_heard(rm_loudness *l, const int16_t *pcm, size_t n, bool real)
{
    memmove(l->recent, l->recent + 1, 2 * sizeof *l->recent);
    l->recent[2] = rm_power(pcm, n);
    l->quiet = l->recent[2] <= pause_limit(l) ? l->quiet + 1 : 0;
    if (!real)
        return;
    float power = (l->recent[1] + l->recent[2]) / 2;
    l->peak = fmaxf(l->peak * PEAK_DECAY, power);
    float *newest = &l->minima[RM_FLOOR_WINDOWS - 1];
    *newest = fminf(*newest, power);
    l->floor = fminf(l->floor, power);
    if (++l->blocks < FLOOR_WINDOW)
        return;
    l->blocks = 0;
    memmove(l->minima, l->minima + 1, (RM_FLOOR_WINDOWS - 1) * sizeof *l->minima);
    *newest = INFINITY;
    l->floor = INFINITY;
    for (int i = 0; i < RM_FLOOR_WINDOWS; i++)
        l->floor = fminf(l->floor, l->minima[i]);
    l->floor = fminf(l->floor, power);
}

static bool was_quiet(const rm_loudness *l)
{
    float limit = pause_limit(l);
    return l->recent[0] <= limit && l->recent[1] <= limit && l->recent[2] <= limit;
}

static bool is_quiet(const rm_loudness *l, const int16_t *pcm, size_t n, size_t block)
{
    float limit = pause_limit(l);
    for (size_t at = 0; at + block <= n; at += block)
        if (rm_power(pcm + at, block) > limit)
            return false;
    return true;
}

/* --- cost -------------------------------------------------------------------------------- */

float rm_adaptive_cost(const rm_adaptive *a, double margin_ms, double delay_ms)
{
    if (a->fixed_ms >= 0)
        return 0.005f * fabsf((float)delay_ms - (float)a->fixed_ms);
    return rm_jitter_cost(&a->jitter, margin_ms, delay_ms);
}

typedef struct plan {
    int32_t cut; /* samples; negative: add */
    float gain;
} plan;

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
    while (b > 0) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The change that makes the delay cheapest, cutting at most `limit` samples. */
static plan best_change(const rm_adaptive *a, double delay_ms, int32_t limit)
{
    double per_ms = a->rate_hz / 1000.0;
    const rm_piece *first = &a->backlog.pieces[a->backlog.head];
    int32_t grid = (int32_t)common_divisor(a->timeline.lost_run, a->tick);
    int32_t into = (int32_t)((first->start + first->samples - a->play) % grid);
    double spare = ((int32_t)a->tick - grid) / per_ms;
    float now = rm_adaptive_cost(a, delay_ms - into / per_ms - spare, delay_ms);
    plan best = {0, 0};
    int32_t least = into - (ADD_MAX_MS + 10) * (int32_t)(a->rate_hz / 1000);
    for (int32_t cut = into + (limit - into) / grid * grid; cut >= least; cut -= grid) {
        if (cut > limit || cut == 0)
            continue;
        double delay = delay_ms - cut / per_ms;
        float gain = now - rm_adaptive_cost(a, delay - spare, delay);
        if (gain > best.gain)
            best = (plan){cut, gain};
    }
    return best;
}

/* --- the two ways to change --------------------------------------------------------------- */

/* From `play` to what comes `cut` samples later, under a cross-fade of n. */
static void leave_out(rm_adaptive *a, const int16_t *ahead, size_t cut, size_t n)
{
    rm_cross_fade(a->queue + a->queued, ahead, ahead + cut, n);
    for (uint32_t i = 0; i < a->backlog.count; i++) {
        rm_piece *piece = rm_backlog_piece(&a->backlog, i);
        if (piece->start < a->play + (int64_t)(cut + n))
            piece->heard = true;
    }
    a->play += (int64_t)(cut + n);
    rm_adaptive_put_real(a, n, false);
}

/* The last `add` samples once more, under a cross-fade of n into them; the position stays. */
static void repeat(rm_adaptive *a, const int16_t *ahead, size_t add, size_t n)
{
    int16_t *out = a->queue + a->queued;
    rm_backlog_read(&a->backlog, a->play - (int64_t)add, out, add);
    rm_cross_fade(out, ahead, out, n);
    rm_adaptive_put_real(a, add, false);
}

static bool worth_it(const rm_adaptive *a, float gain, float enough)
{
    bool patient = a->regretted > REGRET && a->loudness.quiet >= LONG_PAUSE;
    return gain >= enough || (gain >= GAIN_LEAST && patient);
}

static bool adjust_in_pause(rm_adaptive *a, plan change, const int16_t *ahead, size_t run)
{
    size_t step = a->rate_hz / 100;
    if (change.cut > 0) {
        size_t used = (size_t)change.cut + step;
        a->suffered = 0;
        if (!worth_it(a, change.gain, GAIN_IN_PAUSE) || used > run
            || !is_quiet(&a->loudness, ahead, run, step))
            return false;
        leave_out(a, ahead, (size_t)change.cut, step);
        a->counters.cut_in_pause += (uint64_t)change.cut;
        a->regretted = 0;
        return true;
    }
    size_t add = (size_t)-change.cut;
    if (!worth_it(a, change.gain, GAIN_ADD_IN_PAUSE) || a->play - a->real_from < (int64_t)add
        || !is_quiet(&a->loudness, ahead, step, step))
        return false;
    repeat(a, ahead, add, add < step ? add : step);
    a->counters.added_in_pause += add;
    a->regretted = 0;
    return true;
}

static bool adjust_in_speech(rm_adaptive *a, plan change, const int16_t *ahead, size_t run)
{
    uint32_t per_ms = a->rate_hz / 1000;
    double excess_ms = (double)change.cut / per_ms;
    a->suffered += change.gain * a->tick / a->rate_hz;
    uint32_t apart = excess_ms > HURRIED_MS ? APART_HURRIED_MS : APART_MS;
    if (excess_ms <= CUT_IN_SPEECH_MS || a->suffered <= PATIENCE
        || a->since_stretch < apart * per_ms)
        return false;
    rm_period period = rm_find_period(ahead, run, per_ms);
    size_t n = period.samples;
    if (period.correlation < PERIODIC || 2 * n > run)
        return false;
    leave_out(a, ahead, n, n);
    a->counters.cut_in_speech += n;
    a->counters.stretches_in_speech++;
    a->since_stretch = 0;
    return true;
}

static plan regret(rm_adaptive *a, plan change)
{
    a->regretted = change.cut != 0 ? a->regretted + change.gain * a->tick / a->rate_hz : 0;
    return change;
}

bool rm_adaptive_adjust(rm_adaptive *a, double delay_ms)
{
    int16_t ahead[(CUT_MAX_MS + AHEAD_MS + 10) * 16];
    uint32_t per_ms = a->rate_hz / 1000;
    size_t run = rm_backlog_run(&a->backlog, a->play, (CUT_MAX_MS + AHEAD_MS + 10) * per_ms);
    size_t step = 10 * per_ms;
    if (run < step)
        return false;
    if (was_quiet(&a->loudness)) {
        size_t most = run - step < CUT_MAX_MS * per_ms ? run - step : CUT_MAX_MS * per_ms;
        plan change = regret(a, best_change(a, delay_ms, (int32_t)most));
        if (change.cut != 0) {
            rm_backlog_read(&a->backlog, a->play, ahead, run);
            return adjust_in_pause(a, change, ahead, run);
        }
        return false;
    }
    plan change = regret(a, best_change(a, delay_ms, 400 * (int32_t)per_ms));
    if (change.cut == 0)
        return false;
    rm_backlog_read(&a->backlog, a->play, ahead, run);
    return adjust_in_speech(a, change, ahead, run);
}
