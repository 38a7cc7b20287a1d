/* Listens in on what a stream sends: decodes its own payloads again, so that a recording holds
 * what the far end was really sent, when it was sent. Made only while somebody listens; called by
 * sender.c once a tick. */
#ifndef RM_MONITOR_H
#define RM_MONITOR_H

#include "frame_line.h"
#include "payload.h"

typedef struct rm_monitor {
    rm_payload_decoder decoder;
    rm_frame_line line; /* pts: samples since the sender's first tick */
} rm_monitor;

/* NULL when memory is short. */
rm_monitor *rm_monitor_new(void);
void rm_monitor_free(rm_monitor *monitor);

/* Take the audio payload of one tick; ticks without one are silence between their neighbours. */
void rm_monitor_take(rm_monitor *monitor, uint64_t tick, rm_encoding encoding,
                     const uint8_t *payload, size_t bytes);

#endif
