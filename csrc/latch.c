#include "latch.h"

void rm_latch_signal(rm_latch *latch, const rm_address *signalled)
{
    if (rm_address_equal(&latch->signalled, signalled))
        return;
    *latch = (rm_latch){.signalled = *signalled, .remote = *signalled};
}

bool rm_latch_accept(rm_latch *latch, const rm_address *from, uint32_t ssrc, bool matching)
{
    bool known = latch->remote.family != 0 && rm_address_equal(from, &latch->remote);
    bool closed = latch->frozen && (known || !rm_address_equal(from, &latch->signalled));
    if (closed || !matching)
        return known;
    if (latch->count == 0 || ssrc != latch->ssrc || !rm_address_equal(from, &latch->candidate)) {
        latch->candidate = *from;
        latch->ssrc = ssrc;
        latch->count = 0;
    }
    if (++latch->count < RM_LATCH_PACKETS || from->family == 0)
        return known;
    latch->remote = *from;
    latch->frozen = true;
    return true;
}
