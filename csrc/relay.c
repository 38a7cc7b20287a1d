#include "relay.h"

#include <string.h>

/* So many packets tell how far their clock and ours have come apart. */
static const double AHEAD_PACKETS = 64;

static void anchor(rm_relay *r, const rm_rtp *rtp, rm_relay_place place)
{
    bool spoken = (int32_t)(r->end - place.timestamp) > 0;
    r->in_sequence = rtp->sequence_number;
    r->in_timestamp = rtp->timestamp;
    r->out_sequence = place.sequence_number;
    /* Never behind what we sent already. */
    r->out_timestamp = r->passed > 0 && spoken ? r->end : place.timestamp;
    r->end = r->out_timestamp;
    r->advanced = 0;
    r->anchored = true;
}

static bool runs_away(const rm_relay *r, const rm_rtp *rtp, rm_relay_place place)
{
    uint32_t timestamp = r->out_timestamp + (rtp->timestamp - r->in_timestamp);
    int64_t drift = (int32_t)(timestamp - place.timestamp);
    int64_t limit = (int64_t)RM_RELAY_DRIFT_SECONDS * place.rate_hz;
    return drift > limit || drift < -limit;
}

void rm_relay_push(rm_relay *r, const rm_rtp *rtp, uint8_t payload_type, uint32_t samples,
                   rm_relay_place place, uint16_t *next)
{
    bool first = !r->anchored || runs_away(r, rtp, place);
    if (first)
        anchor(r, rtp, place);
    int16_t step = (int16_t)(rtp->sequence_number - r->in_sequence);
    if (step < -(int64_t)r->advanced || r->count == RM_RELAY_PACKETS) {
        r->dropped++;
        return;
    }
    rm_relayed *packet = &r->packets[(r->head + r->count++) % RM_RELAY_PACKETS];
    packet->marker = rtp->marker || first;
    packet->audio = samples > 0;
    packet->payload_type = payload_type;
    packet->sequence_number = (uint16_t)(r->out_sequence + step);
    packet->timestamp = r->out_timestamp + (rtp->timestamp - r->in_timestamp);
    if (samples > 0) {
        double ahead = (int32_t)(packet->timestamp - place.clock);
        r->ahead += (ahead - r->ahead) / (first ? 1 : AHEAD_PACKETS);
    }
    packet->bytes = (uint16_t)rtp->payload_bytes;
    memcpy(packet->payload, rtp->payload, rtp->payload_bytes);
    if ((int16_t)(packet->sequence_number - *next) >= 0)
        *next = (uint16_t)(packet->sequence_number + 1);
    if ((int32_t)(packet->timestamp + samples - r->end) > 0)
        r->end = packet->timestamp + samples;
    if (step > 0) {
        r->advanced += r->advanced < INT16_MAX ? (uint32_t)step : 0;
        r->out_sequence = packet->sequence_number;
        r->in_sequence = rtp->sequence_number;
        r->out_timestamp = packet->timestamp;
        r->in_timestamp = rtp->timestamp;
    }
    r->passed++;
}

const rm_relayed *rm_relay_pop(rm_relay *r)
{
    if (r->count == 0)
        return NULL;
    const rm_relayed *packet = &r->packets[r->head];
    r->head = (r->head + 1) % RM_RELAY_PACKETS;
    r->count--;
    return packet;
}
