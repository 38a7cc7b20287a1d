/* What a receiver knows about one RTP source: RFC 3550 appendix A.1 (is the sequence number
 * believable), A.3 (how many packets were lost) and A.8 (interarrival jitter), with the names of
 * the appendix. Called once per received packet by sources.c. */
#ifndef RM_SOURCE_H
#define RM_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum rm_verdict {
    RM_PROBATION, /* not yet, or no longer, believable: do not play */
    RM_PLAYABLE,  /* the highest sequence number so far */
    RM_REORDERED, /* behind the highest, not seen before */
    RM_DUPLICATE, /* seen before */
    RM_RESTARTED, /* two in a row made a new beginning: the numbers before mean nothing now */
} rm_verdict;

typedef struct rm_source {
    uint16_t max_seq;        /* highest sequence number seen */
    uint16_t base_seq;       /* first of this beginning */
    uint32_t cycles;         /* sequence number wraps, times 65536 */
    uint32_t bad_seq;        /* the number that would prove a jump, or one that cannot occur */
    uint32_t probation;      /* packets in sequence still wanted */
    uint32_t received;       /* packets since the beginning, duplicates and late ones too */
    uint32_t expected_prior; /* at the last report */
    uint32_t received_prior;
    uint32_t transit;       /* of the last packet: arrival minus timestamp, RTP units */
    bool has_transit;
    uint64_t jitter;        /* times 16 */
    uint64_t seen[2];       /* bit n: max_seq - n has arrived */
} rm_source;

/* RFC 3550 section 6.4.1, the receiver's share of a report block. */
typedef struct rm_report {
    uint8_t fraction_lost;   /* of 256, since the last report */
    int32_t cumulative_lost; /* clamped to 24 bits with sign */
    uint32_t extended_highest_sequence;
    uint32_t jitter; /* RTP units */
} rm_report;

/* Meet a source with its first packet, which still has to go through rm_source_sequence. */
void rm_source_init(rm_source *s, uint16_t seq);

/* Believe the source from this packet on, without probation. */
void rm_source_believe(rm_source *s, uint16_t seq);

/* A.1: account for one sequence number. */
rm_verdict rm_source_sequence(rm_source *s, uint16_t seq);

/* Account for one number that A.1 would take for a new beginning, but whose packet is known to be of
 * this one. False: A.1 does not, or the number is too far behind to tell; nothing was counted. */
bool rm_source_straggler(rm_source *s, uint16_t seq, rm_verdict *verdict);

/* A.8: arrival in units of the RTP clock, any origin, modulo 2^32. */
void rm_source_jitter(rm_source *s, uint32_t timestamp, uint32_t arrival);

/* Forget the last transit time: the next packet's timestamp has nothing to do with it. */
void rm_source_break_jitter(rm_source *s);

/* A.3 without the clamp; negative when duplicates outnumber losses. */
int64_t rm_source_lost(const rm_source *s);

uint32_t rm_source_expected(const rm_source *s);

/* A.3: what a receiver report says now; starts the next reporting interval. */
rm_report rm_source_report(rm_source *s);

/* Monotonic seconds → RTP units modulo 2^32. */
uint32_t rm_rtp_clock(double seconds, uint32_t rate_hz);

#endif
