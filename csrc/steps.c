/* What the playout puts out, step by step: the third of adaptive.c that plays. A step writes up to
 * 10 ms behind the queue's end, or only changes what the next one does.
 *
 *   idle      nothing to play for now: noise, until what is here has the right delay
 *   present   the sound is here
 *   hole      it is not, but later sound is: lost
 *   stalled   nothing is here: waited for
 *   arrived   what was waited for is here */
#include <math.h>
#include <string.h>

#include "adaptive_parts.h"
#include "stretch.h"

enum {
    STEP_MS = 10,
    BRIDGE_MAX_MS = 40,
    AHEAD_MS = 40,     /* of the other side of a hole: what concealment can use */
    GIVE_UP_MS = 1000, /* waiting longer than this, what comes is a new beginning */
    LEAVE_OUT_MAX_MS = 120,
    LEAVE_OUT_LOSSY_MAX_MS = 320, /* where some of it is lost in any case */
    LEAVE_OUT_AHEAD_MS = 10, /* so much must be here behind it */
    AGAIN_MS = 1000, /* two waits that are no further apart: a queue is filling somewhere */
    LONGER_MS = 20,
    LATELY = 200, /* steps: what was longer ago weighs less than 1/e of what is now */
};
/* MOS that a delay may be worse without moving the listener: that is heard. */
#define UNMOVED 0.1f

/* --- what is put out --------------------------------------------------------------------- */

static int16_t *space(rm_adaptive *a) { return a->queue + a->queued; }

void rm_adaptive_put_real(rm_adaptive *a, size_t n, bool mute)
{
    rm_conceal_heard(&a->conceal, space(a), n);
    if (!mute)
        rm_loudness_heard(&a->loudness, space(a), n, true);
    a->queued += (uint32_t)n;
    a->since_stretch += (uint32_t)n;
    a->mute = mute;
}

static void put_made_up(rm_adaptive *a, size_t n)
{
    rm_loudness_heard(&a->loudness, space(a), n, false);
    if (a->made_to <= a->made_from)
        a->made_from = a->queued;
    a->queued += (uint32_t)n;
    a->made_to = a->queued;
    a->since_stretch += (uint32_t)n;
}

static void extrapolate(rm_adaptive *a, size_t n, uint64_t *counter)
{
    rm_conceal_extrapolate(&a->conceal, space(a), n);
    put_made_up(a, n);
    *counter += n;
}

static double to_ms(const rm_adaptive *a, int64_t samples)
{
    return (double)samples * 1000 / a->rate_hz;
}

/* Delay at which `position` would be heard if it were put out next. */
static double delay_of(const rm_adaptive *a, int64_t position, double now)
{
    return now * 1000 + to_ms(a, a->queued) - to_ms(a, position) - a->jitter.base;
}

/* --- the steps --------------------------------------------------------------------------- */

/* What the sender said its background is like, to the pause's end, else what was heard of it. */
static void put_noise(rm_adaptive *a, size_t n)
{
    int16_t sound[STEP_MS * 16], *out = space(a);
    bool told = a->described && (a->silent || a->idled > 0);
    if (told)
        rm_comfort_noise_read(&a->background, out, n);
    if (!told || a->idled == 0)
        rm_conceal_extrapolate(&a->conceal, told ? sound : out, n);
    if (told && a->idled == 0)
        rm_cross_fade(out, sound, out, n);
    if (told) {
        rm_conceal_filled(&a->conceal, out, n);
        a->idled += (uint32_t)n;
    }
    put_made_up(a, n);
    a->counters.noise += n;
}

/* Whether a later tick suits the sound better that would be heard with this delay now. In a pause
 * nobody hears the delay change: so it may be any, not only the next that is better. */
static bool worth_waiting(rm_adaptive *a, double delay)
{
    double tick = fmax(to_ms(a, a->tick), 1);
    if (delay < 0)
        return true;
    float begun = rm_adaptive_cost(a, delay, delay);
    for (double later = delay + tick; later < RM_JITTER_BINS; later += tick)
        if (rm_adaptive_cost(a, later, later) < begun)
            return true;
    return false;
}

/* Nothing to play for now: begin with what is here when its delay is right. */
static void step_idle(rm_adaptive *a, double now, size_t step)
{
    const rm_piece *first = rm_backlog_piece(&a->backlog, 0);
    if (first != NULL && a->queued == 0) {
        /* Of a first piece that was too long for the ring only the end is left. */
        int64_t begin = first->start > a->play ? first->start : a->play;
        if (!worth_waiting(a, delay_of(a, begin, now))) {
            rm_adaptive_move_to(a, begin);
            a->real_from = a->play;
            a->owed = 0;
            a->idle = false;
            a->idled = 0;
            return;
        }
    }
    if (a->begun) {
        put_noise(a, step);
    } else {
        memset(space(a), 0, step * sizeof *a->queue);
        a->queued += (uint32_t)step;
    }
}

static void count_delay(rm_adaptive_counters *c, double delay)
{
    c->delay_sum += delay;
    c->delay_count++;
    double steps = c->delay_count < LATELY ? (double)c->delay_count : LATELY;
    c->delay_lately += (delay - c->delay_lately) / steps;
}

static void step_present(rm_adaptive *a, double now, size_t step)
{
    double delay = delay_of(a, a->play, now);
    if (a->queued == 0 && rm_adaptive_adjust(a, delay)) {
        rm_adaptive_advance(a);
        return;
    }
    rm_piece *first = rm_backlog_piece(&a->backlog, 0);
    size_t n = rm_backlog_run(&a->backlog, a->play, step);
    bool mute = first->mute;
    first->heard = true;
    rm_backlog_read(&a->backlog, a->play, space(a), n);
    rm_adaptive_put_real(a, n, mute);
    count_delay(&a->counters, delay);
    a->play += (int64_t)n;
    rm_adaptive_advance(a);
}

/* Sound is missing in front of sound that is there. */
static void step_hole(rm_adaptive *a, const rm_piece *next, size_t step)
{
    int64_t hole = next->start - a->play;
    if (next->after_pause) {
        a->idle = true;
        return;
    }
    if (a->owed > 0) { /* what was waited for is lost, and has been made up for already */
        int64_t filled = a->owed < hole ? a->owed : hole;
        a->owed = 0;
        a->play += filled;
        a->real_from = a->play;
        return;
    }
    size_t bridged = (size_t)hole;
    if (hole > BRIDGE_MAX_MS * a->rate_hz / 1000) {
        extrapolate(a, step, &a->counters.lost);
        bridged = step;
    } else {
        int16_t ahead[AHEAD_MS * 16];
        size_t n = rm_backlog_run(&a->backlog, next->start, AHEAD_MS * a->rate_hz / 1000);
        rm_backlog_read(&a->backlog, next->start, ahead, n);
        rm_conceal_bridge(&a->conceal, space(a), bridged, ahead, n);
        put_made_up(a, bridged);
        a->counters.lost += bridged;
    }
    a->play += (int64_t)bridged;
    a->real_from = a->play;
}

static void step_stalled(rm_adaptive *a, size_t step)
{
    if (a->silent || a->owed > GIVE_UP_MS * a->rate_hz / 1000) {
        a->idle = true;
        return;
    }
    extrapolate(a, step, &a->counters.stalled);
    a->owed += (int64_t)step;
}

/* Leave out as much as was made up while waiting, if the delay is as good without it: the listener
 * misses a little and is not moved. */
static bool leave_out_owed(rm_adaptive *a, double now)
{
    size_t per_ms = a->rate_hz / 1000, ahead = LEAVE_OUT_AHEAD_MS * per_ms;
    size_t needed = (size_t)a->owed + ahead;
    bool whole = rm_backlog_run(&a->backlog, a->play, needed) == needed;
    size_t most = (whole ? LEAVE_OUT_MAX_MS : LEAVE_OUT_LOSSY_MAX_MS) * per_ms;
    if ((size_t)a->owed > most
        || rm_backlog_run(&a->backlog, a->play + a->owed, ahead) < ahead)
        return false;
    rm_jitter_refresh(&a->jitter);
    double delay = delay_of(a, a->play, now), before = delay - to_ms(a, a->owed);
    if (rm_adaptive_cost(a, before, before) > rm_adaptive_cost(a, delay, delay) + UNMOVED)
        return false;
    rm_adaptive_move_to(a, a->play + a->owed);
    a->real_from = a->play;
    return true;
}

/* What was waited for is here. When it has to be waited for again and again, one longer wait is
 * better than many short ones. */
static void step_arrived(rm_adaptive *a, double now, size_t step)
{
    if (a->longer > 0) {
        extrapolate(a, step, &a->counters.stalled);
        a->longer -= (int64_t)step;
        a->owed += (int64_t)step;
    } else if (!leave_out_owed(a, now)) {
        bool again = (now - a->waited_at) * 1000 < AGAIN_MS;
        a->longer = again ? LONGER_MS * (int64_t)(a->rate_hz / 1000) : 0;
        a->waited_at = now;
    }
    if (a->longer <= 0)
        a->owed = a->longer = 0;
}

static void take(rm_adaptive *a, int16_t *out, size_t n)
{
    memcpy(out, a->queue, n * sizeof *out);
    a->queued -= (uint32_t)n;
    memmove(a->queue, a->queue + n, a->queued * sizeof *a->queue);
    a->made_from = a->made_from > n ? a->made_from - (uint32_t)n : 0;
    a->made_to = a->made_to > n ? a->made_to - (uint32_t)n : 0;
}

bool rm_adaptive_play(rm_adaptive *a, double now, int16_t *out, size_t n)
{
    a->tick = (uint32_t)n;
    while (a->queued < n) {
        size_t whole = STEP_MS * a->rate_hz / 1000, rest = n - a->queued;
        size_t step = whole < rest ? whole : rest;
        const rm_piece *first = rm_backlog_piece(&a->backlog, 0);
        if (a->idle) {
            step_idle(a, now, step);
        } else if (first == NULL) {
            step_stalled(a, step);
        } else if (first->start <= a->play && a->owed > 0) {
            step_arrived(a, now, step);
        } else if (first->start <= a->play) {
            step_present(a, now, step);
        } else {
            step_hole(a, first, step);
        }
    }
    bool made_up = a->made_to > a->made_from && a->made_from < n;
    take(a, out, n);
    return made_up;
}
