/* The policies "adaptive" and "fixed" of a stream: an even sequence of bus frames from adaptive.c,
 * one every 20 ms from the first packet on, or samples when the owner plays on a clock of its own.
 * Called by stream.c and _stream.pyx. */
#ifndef RM_LISTENER_H
#define RM_LISTENER_H

#include "adaptive.h"
#include "frame_line.h"
#include "resample.h"

typedef struct rm_listener {
    double due;  /* of the next frame; INFINITY before the first packet and for samples */
    bool pulled; /* the owner takes samples */
    rm_up2 up;
    rm_adaptive *playout;
} rm_listener;

/* fixed_ms: the delay to keep, -1 for one that suits the network. NULL when memory is short. */
rm_listener *rm_listener_new(int32_t fixed_ms);
void rm_listener_free(rm_listener *l);

void rm_listener_receive(rm_listener *l, const rm_packet *packet);

/* A new beginning of the source; `first`: a packet that belongs to it, or NULL. */
void rm_listener_restart(rm_listener *l, const rm_packet *first);

/* Append the frames that are due by now to the line. */
void rm_listener_play(rm_listener *l, rm_frame_line *line, double now);

/* The next n samples (20 ms at most) at the playout's own rate; no more frames from now on. */
void rm_listener_pull(rm_listener *l, double now, int16_t *out, size_t n);

/* Where a timestamp will be heard on the line, not before 0. */
int64_t rm_listener_position(const rm_listener *l, const rm_frame_line *line, uint32_t timestamp,
                             uint32_t clock_hz);

#endif
