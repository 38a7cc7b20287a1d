#include "jitter.h"

#include <math.h>
#include <string.h>

#define BLOCK_MS 500.0
/* The path's delay fell by more than this at once: what was measured before is of another path. */
#define OTHER_PATH_MS 5.0
#define DRIFT_MAX_MS 3.0 /* of the least delay, at once */
#define FORGETTING 1.001f /* per packet: about 1000 are remembered */
#define WEIGHT_MAX 1e12f
#define PRIOR_WEIGHT 0.3f /* before anything is known: a little less than one packet, */
#define PRIOR_MEAN_MS 4.0 /* so that a call begins with some 20 ms */
/* MOS: of a ms of delay; of all packets being late; of one packet in each 20 ms making the listener
 * wait; and what is gained on a share of lost packets when the next one is here in time. */
#define DELAY_PRICE 0.005f
#define LATE_PRICE 12.0f
#define WAIT_PRICE 20.0f
#define WAIT_PACKET_MS 20.0f
#define LOST_PRICE 8.0f
#define LOST_PRICE_MAX 0.2f
/* MOS of a sender's pauses: what the network does meanwhile is not seen, and the next talkspurt may
 * meet it. So much at no delay at the start of a call, half of it after so many packets. */
#define UNSEEN_PRICE 0.8f
#define UNSEEN_PACKETS 250.0f
#define UNSEEN_MS 40.0
#define LEVEL_FALLS (1 / 640.0) /* a ms: what was waited for is given back in the next pause */

/* What came late often, and in the last two to three seconds nothing came half as late, is over: a
 * route that changed back. Some of it is remembered. A queue that fills again and again is not. */
#define OVER_SHARE 0.12f
#define REMEMBERED_SHARE 0.003f

enum { PACKETS_PER_UPDATE = 10, FIRST_PACKETS = 250, WINDOW_PACKETS = 75, NEAR_MS = 20 };

static void price_unseen(rm_jitter *j)
{
    float price = UNSEEN_PRICE * UNSEEN_PACKETS / (UNSEEN_PACKETS + (float)j->heard);
    float falls = (float)exp(-1 / UNSEEN_MS);
    for (int i = 0; i < RM_JITTER_BINS; i++, price *= falls)
        j->price[i] += price;
}

static void update_price(rm_jitter *j)
{
    float sum = 0, waits = 0;
    for (int i = RM_JITTER_BINS - 1; i >= 0; i--) {
        j->tail[i] = sum += j->bins[i];
        waits += j->waits[i];
        waits = waits > 0 ? waits : 0; /* less where what is over was forgotten */
        j->price[i] = waits;
    }
    float scale = 1 / sum;
    for (int i = 0; i < RM_JITTER_BINS; i++) {
        j->tail[i] *= scale;
        j->price[i] = LATE_PRICE * j->tail[i] + WAIT_PRICE * scale * j->price[i];
    }
    float lost = fminf(LOST_PRICE * j->missing / (j->missing + sum), LOST_PRICE_MAX);
    int alone = j->packet_ms < RM_JITTER_BINS ? j->packet_ms : RM_JITTER_BINS;
    for (int i = 0; i < alone; i++)
        j->price[i] += lost;
    for (int i = alone; i < RM_JITTER_BINS; i++)
        j->price[i] += lost * j->tail[i - alone];
    if (j->pauses)
        price_unseen(j);
    j->pending = 0;
}

void rm_jitter_init(rm_jitter *j)
{
    *j = (rm_jitter){.weight = 1};
    for (int i = 0; i < RM_JITTER_BINS; i++)
        j->bins[i] = j->waits[i] = PRIOR_WEIGHT / PRIOR_MEAN_MS * (float)exp(-i / PRIOR_MEAN_MS);
    update_price(j);
}

void rm_jitter_rebase(rm_jitter *j) { j->begun = false; }

/* Move all bins by whole ms: up for positive steps. */
static void shift_bins(float *bins, int steps)
{
    if (steps > 0) {
        steps = steps < RM_JITTER_BINS ? steps : RM_JITTER_BINS;
        for (int i = RM_JITTER_BINS - 1 - steps; i < RM_JITTER_BINS - 1; i++)
            bins[RM_JITTER_BINS - 1] += bins[i];
        memmove(bins + steps, bins, (size_t)(RM_JITTER_BINS - 1 - steps) * sizeof *bins);
        memset(bins, 0, (size_t)(steps < RM_JITTER_BINS - 1 ? steps : RM_JITTER_BINS - 1)
                            * sizeof *bins);
    } else if (steps < 0) {
        steps = -steps < RM_JITTER_BINS - 1 ? -steps : RM_JITTER_BINS - 1;
        float below = 0;
        for (int i = 0; i < steps; i++)
            below += bins[i];
        memmove(bins, bins + steps, (size_t)(RM_JITTER_BINS - 1 - steps) * sizeof *bins);
        memset(bins + RM_JITTER_BINS - 1 - steps, 0, (size_t)steps * sizeof *bins);
        bins[0] += below;
    }
}

static void shift(rm_jitter *j, int steps)
{
    shift_bins(j->bins, steps);
    shift_bins(j->waits, steps);
    j->level += steps;
}

/* The bins keep what they say about the packets of their time when clocks drift apart, or when the
 * path became shorter: only what was found out about the same path moves them. */
static void move_base(rm_jitter *j, double base)
{
    j->base = base;
    double step = j->origin - base;
    if (fabs(step) < 1)
        return;
    bool better_known = step > 0 && step <= OTHER_PATH_MS && j->packets < FIRST_PACKETS;
    bool longer = step <= -DRIFT_MAX_MS;
    if (better_known || longer) {
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
    j->packets = 0;
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
    update_price(j);
    int over = 2 * latest + NEAR_MS;
    if (over >= RM_JITTER_BINS || j->tail[over] < OVER_SHARE)
        return;
    float scale = REMEMBERED_SHARE / j->tail[over];
    for (int i = over; i < RM_JITTER_BINS; i++) {
        j->bins[i] *= scale;
        j->waits[i] *= scale;
    }
    update_price(j);
}

static int bin_of(double delay) { return delay < RM_JITTER_BINS - 1 ? (int)delay : RM_JITTER_BINS - 1; }

/* Packets that a stall let go together make the listener wait once, for the first: the others come
 * in time at the delay that this leaves behind, the level. */
static void count_wait(rm_jitter *j, const rm_jitter_packet *p, double delay)
{
    double level = p->behind ? 0 : j->level;
    if (delay > level) {
        float weight = j->weight * WAIT_PACKET_MS / (float)p->packet_ms;
        j->waits[bin_of(delay)] += weight;
        if (level >= 1)
            j->waits[bin_of(level - 1)] -= weight;
    }
    if (!p->behind)
        j->level = fmax(delay, j->level * fmax(0, 1 - p->packet_ms * LEVEL_FALLS));
}

static void count_missing(rm_jitter *j, const rm_jitter_packet *p)
{
    double packets = p->behind ? -1 : (p->position_ms - j->end) / p->packet_ms;
    if (p->behind || !p->after_pause)
        j->missing = fmaxf(0, j->missing + j->weight * (float)packets);
    if (!p->behind)
        j->end = p->position_ms + p->packet_ms;
}

static void remember(rm_jitter *j, int bin)
{
    j->bins[bin] += j->weight;
    j->weight *= FORGETTING;
    if (j->weight < WEIGHT_MAX)
        return;
    for (int i = 0; i < RM_JITTER_BINS; i++) {
        j->bins[i] /= WEIGHT_MAX;
        j->waits[i] /= WEIGHT_MAX;
    }
    j->missing /= WEIGHT_MAX;
    j->weight /= WEIGHT_MAX;
}

static void find_base(rm_jitter *j, double arrival_ms, double transit)
{
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
}

void rm_jitter_pauses(rm_jitter *j)
{
    if (j->pauses)
        return;
    j->pauses = true;
    update_price(j);
}

void rm_jitter_heard(rm_jitter *j, const rm_jitter_packet *p)
{
    double transit = p->arrival_ms - p->position_ms;
    if (!j->begun) {
        begin(j, p->arrival_ms, transit);
        j->end = p->position_ms;
    }
    j->packets++;
    j->heard++;
    j->packet_ms = (int32_t)p->packet_ms;
    if (p->after_pause)
        rm_jitter_pauses(j);
    find_base(j, p->arrival_ms, transit);
    double delay = fmax(0, transit - j->origin);
    count_missing(j, p);
    count_wait(j, p, delay);
    remember(j, bin_of(delay));
    if (++j->pending >= PACKETS_PER_UPDATE)
        update_price(j);
    forget_what_is_over(j, bin_of(delay));
}

void rm_jitter_refresh(rm_jitter *j)
{
    if (j->pending > 0)
        update_price(j);
}

float rm_jitter_cost(const rm_jitter *j, double delay_ms, double total_ms)
{
    double at = delay_ms + j->base - j->origin;
    float late = LATE_PRICE + WAIT_PRICE;
    if (at >= 0) {
        int bin = bin_of(at);
        float part = (float)(at - bin);
        float next = bin + 1 < RM_JITTER_BINS ? j->price[bin + 1] : 0;
        late = part < 1 ? j->price[bin] + part * (next - j->price[bin]) : next;
    }
    return DELAY_PRICE * (float)total_ms + late;
}
