/* Where the packets of a source lie on one line of samples that goes on through the whole call:
 *
 *   timestamp as expected               right behind the packet before
 *   timestamp ahead, sequence as well   lost packets
 *   timestamp ahead, sequence unbroken  a pause of the sender
 *   timestamp beyond reason             the clock began anew (RFC 3550 section 5.1 lets a source
 *                                       choose any): the sequence says where the packet goes
 *   a new source                        behind all that was there
 *
 * Called once per packet by adaptive.c. */
#ifndef RM_TIMELINE_H
#define RM_TIMELINE_H

#include "packet.h"

typedef struct rm_timeline {
    bool anchored;  /* the newest packet's timestamp is known to lie at `start` */
    bool sequenced; /* newest_sequence is known */
    bool begun;     /* something has been placed before */
    uint16_t newest_sequence;
    uint32_t newest_timestamp;
    int64_t start, end; /* of the newest sound */
    double arrival;     /* of the newest sound */
    uint32_t lost_run;  /* samples of the newest sound: what a lost packet is taken for */
} rm_timeline;

typedef struct rm_place {
    int64_t start;
    bool after_pause;
    bool fresh;  /* a new beginning: nothing is known of its delay */
    bool behind; /* arrived behind a packet that was sent after it */
} rm_place;

/* Find the place of a packet of n samples at rate_hz. False for one that cannot be placed: it came
 * from before the beginning. */
bool rm_timeline_place(rm_timeline *t, const rm_packet *packet, uint32_t n, uint32_t rate_hz,
                       rm_place *place);

/* A packet without sound: only its sequence number counts. */
void rm_timeline_pass(rm_timeline *t, const rm_packet *packet);

/* Another source, or the same one begun again. */
void rm_timeline_restart(rm_timeline *t);

/* Position of a timestamp; of the end of all that is there when no timestamp is known. */
int64_t rm_timeline_position(const rm_timeline *t, uint32_t timestamp, uint32_t rate_hz,
                             uint32_t clock_hz);

#endif
