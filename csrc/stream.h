/* One RTP media stream, both directions, without sockets or clocks: the latch, the source, a policy
 * (ingress: at once; adaptive: an even stream) and telephone-events on the way in; the sender on
 * the way out. One received packet is one call, one tick is one call; nothing here needs Python. A
 * stream belongs to one thread at a time. Called by _stream.pyx and media_io.c. */
#ifndef RM_STREAM_H
#define RM_STREAM_H

#include "burst.h"
#include "ingress.h"
#include "latch.h"
#include "datagram_queue.h"
#include "listener.h"
#include "packer.h"
#include "sender.h"
#include "skew.h"
#include "sources.h"
#include "srtp.h"
#include "telephone_event.h"

/* What a payload type number means to us; audio ones equal their rm_encoding. */
enum { RM_MEANS_NOTHING = 0, RM_MEANS_COMFORT_NOISE = 0xe0, RM_MEANS_EVENT = 0xf0 };

/* Telephone-events have a clock of their own; 0 is that of the audio heard last. */
enum { RM_EVENT_CLOCKS = 4 };
uint8_t rm_means_event_at(uint32_t rate_hz); /* RM_MEANS_NOTHING for a clock we do not know */

typedef struct rm_stream_config {
    uint8_t receive[128]; /* by payload type */
    uint8_t send_payload_type;
    rm_encoding send_encoding;
    int16_t send_event; /* payload type or -1 */
    int16_t send_noise; /* RFC 3389, payload type or -1 */
    rm_address remote;  /* family 0: the SDP named none */
    bool sending, receiving;
    bool suppress_silence;
    uint32_t packet_ms; /* 10, 20, 40 or 60: what the far end wishes to be sent */
    bool rtcp_mux; /* RTCP comes on the RTP port */
} rm_stream_config;

typedef struct rm_stream_counters {
    uint64_t packets_received, octets_received;
    double first_received; /* of these packets; no time before there are any */
    uint64_t bad_header, bad_payload, unknown_payload_type, wrong_source, on_probation;
    uint64_t duplicate, reordered;
    uint64_t noise_packets; /* of comfort noise */
    uint64_t own_packets_back; /* sent by us, reflected by the far end */
    uint64_t send_errors, receive_errors;
} rm_stream_counters;

typedef struct rm_stream {
    double timeout; /* the earlier of the two receive deadlines; first, with sender.due near */
    rm_sender sender;
    rm_latch latch;
    bool receiving;
    bool rtcp_mux;
    bool collided; /* another source uses our SSRC; until the owner takes note */
    bool paused; /* the far end, by its own word: comfort noise was the last that came */
    rm_sources sources;
    uint8_t receive[128];
    rm_stream_counters counters;
    rm_event_receiver events;
    rm_ingress ingress;
    rm_burst burst;
    rm_skew skew;
    rm_datagram_queue rtcp;
    bool multiplexed; /* STUN and DTLS come on the RTP port */
    rm_datagram_queue beside;
    rm_listener *listener; /* NULL: the policy is "immediate" */
    rm_sender *relay_to; /* another stream's, which sends our payloads on; NULL: none */
    bool listened;       /* whoever relays wants the frames, too */
    rm_packer packer;
    rm_srtp_sender srtp_sender;
    rm_srtp_receiver srtp_receiver;
    rm_srtp_counters srtp;
} rm_stream;

/* False when memory is short. gap_wait in seconds. */
bool rm_stream_init(rm_stream *s, uint32_t ssrc, uint16_t sequence_number, uint32_t timestamp,
                    double gap_wait, uint32_t playout_limit_samples);
void rm_stream_free(rm_stream *s);

/* Before the first packet: play what is received as an even stream, with the delay that suits the
 * network (fixed_ms -1) or one of so many ms. False when memory is short. */
bool rm_stream_listen(rm_stream *s, int32_t fixed_ms);

/* Take the outcome of an offer and answer; sources and sequence numbers go on. False when memory
 * for comfort noise is short: pauses are sent as sound then. */
bool rm_stream_configure(rm_stream *s, const rm_stream_config *config);

/* Account for one datagram. `data` is not kept. */
void rm_stream_receive(rm_stream *s, const uint8_t *data, size_t bytes, const rm_address *from,
                       double now);

/* Send what is received on by another stream too, which outlives this or is taken off by NULL: what
 * its far end takes as it is, no frames are made of it unless somebody listens. Audio that it does
 * not take ends the relay. False when memory is short. */
bool rm_stream_relay(rm_stream *s, rm_stream *to);

/* Write the next packet that is due, protected where that was agreed; returns its size, or 0 when
 * nothing more is due. */
size_t rm_stream_next_packet(rm_stream *s, double now, uint8_t packet[RM_PACKET_BYTES]);

/* Let the deadlines up to now pass. */
void rm_stream_handle_timeout(rm_stream *s, double now);

/* Whether a frame, a digit, a mark or a datagram beside RTP waits to be taken. */
bool rm_stream_has_news(const rm_stream *s);

/* Losses as a share of what was sent to us, over the whole call, 0 to 1. A packet that came twice
 * makes up for no other, as it does in what RFC 3550 A.3 reports. */
double rm_stream_loss(const rm_stream *s);
int64_t rm_stream_lost(const rm_stream *s);

/* RFC 3550 A.8 of the current source, in ms. */
double rm_stream_jitter_ms(const rm_stream *s);

#endif
