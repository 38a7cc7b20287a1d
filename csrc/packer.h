/* The length of the packets we send: what the sender makes, 20 ms each, put together or cut up.
 *
 *   ticks 2, 3   so many packets of 20 ms that follow each other leave as one (ptime 40, 60)
 *   pieces 2     each leaves as two of 10 ms (ptime 10), in one breath
 *
 * What cannot be joined goes by itself: telephone-events, payloads that pass through, and audio
 * after which a tick passed without any, which leaves with that tick. Sequence numbers are moved by
 * as many packets as were joined or cut, so that the far end sees no gap. Called by stream.c. */
#ifndef RM_PACKER_H
#define RM_PACKER_H

#include "sender.h"

enum { RM_PACKET_MS = 20 };
_Static_assert(RM_PACKET_BYTES >= RM_RTP_HEADER_BYTES + 2 * 640, "two of L16/16000 fit in one");

typedef struct rm_packer {
    uint8_t ticks, pieces; /* 0 and 1: as it is */
    uint8_t gathered;      /* packets of the sender in `packet` */
    uint8_t cut;           /* pieces of `packet` that have left */
    uint16_t joined;       /* packets less than the sender made; wraps with the numbers */
    uint64_t tick;         /* the sender's, behind the last one gathered */
    size_t bytes, next_bytes;
    uint8_t packet[RM_PACKET_BYTES];
    uint8_t next[RM_PACKET_BYTES]; /* waits behind `packet` */
} rm_packer;

/* Take the length the far end wishes, in ms: 10, 20, 40 or 60. */
void rm_packer_use(rm_packer *p, uint32_t packet_ms);

/* As rm_sender_next. */
size_t rm_packer_next(rm_packer *p, rm_sender *s, double now, uint8_t packet[RM_PACKET_BYTES]);

#endif
