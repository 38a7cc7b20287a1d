/* What stream.c hands to the policy that plays a source: one packet of a believed source that is no
 * duplicate. */
#ifndef RM_PACKET_H
#define RM_PACKET_H

#include "payload.h"

/* A timestamp may run ahead of the arrival clock by this much (bursts, a stalled network) before it
 * is taken for that of a new clock rather than for a pause. */
#define RM_AHEAD_MAX_S 2.0
/* After a new clock: a later arrival than this is a pause, an earlier one jitter. */
#define RM_PAUSE_MIN_S 0.1
#define RM_PAUSE_MAX_S 86400.0

typedef struct rm_packet {
    uint32_t ssrc;
    uint16_t sequence_number;
    uint32_t timestamp;
    rm_encoding encoding; /* RM_NO_ENCODING: only a place in the sequence (event, unknown type) */
    bool marker;
    bool mute;          /* lies under a telephone-event: keep its time, not its sound */
    bool comfort_noise; /* RFC 3389: the payload describes the background of a pause */
    const uint8_t *payload;
    uint32_t payload_bytes;
    double arrival;
} rm_packet;

#endif
