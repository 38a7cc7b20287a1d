/* Egress of one stream: 20 ms of playout → one RTP packet, on an absolute schedule.
 *
 *   tick n is due at start + n × 20 ms, never later because an earlier one was late
 *   timestamp   moves by 20 ms of its clock at every tick, sent or not (RFC 3550 section 5.1)
 *   marker      on the first packet after ticks without one
 *   late        ticks are caught up, ten at most; the rest is skipped, in time but not in audio
 *   noise       where the far end takes it, pauses are told by comfort noise packets (dtx.h)
 *   relayed     while payloads of another stream pass through, ticks send nothing, unless something
 *               is queued: that has the word, and what would pass meanwhile is dropped
 *   held        a tick that finds nothing right after speech waits up to 15 ms for more, so that a
 *               writer who keeps pace frame by frame is not cut by 20 ms of silence whenever one
 *               frame comes a moment late; the next tick stays where it is
 *
 * Called by stream.c. */
#ifndef RM_SENDER_H
#define RM_SENDER_H

#include "dtx.h"
#include "lateness.h"
#include "meter.h"
#include "monitor.h"
#include "payload.h"
#include "playout.h"
#include "relay.h"
#include "rtp.h"
#include "srtp.h"
#include "telephone_event.h"

#define RM_HOLD_SECONDS 0.015
/* The largest we send: 40 ms of L16/16000. It has to fit in what Ethernet carries. */
enum { RM_PACKET_BYTES = RM_RTP_HEADER_BYTES + 1280 + RM_SRTP_TRAILER_BYTES };

typedef struct rm_sender {
    double due; /* of the next tick; INFINITY before the start */
    double start;
    uint64_t tick; /* the one that is due then */
    bool sending;
    bool suppress; /* send nothing, rather than encoded silence, while nothing is queued */
    bool marker_next;
    uint32_t silent_ticks; /* since the last sample was encoded */
    uint16_t sequence_number;
    uint32_t timestamp; /* of the next tick */
    uint32_t ssrc;
    uint8_t payload_type;
    int16_t event_payload_type; /* -1: the peer takes no events */
    uint8_t noise_payload_type; /* where dtx is not NULL */
    rm_payload_encoder encoder;
    rm_event_sender event;
    rm_playout playout;
    uint64_t packets, octets;
    uint64_t packets_before, octets_before; /* under SSRCs we had before */
    double first_sent; /* of these packets; no time before there are any */
    uint64_t late_ticks, skipped_ticks;
    rm_lateness lateness; /* of packets, behind rm_sender_next_time */
    uint64_t digits_dropped; /* queued, but the peer had stopped taking events */
    uint64_t played;  /* samples */
    uint64_t silence_packets, noise_packets;
    rm_meter meter;
    rm_dtx *dtx; /* NULL: the peer takes no comfort noise */
    rm_monitor *monitor; /* NULL while nobody listens in */
    rm_relay *relay;     /* NULL until payloads of another stream pass through */
} rm_sender;

void rm_sender_init(rm_sender *s, uint32_t ssrc, uint16_t sequence_number, uint32_t timestamp,
                    uint32_t limit_samples);
void rm_sender_free(rm_sender *s);
void rm_sender_start(rm_sender *s, double now);

/* Tell pauses by comfort noise of this payload type from now on; -1: send them as any sound. False
 * when memory is short. After rm_payload_encoder_use. */
bool rm_sender_use_noise(rm_sender *s, int16_t payload_type);

/* Whether the tick that is due would interrupt speech that may only be late. */
static inline bool rm_sender_may_hold(const rm_sender *s)
{
    return s->silent_ticks == 0 && s->packets > 0 && s->sending && !s->event.active &&
           rm_playout_queued(&s->playout) == 0 && s->playout.tail_left == 0 &&
           !rm_playout_has_cues(&s->playout);
}

/* When rm_sender_next will have something to do. */
static inline double rm_sender_next_time(const rm_sender *s)
{
    if (s->relay != NULL && s->relay->count > 0)
        return 0;
    return rm_sender_may_hold(s) ? s->due + RM_HOLD_SECONDS : s->due;
}

/* Let payloads pass through; false when memory is short. */
bool rm_sender_open_relay(rm_sender *s);

/* Pass a packet of another stream through, audio or (RM_NO_ENCODING) a telephone-event. False when
 * our far end does not take it so; true also when it is dropped, because we may not send now or
 * have something to say ourselves. */
bool rm_sender_pass(rm_sender *s, const rm_rtp *rtp, rm_encoding encoding, double now);

/* Write the next packet that is due; returns its size, or 0 when nothing more is due. */
size_t rm_sender_next(rm_sender *s, double now, uint8_t packet[RM_PACKET_BYTES]);

/* The timestamp of that instant on the clock of what is sent: what a sender report names. */
uint32_t rm_sender_timestamp_at(const rm_sender *s, double now);

/* Whether a packet with our SSRC is one of ours come back, by its numbers. */
bool rm_sender_recognises(const rm_sender *s, uint16_t sequence_number, uint32_t timestamp);

/* Go on as another source (RFC 3550 section 8.2). */
void rm_sender_change_ssrc(rm_sender *s, uint32_t ssrc);

/* Nothing queued, nothing in progress. */
bool rm_sender_idle(const rm_sender *s);

#endif
