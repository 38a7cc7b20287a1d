#include "timeline.h"

#include <math.h>

/* A packet further behind than this is of no use to anyone. */
#define BEHIND_MAX_S 2.0

static int64_t samples_of(double seconds, uint32_t rate_hz)
{
    return llrint(fmax(0, fmin(seconds, RM_PAUSE_MAX_S)) * rate_hz);
}

static void accept(rm_timeline *t, const rm_packet *packet, int64_t start, uint32_t n)
{
    t->newest_sequence = packet->sequence_number;
    t->newest_timestamp = packet->timestamp;
    t->start = start;
    t->end = start + n;
    t->arrival = packet->arrival;
    t->lost_run = n;
    t->anchored = t->sequenced = t->begun = true;
}

/* Silence between the sound before and this packet, told by the arrival clock alone. */
static int64_t pause_by_arrival(const rm_timeline *t, const rm_packet *packet, int64_t missing,
                                uint32_t rate_hz)
{
    double known = (double)(missing + t->lost_run) / rate_hz;
    double pause = packet->arrival - t->arrival - known;
    return pause >= RM_PAUSE_MIN_S ? samples_of(pause, rate_hz) : 0;
}

static void place_beginning(rm_timeline *t, const rm_packet *packet, uint32_t n, uint32_t rate_hz,
                            rm_place *place)
{
    int64_t pause = t->begun ? pause_by_arrival(t, packet, 0, rate_hz) : 0;
    *place = (rm_place){.start = t->end + pause, .after_pause = true, .fresh = true};
    accept(t, packet, place->start, n);
}

static void place_newest(rm_timeline *t, const rm_packet *packet, uint32_t n, int16_t steps,
                         int64_t start, uint32_t rate_hz, rm_place *place)
{
    int64_t missing = (int64_t)(steps - 1) * t->lost_run;
    int64_t gap = start - t->end;
    double ahead = fmax(0, packet->arrival - t->arrival) + RM_AHEAD_MAX_S;
    if (gap < 0 || (double)gap > ahead * rate_hz) {
        int64_t pause = pause_by_arrival(t, packet, missing, rate_hz);
        start = t->end + missing + pause;
        *place = (rm_place){.start = start, .after_pause = pause > 0, .fresh = pause > 0};
    } else {
        *place = (rm_place){.start = start, .after_pause = gap > missing};
    }
    accept(t, packet, start, n);
}

bool rm_timeline_place(rm_timeline *t, const rm_packet *packet, uint32_t n, uint32_t rate_hz,
                       rm_place *place)
{
    if (!t->anchored) {
        place_beginning(t, packet, n, rate_hz, place);
        return true;
    }
    int16_t steps = (int16_t)(packet->sequence_number - t->newest_sequence);
    int64_t units = (int32_t)(packet->timestamp - t->newest_timestamp);
    int64_t start = t->start + units * (int64_t)(rate_hz / rm_encoding_rate_hz(packet->encoding));
    if (steps > 0) {
        place_newest(t, packet, n, steps, start, rate_hz, place);
        return true;
    }
    *place = (rm_place){.start = start, .behind = true};
    return start + n <= t->end && start >= t->end - (int64_t)(BEHIND_MAX_S * rate_hz);
}

void rm_timeline_pass(rm_timeline *t, const rm_packet *packet)
{
    if (!t->sequenced || (int16_t)(packet->sequence_number - t->newest_sequence) > 0)
        t->newest_sequence = packet->sequence_number;
    t->sequenced = true;
}

void rm_timeline_restart(rm_timeline *t) { t->anchored = t->sequenced = false; }

int64_t rm_timeline_position(const rm_timeline *t, uint32_t timestamp, uint32_t rate_hz,
                             uint32_t clock_hz)
{
    if (!t->anchored)
        return t->end;
    int64_t units = (int32_t)(timestamp - t->newest_timestamp);
    return t->start + units * (int64_t)(rate_hz / clock_hz);
}
