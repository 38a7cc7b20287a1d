#include "jitter.h"

#include <math.h>
#include <string.h>

#define BLOCK_MS 500.0
/* The path's delay fell by more than this at once: what was measured before is of another path. */
#define OTHER_PATH_MS 5.0
#define FORGETTING 1.001f /* per packet: about 1000 are remembered */
#define WEIGHT_MAX 1e12f
#define PRIOR_WEIGHT 0.3f /* before anything is known: a little less than one packet, */
#define PRIOR_MEAN_MS 4.0 /* so that a call begins with some 20 ms */
#define DELAY_PRICE 0.005f
#define LATE_PRICE 40.0f

/* What came late often, but not once in the last one to two seconds, is over: a route that changed
 * back, a queue that was drained. Some of it is remembered. */
#define OVER_SHARE 0.12f
#define REMEMBERED_SHARE 0.003f

enum { PACKETS_PER_UPDATE = 5, WINDOW_PACKETS = 50 };

static void update_tail(rm_jitter *j)
{
    float sum = 0;
    for (int i = RM_JITTER_BINS - 1; i >= 0; i--)
        j->tail[i] = sum += j->bins[i];
    float scale = 1 / sum;
    for (int i = 0; i < RM_JITTER_BINS; i++)
        j->tail[i] *= scale;
    j->pending = 0;
}

void rm_jitter_init(rm_jitter *j)
{
    *j = (rm_jitter){.weight = 1};
    for (int i = 0; i < RM_JITTER_BINS; i++)
        j->bins[i] = PRIOR_WEIGHT / PRIOR_MEAN_MS * (float)exp(-i / PRIOR_MEAN_MS);
    update_tail(j);
}

void rm_jitter_rebase(rm_jitter *j) { j->begun = false; }

/* Move all bins by whole ms: up for positive steps. */
static void shift(rm_jitter *j, int steps)
{
    if (steps > 0) {
        steps = steps < RM_JITTER_BINS ? steps : RM_JITTER_BINS;
        for (int i = RM_JITTER_BINS - 1 - steps; i < RM_JITTER_BINS - 1; i++)
            j->bins[RM_JITTER_BINS - 1] += j->bins[i];
        memmove(j->bins + steps, j->bins, (size_t)(RM_JITTER_BINS - 1 - steps) * sizeof *j->bins);
        memset(j->bins, 0, (size_t)(steps < RM_JITTER_BINS - 1 ? steps : RM_JITTER_BINS - 1)
                               * sizeof *j->bins);
    } else if (steps < 0) {
        steps = -steps < RM_JITTER_BINS - 1 ? -steps : RM_JITTER_BINS - 1;
        float below = 0;
        for (int i = 0; i < steps; i++)
            below += j->bins[i];
        memmove(j->bins, j->bins + steps, (size_t)(RM_JITTER_BINS - 1 - steps) * sizeof *j->bins);
        memset(j->bins + RM_JITTER_BINS - 1 - steps, 0, (size_t)steps * sizeof *j->bins);
        j->bins[0] += below;
    }
}

static void move_base(rm_jitter *j, double base)
{
    j->base = base;
    double step = j->origin - base;
    if (fabs(step) < 1)
        return;
    if (step <= OTHER_PATH_MS) {
        shift(j, (int)step);
        j->origin -= (int)step;
    } else {
        j->origin = base;
    }
}

static void begin(rm_jitter *j, double arrival_ms, double transit)
{
    for (int i = 0; i < RM_JITTER_BLOCKS; i++)
        j->blocks[i] = INFINITY;
    j->base = j->origin = transit;
    j->block_end = arrival_ms + BLOCK_MS;
    j->begun = true;
}

static void next_blocks(rm_jitter *j, double arrival_ms)
{
    for (int i = 0; i < RM_JITTER_BLOCKS && arrival_ms >= j->block_end; i++) {
        memmove(j->blocks, j->blocks + 1, (RM_JITTER_BLOCKS - 1) * sizeof *j->blocks);
        j->blocks[RM_JITTER_BLOCKS - 1] = INFINITY;
        j->block_end += BLOCK_MS;
    }
    if (arrival_ms >= j->block_end) /* after a long silence nothing is known any more */
        j->block_end = arrival_ms + BLOCK_MS;
}

/* Forget delays that were usual and have stopped. */
static void forget_what_is_over(rm_jitter *j, int bin)
{
    j->latest[1] = bin > j->latest[1] ? bin : j->latest[1];
    if (++j->in_window < WINDOW_PACKETS)
        return;
    int latest = j->latest[0] > j->latest[1] ? j->latest[0] : j->latest[1];
    j->in_window = 0;
    j->latest[0] = j->latest[1];
    j->latest[1] = 0;
    update_tail(j);
    if (latest + 1 >= RM_JITTER_BINS || j->tail[latest + 1] < OVER_SHARE)
        return;
    float scale = REMEMBERED_SHARE / j->tail[latest + 1];
    for (int i = latest + 1; i < RM_JITTER_BINS; i++)
        j->bins[i] *= scale;
    update_tail(j);
}

void rm_jitter_packet(rm_jitter *j, double arrival_ms, double position_ms)
{
    double transit = arrival_ms - position_ms;
    if (!j->begun)
        begin(j, arrival_ms, transit);
    bool aged = arrival_ms >= j->block_end;
    if (aged)
        next_blocks(j, arrival_ms);
    double *newest = &j->blocks[RM_JITTER_BLOCKS - 1];
    *newest = fmin(*newest, transit);
    if (aged) {
        double least = transit;
        for (int i = 0; i < RM_JITTER_BLOCKS; i++)
            least = fmin(least, j->blocks[i]);
        move_base(j, least);
    } else if (transit < j->base) {
        move_base(j, transit);
    }
    double delay = fmax(0, transit - j->origin);
    int bin = delay < RM_JITTER_BINS - 1 ? (int)delay : RM_JITTER_BINS - 1;
    j->bins[bin] += j->weight;
    j->weight *= FORGETTING;
    if (j->weight > WEIGHT_MAX) {
        for (int i = 0; i < RM_JITTER_BINS; i++)
            j->bins[i] /= WEIGHT_MAX;
        j->weight /= WEIGHT_MAX;
    }
    if (++j->pending >= PACKETS_PER_UPDATE)
        update_tail(j);
    forget_what_is_over(j, bin);
}

float rm_jitter_cost(const rm_jitter *j, double delay_ms, double total_ms)
{
    double at = delay_ms + j->base - j->origin;
    float late = 1;
    if (at >= 0) {
        int bin = at < RM_JITTER_BINS - 1 ? (int)at : RM_JITTER_BINS - 1;
        float part = (float)(at - bin);
        float next = bin + 1 < RM_JITTER_BINS ? j->tail[bin + 1] : 0;
        late = part < 1 ? j->tail[bin] + part * (next - j->tail[bin]) : next;
    }
    return DELAY_PRICE * (float)total_ms + LATE_PRICE * late;
}
