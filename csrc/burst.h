/* Bursts and gaps of a lossy path: RFC 3611 section 4.7.2 with the counters of its appendix A.2.
 *
 * What became of a packet is settled 32 packets later: by then a reordered one has come. A packet
 * that came too late to be heard counts as lost here, and apart as discarded, however late it came.
 * Called once per
 * packet by stream.c, whatever the receive policy. */
#ifndef RM_BURST_H
#define RM_BURST_H

#include <stdbool.h>
#include <stdint.h>

enum { RM_BURST_GMIN = 16 };

typedef struct rm_burst {
    bool begun;
    bool in_run; /* the packet settled last was lost */
    uint16_t highest;
    uint32_t unsettled; /* packets up to the highest, less than 32 after each call */
    uint64_t heard, late; /* bit n: highest - n came in time, came too late */
    uint64_t settled, lost, discarded;
    uint64_t settled_before; /* of them, up to this beginning */
    uint64_t runs; /* of consecutive losses */
    uint32_t pkt;     /* since the last loss */
    uint32_t in_burst; /* losses of the burst in progress */
    uint64_t c11, c13, c14, c22, c23, c33;
} rm_burst;

typedef struct rm_burst_figures {
    double burst_density, gap_density;   /* shares of packets lost */
    double burst_packets, gap_packets;   /* mean lengths */
    double mean_run;                     /* losses in a row */
} rm_burst_figures;

/* A new beginning (new source, restarted sequence) with this packet. */
void rm_burst_begin(rm_burst *b, uint16_t sequence_number);

/* One believed packet that is no duplicate. heard: it came in time. */
void rm_burst_packet(rm_burst *b, uint16_t sequence_number, bool heard);

rm_burst_figures rm_burst_report(const rm_burst *b);

#endif
