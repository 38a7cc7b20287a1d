/* Telephone events, both ways (RFC 4733). The receiver turns the packets of one event, however
 * many of them arrive, into one digit; the sender turns one digit into the packets of one event.
 * Called by stream.c and sender.c. Durations on the wire are in RTP timestamp units. */
#ifndef RM_TELEPHONE_EVENT_H
#define RM_TELEPHONE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RM_EVENT_BYTES = 4, RM_EVENT_FLASH = 16, RM_DIGITS_MAX = 16 };

typedef struct rm_digit {
    uint8_t event; /* 0-9, 10 '*', 11 '#', 12-15 'A'-'D', 16 flash */
    uint32_t duration_ms;
    int64_t pts;
} rm_digit;

/* --- receiving --------------------------------------------------------------------------- */

typedef struct rm_event_packet {
    const uint8_t *payload;
    size_t payload_bytes;
    uint32_t timestamp; /* when the event began */
    bool marker;
    uint32_t rate_hz;
    int64_t pts; /* of the timestamp on the frame line */
    double arrival;
} rm_event_packet;

typedef struct rm_event_receiver {
    double deadline; /* the event is over when nothing more of it has come; INFINITY if none */
    uint64_t malformed;
    uint64_t unknown; /* events that are no digit (tones, trunk signals) */
    uint64_t dropped; /* digits nobody took */
    bool active;
    bool known; /* event and timestamp name the event heard last */
    uint8_t event;
    uint32_t timestamp;
    uint32_t duration;   /* of this segment */
    uint64_t earlier;    /* of the segments before it */
    uint32_t rate_hz;
    int64_t pts;
    rm_digit digits[RM_DIGITS_MAX]; /* ring of what was heard */
    uint32_t head, count;
} rm_event_receiver;

void rm_event_receiver_init(rm_event_receiver *r);
void rm_event_receive(rm_event_receiver *r, const rm_event_packet *packet);
void rm_event_handle_timeout(rm_event_receiver *r, double now);

/* The source began anew: finish what is active, and compare no timestamps with the past. */
void rm_event_receiver_restart(rm_event_receiver *r);
/* Whether audio of that timestamp lies under the event heard last, in progress or over. */
bool rm_event_covers(const rm_event_receiver *r, uint32_t timestamp, uint32_t rate_hz);
bool rm_event_next_digit(rm_event_receiver *r, rm_digit *digit);

/* --- sending ----------------------------------------------------------------------------- */

typedef struct rm_event_sender {
    bool active;
    uint8_t event;
    uint8_t ends_left; /* end packets still to send */
    bool begun;
    uint32_t timestamp;
    uint32_t duration; /* so far, of the segment that began at the timestamp */
    uint32_t total;    /* from that timestamp on */
    uint32_t carry;    /* units of the next segment that passed already */
    uint32_t quiet_ticks; /* of the gap, after the last end packet */
} rm_event_sender;

/* Begin at the tick with that timestamp. total: RTP units; more than 65535 go out in segments.
 * gap_ticks: from the end of the event to the next sound. */
void rm_event_sender_begin(rm_event_sender *e, uint8_t event, uint32_t timestamp, uint32_t total,
                           uint32_t gap_ticks);

/* One tick: write the payload of the packet to send and return its size, or 0 for a tick of the
 * gap. *marker is set on the first packet. */
size_t rm_event_sender_tick(rm_event_sender *e, uint32_t units_per_tick, uint8_t *payload,
                            bool *marker);

#endif
