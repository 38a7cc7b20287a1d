#include "datagram_queue.h"

#include <stdlib.h>
#include <string.h>

void rm_datagram_queue_put(rm_datagram_queue *q, const uint8_t *data, size_t bytes,
                       const rm_address *from, double arrival)
{
    if (q->ring == NULL)
        q->ring = malloc(RM_DATAGRAM_QUEUE * sizeof *q->ring);
    if (q->ring == NULL || q->count == RM_DATAGRAM_QUEUE || bytes > RM_QUEUED_BYTES) {
        q->dropped++;
        return;
    }
    rm_datagram *entry = &q->ring[(q->head + q->count++) % RM_DATAGRAM_QUEUE];
    entry->from = *from;
    entry->arrival = arrival;
    entry->bytes = (uint16_t)bytes;
    memcpy(entry->data, data, bytes);
}

const rm_datagram *rm_datagram_queue_take(rm_datagram_queue *q)
{
    if (q->count == 0)
        return NULL;
    const rm_datagram *entry = &q->ring[q->head];
    q->head = (q->head + 1) % RM_DATAGRAM_QUEUE;
    q->count--;
    return entry;
}

void rm_datagram_queue_free(rm_datagram_queue *q)
{
    free(q->ring);
    q->ring = NULL;
}
