/* The sources of one stream, of which one is heard at a time: that one, another SSRC that may take
 * its place, and what those before lost. Called once per packet by stream.c. */
#ifndef RM_SOURCES_H
#define RM_SOURCES_H

#include "rtp.h"
#include "source.h"

typedef struct rm_sources {
    bool has_current, has_candidate;
    uint32_t ssrc, candidate_ssrc;
    uint32_t newest_timestamp; /* of the current one's highest sequence number */
    double newest_at;          /* when that came */
    rm_source current;
    rm_source candidate; /* on probation */
    uint64_t changes;    /* of the SSRC */
    uint64_t restarts;   /* of a sequence under the same SSRC */
    int64_t lost_before; /* by sources, and beginnings, that are over */
    uint64_t expected_before;
} rm_sources;

/* Account for one packet. Another SSRC takes over after two packets in a row, with none of the
 * current source between them, or at once with a marker: that is how a far end which switches its
 * source begins to talk. What straggles behind a sequence that goes on is no restart of it, however
 * many packets that are. */
rm_verdict rm_sources_judge(rm_sources *s, const rm_rtp *rtp, double now);

/* RFC 3550 A.3 over the whole call, without the clamp. */
int64_t rm_sources_lost(const rm_sources *s);
uint64_t rm_sources_expected(const rm_sources *s);

#endif
