/* Payloads of another stream that this one sends on as they are: the pass-through of a bridge.
 *
 * The other stream's packets keep their distances in sequence and time, so the far end sees its
 * losses, reordering and pauses as if it spoke to it directly; numbers, SSRC and payload types are
 * ours. They wait here for the next tick and no longer.
 *
 *   anchored   the first packet, and the first after anything of our own was sent, takes our next
 *              sequence number and timestamp and a marker; those after it are placed relative to it
 *   full       more than a burst waits: the packet is dropped, as a network would
 *   drift      a clock that ran away, or began anew, is anchored again
 *
 * A packet from before the anchor is dropped: its number was used by another.
 *
 * Filled by stream.c of the other stream, emptied by sender.c; one thread. */
#ifndef RM_RELAY_H
#define RM_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rtp.h"

enum {
    RM_RELAY_PACKETS = 16,
    RM_RELAY_PAYLOAD_BYTES = 640,
    RM_RELAY_DRIFT_SECONDS = 10, /* longer than any telephone-event, which keeps its timestamp */
};

typedef struct rm_relayed {
    bool marker, audio;
    uint8_t payload_type;
    uint16_t sequence_number;
    uint16_t bytes;
    uint32_t timestamp;
    uint8_t payload[RM_RELAY_PAYLOAD_BYTES];
} rm_relayed;

typedef struct rm_relay {
    bool live;     /* a stream fills it */
    bool anchored; /* the last thing sent passed through */
    uint16_t in_sequence, out_sequence; /* the newest packet, theirs and ours */
    uint32_t in_timestamp, out_timestamp;
    uint32_t advanced;  /* packets since the anchor */
    uint32_t end;       /* where the latest audio ends, in our timestamps */
    double ahead;       /* of our clock, the audio on average: their clock is another */
    uint64_t last_tick; /* of the sender, when something passed */
    uint64_t passed, dropped;
    uint32_t head, count;
    rm_relayed packets[RM_RELAY_PACKETS];
} rm_relay;

/* What the sender is at: its next sequence number and timestamp, and its clock, now. */
typedef struct rm_relay_place {
    uint16_t sequence_number;
    uint32_t timestamp, clock;
    uint32_t rate_hz;
} rm_relay_place;

/* Take one packet; samples: of audio at our clock rate, 0 for an event. The sequence number it got
 * plus one is written to *next when that moves on. */
void rm_relay_push(rm_relay *r, const rm_rtp *rtp, uint8_t payload_type, uint32_t samples,
                   rm_relay_place place, uint16_t *next);

/* The packet that waits longest, or NULL; gone with the next push. */
const rm_relayed *rm_relay_pop(rm_relay *r);

#endif
