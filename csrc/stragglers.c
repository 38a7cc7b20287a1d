#include "stragglers.h"

#include <math.h>

/* The two windows remember 10 to 20 s. A hole is waited for a quarter longer than the latest
 * straggler that was seen. */
#define WINDOW_S 10.0
#define MARGIN 1.25
#define MARGIN_S 0.002
#define LATENESS_MIN_S 0.001 /* so that one that was hardly late has been seen, too */
#define TRIALS 2 /* so many holes without a straggler show that packets keep their order here */

static void roll(rm_stragglers *s, double now)
{
    if (now < s->window_end)
        return;
    s->latest[0] = now < s->window_end + WINDOW_S ? s->latest[1] : 0;
    s->latest[1] = 0;
    s->window_end = now + WINDOW_S;
}

double rm_stragglers_wait(rm_stragglers *s, double now, double limit)
{
    if (s->in_vain < TRIALS)
        return limit;
    roll(s, now);
    double latest = fmax(s->latest[0], s->latest[1]);
    return latest > 0 ? fmin(latest * MARGIN + MARGIN_S, limit) : 0;
}

void rm_stragglers_came(rm_stragglers *s, double noticed, double now)
{
    roll(s, now);
    s->in_vain = TRIALS;
    s->latest[1] = fmax(s->latest[1], fmax(now - noticed, LATENESS_MIN_S));
}

void rm_stragglers_give_up(rm_stragglers *s, uint16_t first, uint16_t packets, double noticed)
{
    s->in_vain += s->in_vain < TRIALS;
    s->given_up[s->next] = (rm_given_up){first, packets, noticed};
    s->next = (s->next + 1) % RM_GIVEN_UP;
}

void rm_stragglers_too_late(rm_stragglers *s, uint16_t sequence_number, double now)
{
    for (int i = 0; i < RM_GIVEN_UP; i++) {
        const rm_given_up *hole = &s->given_up[i];
        if ((uint16_t)(sequence_number - hole->first) < hole->packets) {
            rm_stragglers_came(s, hole->noticed, now);
            return;
        }
    }
}
