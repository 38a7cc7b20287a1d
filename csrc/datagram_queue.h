/* Datagrams that came on the RTP port and are not RTP, kept until the owner of the stream takes them:
 * RTCP (RFC 5761), and STUN and DTLS (RFC 7983). Reports come seconds apart, and a tick brings no
 * more than one flight of a handshake beside some checks: only who floods us loses some. */
#ifndef RM_DATAGRAM_QUEUE_H
#define RM_DATAGRAM_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"

enum { RM_DATAGRAM_QUEUE = 8, RM_QUEUED_BYTES = 1500 };

typedef struct rm_datagram {
    rm_address from;
    double arrival;
    uint16_t bytes;
    uint8_t data[RM_QUEUED_BYTES];
} rm_datagram;

typedef struct rm_datagram_queue {
    rm_datagram *ring; /* NULL until the first datagram */
    uint32_t head, count;
    uint64_t dropped;
} rm_datagram_queue;

/* RFC 5761 section 4: packet types 192 to 223 are where RTP has payload types 64 to 95 and a
 * marker, which nobody may use beside RTCP. */
static inline bool rm_is_rtcp(const uint8_t *data, size_t bytes)
{
    return bytes >= 2 && data[0] >> 6 == 2 && data[1] >= 192 && data[1] <= 223;
}

/* RFC 7983 section 7: STUN begins with 0 to 3, DTLS with 20 to 63. */
static inline bool rm_is_stun_or_dtls(const uint8_t *data, size_t bytes)
{
    return bytes > 0 && (data[0] <= 3 || (data[0] >= 20 && data[0] <= 63));
}

void rm_datagram_queue_put(rm_datagram_queue *q, const uint8_t *data, size_t bytes,
                       const rm_address *from, double arrival);

/* The oldest datagram or NULL; valid until the next put. */
const rm_datagram *rm_datagram_queue_take(rm_datagram_queue *q);
void rm_datagram_queue_free(rm_datagram_queue *q);

#endif
