/* How much faster the far end's audio clock runs than ours.
 *
 * arrival - timestamp / rate is the packet's delay plus a constant; queues only ever add to it, so
 * its minimum over two seconds is the path at its emptiest, and the slope of a straight line
 * through those minima is the difference of the clocks. Old minima are forgotten slowly. Called
 * once per audio packet by stream.c. */
#ifndef RM_SKEW_H
#define RM_SKEW_H

#include <stdbool.h>
#include <stdint.h>

typedef struct rm_skew {
    bool begun;
    uint32_t rate_hz;
    uint32_t timestamp; /* of the last packet */
    int64_t units;      /* from the first packet to it */
    double start;       /* arrival of the first packet */
    double window_end, lowest, lowest_at;
    double n, t, d, tt, td; /* weighted sums over windows: time, delay */
} rm_skew;

/* Begin anew: the next packet's timestamp has nothing to do with those before. */
void rm_skew_break(rm_skew *k);

void rm_skew_packet(rm_skew *k, uint32_t timestamp, uint32_t rate_hz, double arrival);

/* Parts per million, positive when the far end's clock is the faster one; NAN before 20 s. */
double rm_skew_ppm(const rm_skew *k);

#endif
