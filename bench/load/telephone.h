/* One far end's media: what it sends, what it hears, and what the measured window counts.
 *
 * Who calls it: far_end.c, which owns the sockets' schedule. Everything here happens on one
 * thread; all calls share one set of counts because the load test asks about the level, not
 * about one call.
 *
 * Round trip of a packet: a sample returns when the packet that carries it arrives, plus its
 * place in that packet, since that is when a telephone without a jitter buffer plays it. An
 * engine's filters and its wait for the next tick are both in the figure; an exact copy of the
 * packet has neither.
 */
#ifndef TELEPHONE_H
#define TELEPHONE_H

#include "burst_code.h"
#include "samples.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum {
    LINE_SAMPLES = 1536,
    PAUSE_SAMPLES = 480, /* a larger step in timestamps is a pause, not a loss */
    SEEN_PACKETS = 8,
};

struct sent {
    int64_t at; /* realtime ns; 0 = none */
    bool counted, echoed;
};

struct telephone {
    int fd;
    bool sending;
    struct sockaddr_in peer; /* port 0 until a call is set up */
    uint8_t payload_type;
    uint16_t sequence_number;
    uint32_t timestamp, ssrc, number;
    struct sent sent[BURST_NUMBERS];
    /* What came back, on the time line of the peer's timestamps. line[0] is at line_timestamp and
     * is where the next block begins if nothing moved; a negative length means it is yet to come. */
    bool receiving;
    uint32_t peer_ssrc, line_timestamp;
    int line_length;
    int16_t line[LINE_SAMPLES];
    struct {
        uint32_t timestamp;
        int64_t arrival;
    } seen[SEEN_PACKETS];
    unsigned seen_count;
    int64_t last_arrival;
    uint32_t overflows, echoed_in_window;
};

/* The measured window, realtime ns, and what happened in it. */
struct window {
    int64_t open, close;
    long sent, received, echoed, duplicate, foreign, dropped, unsent, other;
    struct samples lateness, gaps, round_trips;
};
extern struct window window;

int64_t clock_ns(clockid_t clock);

/* Forgets the last call; random SSRC, sequence number and timestamp (RFC 3550 section 5.1). */
void telephone_set_up(struct telephone *t, const char *address, int port, int payload_type);

/* Sends the next packet, which was due at this CLOCK_MONOTONIC time. */
void telephone_send(struct telephone *t, int64_t due);

/* Reads all that waits in the socket. */
void telephone_receive(struct telephone *t);

#endif
