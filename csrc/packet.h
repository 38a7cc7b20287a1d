/* What stream.c hands to the policy that plays a source: one packet of a believed source that is no
 * duplicate. */
#ifndef RM_PACKET_H
#define RM_PACKET_H

#include "payload.h"

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
