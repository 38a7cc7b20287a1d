/* RTCP datagrams that came on the RTP port (RFC 5761), kept until the owner of the stream takes
 * them. Reports come seconds apart: four are room enough, and only who floods us loses some. */
#ifndef RM_RTCP_QUEUE_H
#define RM_RTCP_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"

enum { RM_RTCP_QUEUE = 4, RM_RTCP_BYTES = 1500 };

typedef struct rm_rtcp_datagram {
    rm_address from;
    double arrival;
    uint16_t bytes;
    uint8_t data[RM_RTCP_BYTES];
} rm_rtcp_datagram;

typedef struct rm_rtcp_queue {
    rm_rtcp_datagram *ring; /* NULL until the first datagram */
    uint32_t head, count;
    uint64_t dropped;
} rm_rtcp_queue;

/* RFC 5761 section 4: packet types 192 to 223 are where RTP has payload types 64 to 95 and a
 * marker, which nobody may use beside RTCP. */
static inline bool rm_is_rtcp(const uint8_t *data, size_t bytes)
{
    return bytes >= 2 && data[0] >> 6 == 2 && data[1] >= 192 && data[1] <= 223;
}

void rm_rtcp_queue_put(rm_rtcp_queue *q, const uint8_t *data, size_t bytes,
                       const rm_address *from, double arrival);

/* The oldest datagram or NULL; valid until the next put. */
const rm_rtcp_datagram *rm_rtcp_queue_take(rm_rtcp_queue *q);
void rm_rtcp_queue_free(rm_rtcp_queue *q);

#endif
