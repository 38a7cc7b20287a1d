#include "sources.h"

/* A network holds nothing back for longer: 10 s of the fastest clock. */
enum { STRAGGLES_UNITS = 10 * 48000 };
/* A sequence whose last packet is older than this may have ended. A far end that plays the same
 * packets once more loses so much of their beginning at most. */
#define GOES_ON_S 0.1

static void close_beginning(rm_sources *s, int64_t lost, uint32_t expected)
{
    s->lost_before += lost;
    s->expected_before += expected;
}

static rm_verdict judge_candidate(rm_sources *s, const rm_rtp *rtp)
{
    if (!s->has_candidate || s->candidate_ssrc != rtp->ssrc) {
        s->has_candidate = true;
        s->candidate_ssrc = rtp->ssrc;
        rm_source_init(&s->candidate, rtp->sequence_number);
    }
    if (rtp->marker)
        rm_source_believe(&s->candidate, rtp->sequence_number);
    else if (rm_source_sequence(&s->candidate, rtp->sequence_number) == RM_PROBATION)
        return RM_PROBATION;

    if (s->has_current) {
        close_beginning(s, rm_source_lost(&s->current), rm_source_expected(&s->current));
        s->changes++;
    }
    s->current = s->candidate;
    s->ssrc = rtp->ssrc;
    s->has_current = true;
    s->has_candidate = false;
    return RM_RESTARTED;
}

/* A packet from so long ago that RFC 3550 A.1, which has sequence numbers alone, takes it and the
 * one behind it for a restart: but its timestamp is as old, and the sequence goes on. */
static bool straggles(const rm_sources *s, const rm_rtp *rtp, double now)
{
    int32_t behind = (int32_t)(s->newest_timestamp - rtp->timestamp);
    return behind > 0 && behind <= STRAGGLES_UNITS && now - s->newest_at <= GOES_ON_S;
}

static rm_verdict judge_current(rm_sources *s, const rm_rtp *rtp, double now)
{
    rm_verdict verdict;
    if (straggles(s, rtp, now) && rm_source_straggler(&s->current, rtp->sequence_number, &verdict))
        return verdict;
    int64_t lost = rm_source_lost(&s->current);
    uint32_t expected = rm_source_expected(&s->current);
    verdict = rm_source_sequence(&s->current, rtp->sequence_number);
    if (verdict == RM_RESTARTED) {
        close_beginning(s, lost, expected);
        s->restarts++;
        rm_source_break_jitter(&s->current);
    }
    return verdict;
}

rm_verdict rm_sources_judge(rm_sources *s, const rm_rtp *rtp, double now)
{
    bool current = s->has_current && rtp->ssrc == s->ssrc;
    if (current)
        s->has_candidate = false;
    rm_verdict verdict = current ? judge_current(s, rtp, now) : judge_candidate(s, rtp);
    if (verdict == RM_PLAYABLE || verdict == RM_RESTARTED) {
        s->newest_timestamp = rtp->timestamp;
        s->newest_at = now;
    }
    return verdict;
}

int64_t rm_sources_lost(const rm_sources *s)
{
    return s->lost_before + (s->has_current ? rm_source_lost(&s->current) : 0);
}

uint64_t rm_sources_expected(const rm_sources *s)
{
    return s->expected_before + (s->has_current ? rm_source_expected(&s->current) : 0);
}
