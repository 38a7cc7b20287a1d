/* SRTP (RFC 3711) on the packet path of one stream, done by libsrtp.
 *
 * libsrtp comes with the Python package pylibsrtp; its functions and sessions are handed to us as
 * pointers (rtp/srtp.py), so that a packet is protected and unprotected without Python. What the
 * library cannot be told through that package is done here: the MKI field (section 3.1) is taken
 * out, and a peer that changes its SSRC for ever makes no more than RM_SRTP_SOURCES contexts.
 * Called per packet by stream.c. */
#ifndef RM_SRTP_H
#define RM_SRTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RM_SRTP_TRAILER_BYTES = 16, /* the longest tag of our suites (RFC 7714 section 13.2) */
    RM_SRTP_SOURCES = 8,
    RM_SRTP_PACKET_BYTES = 2048,
    RM_MKI_BYTES = 128, /* RFC 4568 section 6.1: the longest there may be */
};

/* libsrtp 2: srtp_protect and srtp_unprotect. In place, *bytes changes; returns an rm_srtp_status. */
typedef int (*rm_srtp_function)(void *session, void *packet, int *bytes);
/* srtp_remove_stream; the SSRC in network order. */
typedef int (*rm_srtp_remove)(void *session, unsigned int ssrc);

/* srtp_err_status_t, as far as we tell them apart. */
enum rm_srtp_status {
    RM_SRTP_OK = 0,
    RM_SRTP_AUTH_FAIL = 7,
    RM_SRTP_REPLAY_FAIL = 9,
    RM_SRTP_REPLAY_OLD = 10,
};

typedef struct rm_srtp_sender {
    rm_srtp_function protect; /* NULL: plain RTP */
    void *session;
} rm_srtp_sender;

typedef struct rm_srtp_receiver {
    rm_srtp_function unprotect; /* NULL: plain RTP */
    rm_srtp_remove remove;
    void *session;
    uint8_t tag_bytes; /* that follow the MKI */
    uint8_t mki_bytes; /* 0: none */
    uint8_t mki[RM_MKI_BYTES];
    uint32_t ssrcs[RM_SRTP_SOURCES]; /* the session has a context of each */
    uint32_t ssrc_count;             /* ever seen; the oldest gives way */
} rm_srtp_receiver;

typedef struct rm_srtp_counters {
    uint64_t failures; /* not authentic, or not to be protected */
    uint64_t replays;
} rm_srtp_counters;

/* Protect a packet in place; it needs RM_SRTP_TRAILER_BYTES of room. Returns its size, or 0 when it
 * must not be sent. */
size_t rm_srtp_protect(const rm_srtp_sender *s, rm_srtp_counters *counters, uint8_t *packet,
                       size_t bytes);

/* Unprotect `data` into `packet`. Returns the size of the RTP packet, or 0 (counted). */
size_t rm_srtp_unprotect(rm_srtp_receiver *s, rm_srtp_counters *counters, const uint8_t *data,
                         size_t bytes, uint8_t packet[RM_SRTP_PACKET_BYTES]);

#endif
