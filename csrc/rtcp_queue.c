#include "rtcp_queue.h"

#include <stdlib.h>
#include <string.h>

void rm_rtcp_queue_put(rm_rtcp_queue *q, const uint8_t *data, size_t bytes,
                       const rm_address *from, double arrival)
{
    if (q->ring == NULL)
        q->ring = malloc(RM_RTCP_QUEUE * sizeof *q->ring);
    if (q->ring == NULL || q->count == RM_RTCP_QUEUE || bytes > RM_RTCP_BYTES) {
        q->dropped++;
        return;
    }
    rm_rtcp_datagram *entry = &q->ring[(q->head + q->count++) % RM_RTCP_QUEUE];
    entry->from = *from;
    entry->arrival = arrival;
    entry->bytes = (uint16_t)bytes;
    memcpy(entry->data, data, bytes);
}

const rm_rtcp_datagram *rm_rtcp_queue_take(rm_rtcp_queue *q)
{
    if (q->count == 0)
        return NULL;
    const rm_rtcp_datagram *entry = &q->ring[q->head];
    q->head = (q->head + 1) % RM_RTCP_QUEUE;
    q->count--;
    return entry;
}

void rm_rtcp_queue_free(rm_rtcp_queue *q)
{
    free(q->ring);
    q->ring = NULL;
}
