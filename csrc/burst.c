#include "burst.h"

enum { LAG = 32, FORGETS = 3000 };

/* One packet's fate, in the order of sequence numbers: appendix A.2. */
static void settle(rm_burst *b, bool heard, bool late)
{
    b->settled++;
    if (heard) {
        b->pkt++;
        b->in_run = false;
        return;
    }
    b->lost += !late;
    b->discarded += late;
    b->runs += !b->in_run;
    b->in_run = true;
    if (b->pkt >= RM_BURST_GMIN) {
        b->c14 += b->in_burst == 1; /* the loss before was alone in its gap */
        b->c13 += b->in_burst > 1;  /* it ended a burst; at the first loss neither */
        b->in_burst = 1;
        b->c11 += b->pkt;
    } else {
        b->in_burst++;
        if (b->pkt == 0) {
            b->c33++;
        } else {
            b->c23++;
            b->c22 += b->pkt - 1;
        }
    }
    b->pkt = 0;
}

static void settle_down_to(rm_burst *b, uint32_t left)
{
    while (b->unsettled > left) {
        uint64_t bit = 1ull << --b->unsettled;
        settle(b, b->heard & bit, b->late & bit);
    }
}

void rm_burst_begin(rm_burst *b, uint16_t sequence_number)
{
    settle_down_to(b, 0);
    b->settled_before = b->settled;
    b->begun = true;
    b->highest = (uint16_t)(sequence_number - 1);
    b->heard = b->late = 0;
}

static void advance(rm_burst *b, uint16_t steps)
{
    for (; steps > 0; steps--) {
        settle_down_to(b, LAG - 1);
        b->heard <<= 1;
        b->late <<= 1;
        b->unsettled++;
        b->highest++;
    }
}

/* A packet comes that was settled as lost, so many places before the last that was settled: where it
 * was missing, something was missing all the same. */
static void amend(rm_burst *b, uint32_t places, bool heard)
{
    if (places >= b->settled - b->settled_before || b->lost == 0)
        return;
    b->lost--;
    b->discarded += !heard;
}

void rm_burst_packet(rm_burst *b, uint16_t sequence_number, bool heard)
{
    if (!b->begun)
        rm_burst_begin(b, sequence_number);
    uint16_t ahead = (uint16_t)(sequence_number - b->highest);
    if (ahead <= FORGETS)
        advance(b, ahead);
    uint16_t behind = (uint16_t)(b->highest - sequence_number);
    if (behind >= b->unsettled)
        amend(b, behind - b->unsettled, heard);
    else if (heard)
        b->heard |= 1ull << behind;
    else
        b->late |= 1ull << behind;
}

static double share(double part, double whole) { return whole > 0 ? part / whole : 0; }

rm_burst_figures rm_burst_report(const rm_burst *b)
{
    /* Appendix A.2 counts a burst, or a lone loss, when the next loss comes: here the last one, too. */
    double c11 = (double)b->c11;
    double c13 = (double)b->c13 + (b->in_burst > 1), c14 = (double)b->c14 + (b->in_burst == 1);
    double c22 = (double)b->c22, c23 = (double)b->c23, c33 = (double)b->c33;
    double c31 = c13, c32 = c23;
    double total = c11 + c14 + c13 + c22 + c23 + c31 + c32 + c33;
    double p32 = share(c32, c31 + c32 + c33);
    double p23 = c22 + c23 < 1 ? 1 : 1 - c22 / (c22 + c23);
    double gap = share(c11 + c14 + c13, c13);
    bool bursts = c13 + c23 + c33 > 0;
    return (rm_burst_figures){
        .burst_density = bursts ? share(p23, p23 + p32) : 0,
        .gap_density = share(c14, c11 + c14),
        .gap_packets = c13 > 0 ? gap : (double)b->settled,
        .burst_packets = c13 > 0 ? total / c13 - gap : 0,
        .mean_run = share((double)(b->lost + b->discarded), (double)b->runs),
    };
}
