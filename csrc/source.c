#include "source.h"

#include <math.h>

/* The values RFC 3550 appendix A.1 proposes. */
enum { MAX_DROPOUT = 3000, MAX_MISORDER = 100, MIN_SEQUENTIAL = 2, RTP_SEQ_MOD = 1 << 16 };
/* The packets that are remembered. */
enum { SEEN = 128 };

static void begin_at(rm_source *s, uint16_t seq)
{
    s->base_seq = seq;
    s->max_seq = seq;
    s->bad_seq = RTP_SEQ_MOD + 1; /* equal to no sequence number */
    s->cycles = 0;
    s->received = 0;
    s->received_prior = 0;
    s->expected_prior = 0;
    s->seen[0] = 1;
    s->seen[1] = 0;
}

void rm_source_init(rm_source *s, uint16_t seq)
{
    *s = (rm_source){0};
    begin_at(s, seq);
    s->max_seq = (uint16_t)(seq - 1);
    s->probation = MIN_SEQUENTIAL;
}

void rm_source_believe(rm_source *s, uint16_t seq)
{
    begin_at(s, seq);
    s->probation = 0;
    s->received = 1;
}

/* Move the window of seen packets up to a new highest number. */
static void advance_seen(rm_source *s, uint32_t steps)
{
    if (steps >= SEEN) {
        s->seen[1] = 0;
        s->seen[0] = 0;
    } else if (steps >= 64) {
        s->seen[1] = s->seen[0] << (steps - 64);
        s->seen[0] = 0;
    } else if (steps > 0) {
        s->seen[1] = s->seen[1] << steps | s->seen[0] >> (64 - steps);
        s->seen[0] <<= steps;
    }
    s->seen[0] |= 1;
}

static rm_verdict on_probation(rm_source *s, uint16_t seq)
{
    /* The appendix compares with max_seq + 1 in the width of int and so never passes a source
     * that begins at 65535; the cast lets it wrap. */
    bool in_sequence = seq == (uint16_t)(s->max_seq + 1);
    s->max_seq = seq;
    if (!in_sequence) {
        s->probation = MIN_SEQUENTIAL - 1;
        return RM_PROBATION;
    }
    if (--s->probation > 0)
        return RM_PROBATION;
    rm_source_believe(s, seq);
    return RM_RESTARTED;
}

static rm_verdict advance(rm_source *s, uint16_t seq, uint16_t udelta)
{
    if (udelta == 0)
        return RM_DUPLICATE;
    if (seq < s->max_seq)
        s->cycles += RTP_SEQ_MOD;
    s->max_seq = seq;
    advance_seen(s, udelta);
    return RM_PLAYABLE;
}

/* Of what is further behind than is remembered nobody knows whether it came before. */
static rm_verdict misordered(rm_source *s, uint32_t steps_behind)
{
    if (steps_behind >= SEEN)
        return RM_REORDERED;
    uint64_t bit = 1ull << (steps_behind % 64);
    bool known = s->seen[steps_behind / 64] & bit;
    s->seen[steps_behind / 64] |= bit;
    return known ? RM_DUPLICATE : RM_REORDERED;
}

rm_verdict rm_source_sequence(rm_source *s, uint16_t seq)
{
    if (s->probation)
        return on_probation(s, seq);

    uint16_t udelta = (uint16_t)(seq - s->max_seq);
    rm_verdict verdict;
    if (udelta < MAX_DROPOUT) {
        verdict = advance(s, seq, udelta);
    } else if (udelta <= RTP_SEQ_MOD - MAX_MISORDER) {
        /* "the sequence number made a very large jump": only a second packet right behind it
         * proves that "the other side restarted without telling us" (A.1). */
        if (seq != s->bad_seq) {
            s->bad_seq = (uint16_t)(seq + 1);
            return RM_PROBATION;
        }
        begin_at(s, seq);
        verdict = RM_RESTARTED;
    } else {
        verdict = misordered(s, RTP_SEQ_MOD - udelta);
    }
    s->received++;
    return verdict;
}

bool rm_source_straggler(rm_source *s, uint16_t seq, rm_verdict *verdict)
{
    uint16_t behind = (uint16_t)(s->max_seq - seq);
    if (s->probation || behind < MAX_MISORDER || behind >= MAX_DROPOUT)
        return false;
    *verdict = misordered(s, behind);
    s->received++;
    return true;
}

void rm_source_jitter(rm_source *s, uint32_t timestamp, uint32_t arrival)
{
    uint32_t transit = arrival - timestamp;
    int64_t d = (int32_t)(transit - s->transit);
    s->transit = transit;
    if (!s->has_transit) {
        s->has_transit = true;
        return;
    }
    s->jitter = s->jitter + (uint64_t)(d < 0 ? -d : d) - ((s->jitter + 8) >> 4);
}

void rm_source_break_jitter(rm_source *s) { s->has_transit = false; }

uint32_t rm_source_expected(const rm_source *s)
{
    return s->probation ? 0 : s->cycles + s->max_seq - s->base_seq + 1;
}

int64_t rm_source_lost(const rm_source *s)
{
    return (int64_t)rm_source_expected(s) - s->received;
}

rm_report rm_source_report(rm_source *s)
{
    uint32_t expected = rm_source_expected(s);
    int64_t lost = rm_source_lost(s);
    int64_t expected_interval = (int64_t)expected - s->expected_prior;
    int64_t lost_interval = expected_interval - ((int64_t)s->received - s->received_prior);
    s->expected_prior = expected;
    s->received_prior = s->received;

    /* Section 6.4.1: "a signed number of 24 bits", clamped, not wrapped. */
    int64_t clamped = lost > 0x7fffff ? 0x7fffff : lost < -0x800000 ? -0x800000 : lost;
    bool none = expected_interval == 0 || lost_interval <= 0;
    int64_t fraction = none ? 0 : (lost_interval << 8) / expected_interval;
    return (rm_report){
        .fraction_lost = (uint8_t)(fraction > 255 ? 255 : fraction),
        .cumulative_lost = (int32_t)clamped,
        .extended_highest_sequence = s->cycles + s->max_seq,
        .jitter = (uint32_t)(s->jitter >> 4),
    };
}

uint32_t rm_rtp_clock(double seconds, uint32_t rate_hz)
{
    double units = fmod(rint(seconds * rate_hz), 4294967296.0);
    return isfinite(units) ? (uint32_t)(int64_t)units : 0;
}
