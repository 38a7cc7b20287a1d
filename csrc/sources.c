#include "sources.h"

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

rm_verdict rm_sources_judge(rm_sources *s, const rm_rtp *rtp)
{
    if (!s->has_current || rtp->ssrc != s->ssrc)
        return judge_candidate(s, rtp);
    s->has_candidate = false;
    int64_t lost = rm_source_lost(&s->current);
    uint32_t expected = rm_source_expected(&s->current);
    rm_verdict verdict = rm_source_sequence(&s->current, rtp->sequence_number);
    if (verdict == RM_RESTARTED) {
        close_beginning(s, lost, expected);
        s->restarts++;
        rm_source_break_jitter(&s->current);
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
