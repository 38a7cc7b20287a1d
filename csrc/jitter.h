/* How late the packets of one source are, and what playing them later or sooner would cost.
 *
 * delay    = arrival − position on the time line, in ms, minus the least of the last 12 s: exact for
 *            every packet, no filter between
 * histogram  of these delays in 1 ms bins, forgetting about 1000 packets, at once trusted at the
 *            start of a call
 * cost(D)  = price of a ms of delay × D + price of late sound × P(delay > D)
 *          + price of a wait × waits that a listener at D has + price of a loss × P(next is not here)
 *
 * The prices are MOS: ITU-T G.107 figures about 0.005 a ms where delay begins to hurt. The others are
 * PESQ's of this very playout (docs/media-quality.md): a stall costs nearly the root of its length,
 * a wait that is short as much as one that is long and a little for each ms, and what is lost costs
 * less when the packet after it is here to conceal it from both sides.
 * Of a sender that is silent at times less is seen, and every talkspurt may meet what was not: a
 * price that falls with the delay and with the packets seen stands for it.
 * Called per packet by adaptive.c, per tick by steps.c and adjust.c. */
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
    float waits[RM_JITTER_BINS]; /* their sum from a bin on: waits of a listener at that delay */
    float tail[RM_JITTER_BINS];  /* share of packets later than the bin begins */
    float price[RM_JITTER_BINS]; /* MOS lost at the delay where the bin begins, but for the delay */
    float weight;                /* of the next packet; grows instead of the bins fading */
    float missing;               /* weight of packets that did not come */
    double level;                /* delay of a listener who waited for all that came lately, ms */
    double end;                  /* position behind the newest packet, ms */
    int32_t packet_ms;           /* of the newest */
    uint64_t packets;           /* since begun */
    uint64_t heard;             /* packets of all sources */
    bool pauses;                /* the sender is silent at times */
    uint32_t pending;           /* packets since tail was computed */
    uint32_t in_window;         /* packets of the window that is open */
    int32_t latest[2];          /* highest bin of the window before, and of this one */
} rm_jitter;

void rm_jitter_init(rm_jitter *j);

/* Forget the least delay, keep the histogram: another source, the same network. */
void rm_jitter_rebase(rm_jitter *j);

typedef struct rm_jitter_packet {
    double arrival_ms, position_ms; /* when it came and where its sound begins, of any origin */
    double packet_ms;
    bool behind;      /* it arrived behind a packet that was sent after it */
    bool after_pause; /* the sender was silent before it: nothing is missing there */
} rm_jitter_packet;

void rm_jitter_heard(rm_jitter *j, const rm_jitter_packet *packet);

/* The sender is silent at times: it sent comfort noise, or nothing before a packet with after_pause. */
void rm_jitter_pauses(rm_jitter *j);

/* Let the cost know the newest packets too: it learns of ten at a time. */
void rm_jitter_refresh(rm_jitter *j);

/* Expected loss of MOS when packets are needed delay_ms after the least delay; total_ms is the
 * delay until they are heard. */
float rm_jitter_cost(const rm_jitter *j, double delay_ms, double total_ms);

#endif
