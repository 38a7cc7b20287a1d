/* How late the packets of one source are, and what playing them later or sooner would cost.
 *
 * delay    = arrival − position on the time line, in ms, minus the least of the last 12 s: exact for
 *            every packet, no filter between
 * histogram  of these delays in 1 ms bins, forgetting about 1000 packets, at once trusted at the
 *            start of a call
 * cost(D)  = price of a ms of delay × D + price of a share of late packets × P(delay > D)
 *
 * The prices are MOS: ITU-T G.107 figures about 0.005 a ms where delay begins to hurt; one packet
 * of a hundred that is not there in time and each delay that it leaves behind cost about 0.4.
 * Called per packet and per tick by adaptive.c. */
#ifndef RM_JITTER_H
#define RM_JITTER_H

#include <stdbool.h>
#include <stdint.h>

enum { RM_JITTER_BINS = 400, RM_JITTER_BLOCKS = 24 };

typedef struct rm_jitter {
    bool begun;
    double base;   /* the least arrival − position of the window, ms */
    double origin; /* what the bins are relative to; follows base in whole steps */
    double blocks[RM_JITTER_BLOCKS]; /* minima of half seconds, newest last */
    double block_end;
    float bins[RM_JITTER_BINS]; /* the last one: and later */
    float tail[RM_JITTER_BINS]; /* share of packets later than the bin begins */
    float weight;               /* of the next packet; grows instead of the bins fading */
    uint32_t pending;           /* packets since tail was computed */
    uint32_t in_window;         /* packets of the window that is open */
    int32_t latest[2];          /* highest bin of the window before, and of this one */
} rm_jitter;

void rm_jitter_init(rm_jitter *j);

/* Forget the least delay, keep the histogram: another source, the same network. */
void rm_jitter_rebase(rm_jitter *j);

/* One packet: when it came and where its sound begins, both in ms of any origin. */
void rm_jitter_packet(rm_jitter *j, double arrival_ms, double position_ms);

/* Expected loss of MOS when packets are needed delay_ms after the least delay; total_ms is the
 * delay until they are heard. */
float rm_jitter_cost(const rm_jitter *j, double delay_ms, double total_ms);

#endif
