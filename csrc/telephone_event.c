#include "telephone_event.h"

#include <math.h>

#include "rtp.h"

enum {
    END_BIT = 0x80,
    VOLUME_DBM0 = 10, /* -10 dBm0, what most senders state */
    END_PACKETS = 3, /* one and two repeats, an update interval apart (section 2.5.1.4) */
    STALE_SECONDS = 10,
    DURATION_MAX = 0xffff,
};

/* Updates come every 20 to 50 ms. When this long none has come, all end packets were lost. */
static const double END_LOST_SECONDS = 0.2;

void rm_event_receiver_init(rm_event_receiver *r)
{
    *r = (rm_event_receiver){.deadline = INFINITY};
}

static void report(rm_event_receiver *r)
{
    r->active = false;
    r->deadline = INFINITY;
    if (r->count == RM_DIGITS_MAX) {
        r->dropped++;
        return;
    }
    r->digits[(r->head + r->count++) % RM_DIGITS_MAX] = (rm_digit){
        .event = r->event,
        .duration_ms = (uint32_t)((r->earlier + r->duration) * 1000 / r->rate_hz),
        .pts = r->pts,
    };
}

static void begin(rm_event_receiver *r, const rm_event_packet *packet)
{
    r->active = r->known = true;
    r->event = packet->payload[0];
    r->timestamp = packet->timestamp;
    r->duration = 0;
    r->earlier = 0;
    r->rate_hz = packet->rate_hz;
    r->pts = packet->pts;
}

/* An event longer than its duration field can say comes in segments: the next one is timed where
 * the one before ends and has no marker (section 2.5.1.3). The last updates of the one before may
 * be lost. */
static bool continues(const rm_event_receiver *r, const rm_event_packet *packet)
{
    uint32_t step = packet->timestamp - r->timestamp;
    uint32_t unheard = step > DURATION_MAX / 2 ? (uint32_t)(END_LOST_SECONDS * r->rate_hz) : 0;
    return r->active && !packet->marker && packet->payload[0] == r->event && r->duration > 0 &&
           step >= r->duration && step - r->duration <= unheard && step <= DURATION_MAX;
}

/* A retransmission that reordering brought after a newer event began. */
static bool is_stale(const rm_event_receiver *r, const rm_event_packet *packet)
{
    int32_t step = (int32_t)(packet->timestamp - r->timestamp);
    return step < 0 && step > -(int32_t)(STALE_SECONDS * packet->rate_hz);
}

void rm_event_receive(rm_event_receiver *r, const rm_event_packet *packet)
{
    if (packet->payload_bytes < RM_EVENT_BYTES) {
        r->malformed++;
        return;
    }
    if (packet->payload[0] > RM_EVENT_FLASH) {
        r->unknown++;
        return;
    }
    bool same = r->known && packet->timestamp == r->timestamp && packet->payload[0] == r->event;
    if (same && !r->active)
        return; /* already reported: a repeated end packet */
    if (!same && continues(r, packet)) {
        r->earlier += packet->timestamp - r->timestamp;
        r->duration = 0;
        r->timestamp = packet->timestamp;
    } else if (!same) {
        if (r->known && is_stale(r, packet))
            return;
        if (r->active)
            report(r);
        begin(r, packet);
    }
    uint32_t duration = rm_read_u16(packet->payload + 2);
    r->duration = duration > r->duration ? duration : r->duration;
    r->deadline = packet->arrival + END_LOST_SECONDS;
    if (packet->payload[1] & END_BIT)
        report(r);
}

void rm_event_handle_timeout(rm_event_receiver *r, double now)
{
    if (r->active && r->deadline <= now)
        report(r);
}

void rm_event_receiver_restart(rm_event_receiver *r)
{
    if (r->active)
        report(r);
    r->known = false;
}

bool rm_event_covers(const rm_event_receiver *r, uint32_t timestamp, uint32_t rate_hz)
{
    if (!r->known || rate_hz != r->rate_hz) /* on another clock all we know is whether it lasts */
        return r->active;
    /* Segments move r->timestamp on: the event began `earlier` units before. */
    int64_t step = (int32_t)(timestamp - r->timestamp) + (int64_t)r->earlier;
    return step >= 0 && (r->active || step < (int64_t)(r->earlier + r->duration));
}

bool rm_event_next_digit(rm_event_receiver *r, rm_digit *digit)
{
    if (r->count == 0)
        return false;
    *digit = r->digits[r->head];
    r->head = (r->head + 1) % RM_DIGITS_MAX;
    r->count--;
    return true;
}

void rm_event_sender_begin(rm_event_sender *e, uint8_t event, uint32_t timestamp, uint32_t total,
                           uint32_t gap_ticks)
{
    *e = (rm_event_sender){
        .active = true,
        .event = event,
        .ends_left = END_PACKETS,
        .timestamp = timestamp,
        .total = total,
        /* the two repeated end packets already lie in the gap */
        .quiet_ticks = gap_ticks > END_PACKETS - 1 ? gap_ticks - (END_PACKETS - 1) : 0,
    };
}

/* Let one tick pass: the duration to report, and in *end whether it is the whole one.
 *
 * "If an event persists beyond this duration [...] the sender MUST send a packet reporting this
 * maximum duration but MUST NOT set the E bit", and go on where it ended (section 2.5.1.3). */
static uint32_t advance(rm_event_sender *e, uint32_t units, bool *end)
{
    if (e->duration == DURATION_MAX && e->total > DURATION_MAX) {
        e->timestamp += DURATION_MAX;
        e->total -= DURATION_MAX;
        e->duration = e->carry;
        e->carry = 0;
    }
    uint32_t passed = e->duration + units;
    uint32_t most = e->total < DURATION_MAX ? e->total : DURATION_MAX;
    if (passed > most && e->total > most)
        e->carry = passed - most;
    *end = passed >= most && e->total == most;
    return passed < most ? passed : most;
}

size_t rm_event_sender_tick(rm_event_sender *e, uint32_t units_per_tick, uint8_t *payload,
                            bool *marker)
{
    if (e->ends_left == 0) {
        e->quiet_ticks--;
        e->active = e->quiet_ticks > 0;
        return 0;
    }
    bool end;
    e->duration = advance(e, units_per_tick, &end);
    *marker = !e->begun;
    e->begun = true;
    payload[0] = e->event;
    payload[1] = (uint8_t)((end ? END_BIT : 0) | VOLUME_DBM0);
    rm_write_u16(payload + 2, (uint16_t)e->duration);
    if (end)
        e->ends_left--;
    e->active = e->ends_left > 0 || e->quiet_ticks > 0;
    return RM_EVENT_BYTES;
}
