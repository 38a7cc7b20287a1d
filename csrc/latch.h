/* Symmetric RTP: where media may come from, and so where ours goes (RFC 4961).
 *
 * The address in the peer's SDP is right unless a NAT stands between, so media is taken from that
 * address at once, and from another one only when three packets in a row from it carry a
 * negotiated payload type and one SSRC. Whichever address has sent three packets first keeps the
 * stream: nobody who learns the port can pull it away later, but the address in the SDP itself,
 * should a stranger have been faster, takes it back with three. Called per packet by stream.c. */
#ifndef RM_LATCH_H
#define RM_LATCH_H

#include "address.h"

enum { RM_LATCH_PACKETS = 3 };

typedef struct rm_latch {
    rm_address signalled; /* from the SDP; family 0 when it named none */
    rm_address remote;    /* where media goes now */
    rm_address candidate;
    uint32_t ssrc; /* of the candidate */
    uint32_t count;
    bool frozen;
} rm_latch;

/* Take the address of a new SDP body; the same one again changes nothing. */
void rm_latch_signal(rm_latch *latch, const rm_address *signalled);

/* Whether a packet from there may be played. matching: its payload type was negotiated. */
bool rm_latch_accept(rm_latch *latch, const rm_address *from, uint32_t ssrc, bool matching);

#endif
