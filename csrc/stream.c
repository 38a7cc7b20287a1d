#include "stream.h"

#include <math.h>
#include <stdalign.h>
#include <string.h>

/* RFC 3389. Of its payload the level and as many coefficients are taken as are used. */
enum { CN_PAYLOAD_TYPE = 13, CN_MAX_BYTES = 1 + RM_COMFORT_NOISE_ORDER };

bool rm_stream_init(rm_stream *s, uint32_t ssrc, uint16_t sequence_number, uint32_t timestamp,
                    double gap_wait, uint32_t playout_limit_samples)
{
    *s = (rm_stream){.timeout = INFINITY};
    rm_sender_init(&s->sender, ssrc, sequence_number, timestamp, playout_limit_samples);
    rm_event_receiver_init(&s->events);
    return rm_ingress_init(&s->ingress, gap_wait);
}

void rm_stream_free(rm_stream *s)
{
    rm_sender_free(&s->sender);
    rm_datagram_queue_free(&s->rtcp);
    rm_datagram_queue_free(&s->beside);
    rm_ingress_free(&s->ingress);
    rm_listener_free(s->listener);
    s->listener = NULL;
}

bool rm_stream_listen(rm_stream *s, int32_t fixed_ms)
{
    s->listener = rm_listener_new(fixed_ms);
    return s->listener != NULL;
}

bool rm_stream_configure(rm_stream *s, const rm_stream_config *config)
{
    memcpy(s->receive, config->receive, sizeof s->receive);
    /* RFC 3551 table 4: 13 is comfort noise for all that is sampled at 8 kHz, without a word. */
    if (s->receive[CN_PAYLOAD_TYPE] == RM_MEANS_NOTHING)
        s->receive[CN_PAYLOAD_TYPE] = RM_MEANS_COMFORT_NOISE;
    rm_latch_signal(&s->latch, &config->remote);
    s->receiving = config->receiving;
    s->rtcp_mux = config->rtcp_mux;
    s->sender.sending = config->sending && config->remote.family != 0;
    s->sender.suppress = config->suppress_silence;
    rm_packer_use(&s->packer, config->packet_ms);
    s->sender.payload_type = config->send_payload_type;
    s->sender.event_payload_type = config->send_event;
    rm_payload_encoder_use(&s->sender.encoder, config->send_encoding);
    bool noise = rm_sender_use_noise(&s->sender, config->send_noise);
    if (!s->ingress.heard) /* events before any audio: the likely clock */
        s->ingress.rate_hz = rm_encoding_rate_hz(config->send_encoding);
    return noise;
}

static const uint32_t EVENT_CLOCKS_HZ[RM_EVENT_CLOCKS] = {0, 8000, 16000, 48000};

uint8_t rm_means_event_at(uint32_t rate_hz)
{
    for (uint8_t i = 0; i < RM_EVENT_CLOCKS; i++)
        if (EVENT_CLOCKS_HZ[i] == rate_hz)
            return RM_MEANS_EVENT + i;
    return RM_MEANS_NOTHING;
}

static bool means_audio(uint8_t meaning)
{
    return meaning != RM_MEANS_NOTHING && meaning < RM_MEANS_COMFORT_NOISE;
}

bool rm_stream_relay(rm_stream *s, rm_stream *to)
{
    if (to != NULL && !rm_sender_open_relay(&to->sender))
        return false;
    if (s->relay_to != NULL)
        s->relay_to->relay->live = false;
    s->relay_to = to != NULL ? &to->sender : NULL;
    return true;
}

/* --- the policy -------------------------------------------------------------------------- */

static void restart(rm_stream *s, const rm_packet *packet)
{
    if (s->listener == NULL)
        rm_ingress_restart(&s->ingress, packet);
    else
        rm_listener_restart(s->listener, rm_ingress_take_first(&s->ingress, packet));
}

static void hand_over(rm_stream *s, const rm_packet *packet)
{
    if (s->listener == NULL) {
        rm_ingress_receive(&s->ingress, packet);
        return;
    }
    rm_listener_receive(s->listener, packet);
    if (packet->encoding != RM_NO_ENCODING) {
        s->ingress.rate_hz = rm_encoding_rate_hz(packet->encoding);
        s->ingress.heard = true;
    }
}

static uint64_t too_late(const rm_stream *s)
{
    return s->ingress.late + (s->listener != NULL ? s->listener->playout->counters.late : 0);
}

/* Position on the frame line. */
static int64_t position(const rm_stream *s, uint32_t timestamp)
{
    if (s->listener == NULL)
        return rm_ingress_position(&s->ingress, timestamp);
    return rm_listener_position(s->listener, &s->ingress.line, timestamp, s->ingress.rate_hz);
}

static void set_timeout(rm_stream *s)
{
    s->timeout = fmin(s->ingress.deadline, s->events.deadline);
    if (s->listener != NULL)
        s->timeout = fmin(s->timeout, s->listener->due);
}

/* --- one packet -------------------------------------------------------------------------- */

static void receive_event(rm_stream *s, const rm_rtp *rtp, uint8_t meaning,
                          const rm_packet *packet)
{
    uint32_t rate_hz = EVENT_CLOCKS_HZ[meaning - RM_MEANS_EVENT];
    if (s->listener == NULL)
        rm_ingress_anchor(&s->ingress, packet);
    rm_event_receive(&s->events, &(rm_event_packet){
                                     .payload = rtp->payload,
                                     .payload_bytes = rtp->payload_bytes,
                                     .timestamp = rtp->timestamp,
                                     .marker = rtp->marker,
                                     .rate_hz = rate_hz ? rate_hz : s->ingress.rate_hz,
                                     .pts = position(s, rtp->timestamp),
                                     .arrival = packet->arrival,
                                 });
    /* Sound of a sender that does both: what came before the event's first packet. */
    const rm_event_receiver *r = &s->events;
    if (s->listener != NULL && r->active && r->rate_hz == s->ingress.rate_hz)
        rm_adaptive_mute(s->listener->playout, r->timestamp, r->rate_hz);
}

/* What the packet is to ingress: audio, or only a place in the sequence. */
static rm_packet place(rm_stream *s, const rm_rtp *rtp, uint8_t meaning, double now)
{
    rm_packet packet = {
        .ssrc = rtp->ssrc,
        .sequence_number = rtp->sequence_number,
        .timestamp = rtp->timestamp,
        .marker = rtp->marker,
        .arrival = now,
    };
    if ((!means_audio(meaning) && meaning != RM_MEANS_COMFORT_NOISE) || !s->receiving)
        return packet;
    packet.payload = rtp->payload;
    packet.payload_bytes = (uint32_t)rtp->payload_bytes;
    if (meaning == RM_MEANS_COMFORT_NOISE) {
        packet.comfort_noise = true;
        if (rtp->payload_bytes > CN_MAX_BYTES)
            packet.payload_bytes = CN_MAX_BYTES;
        return packet;
    }
    size_t samples = rm_payload_samples((rm_encoding)meaning, rtp->payload_bytes);
    if (samples == 0 || samples > RM_PACKET_MAX_SAMPLES) {
        s->counters.bad_payload++;
        packet.payload_bytes = 0;
        return packet;
    }
    packet.encoding = (rm_encoding)meaning;
    return packet;
}

static void measure_jitter(rm_stream *s, const rm_rtp *rtp, rm_encoding encoding, double now)
{
    uint32_t rate_hz = rm_encoding_rate_hz(encoding);
    if (rate_hz != s->ingress.rate_hz)
        rm_source_break_jitter(&s->sources.current); /* the units change */
    rm_source_jitter(&s->sources.current, rtp->timestamp, rm_rtp_clock(now, rate_hz));
    rm_skew_packet(&s->skew, rtp->timestamp, rate_hz, now);
}

/* Whether another stream sends the packet on. */
static bool pass_on(rm_stream *s, const rm_rtp *rtp, uint8_t meaning, rm_encoding encoding,
                    double now)
{
    if (meaning >= RM_MEANS_EVENT && s->receiving)
        return rm_sender_pass(s->relay_to, rtp, RM_NO_ENCODING, now);
    if (encoding == RM_NO_ENCODING)
        return false;
    bool passed = rm_sender_pass(s->relay_to, rtp, encoding, now);
    if (!passed)
        rm_stream_relay(s, NULL);
    return passed;
}

static void receive_believed(rm_stream *s, const rm_rtp *rtp, uint8_t meaning, rm_verdict verdict,
                             double now)
{
    rm_packet packet = place(s, rtp, meaning, now);
    if (verdict == RM_PROBATION) {
        s->counters.on_probation++;
        rm_ingress_keep_first(&s->ingress, &packet);
        return;
    }
    if (verdict == RM_RESTARTED) {
        rm_event_receiver_restart(&s->events);
        if (s->relay_to != NULL)
            s->relay_to->relay->anchored = false;
        restart(s, &packet);
        rm_burst_begin(&s->burst, rtp->sequence_number);
        rm_skew_break(&s->skew);
    }
    if (s->counters.packets_received++ == 0)
        s->counters.first_received = now;
    s->counters.octets_received += rtp->payload_bytes;
    if (verdict == RM_DUPLICATE) {
        s->counters.duplicate++;
        return;
    }
    s->counters.reordered += verdict == RM_REORDERED;
    s->counters.noise_packets += packet.comfort_noise;
    if (verdict != RM_REORDERED)
        s->paused = packet.comfort_noise;
    if (meaning >= RM_MEANS_EVENT && s->receiving)
        receive_event(s, rtp, meaning, &packet);
    else if (packet.encoding != RM_NO_ENCODING)
        measure_jitter(s, rtp, packet.encoding, now);
    packet.mute = rm_event_covers(&s->events, packet.timestamp, s->ingress.rate_hz);
    uint64_t late = too_late(s);
    if (s->relay_to != NULL && pass_on(s, rtp, meaning, packet.encoding, now) && !s->listened)
        packet.encoding = RM_NO_ENCODING;
    hand_over(s, &packet);
    rm_burst_packet(&s->burst, rtp->sequence_number, too_late(s) == late);
}

/* Our SSRC in a packet of somebody else (RFC 3550 section 8.2). A reflector, which sends our own
 * packets back, is no collision, and what it sends is heard. */
static void notice_own_ssrc(rm_stream *s, const rm_rtp *rtp)
{
    /* The packer has moved the numbers of what it joined or cut. */
    uint16_t made = (uint16_t)(rtp->sequence_number + s->packer.joined);
    if (rm_sender_recognises(&s->sender, made, rtp->timestamp))
        s->counters.own_packets_back++;
    else
        s->collided = true;
}

static void receive_rtp(rm_stream *s, const uint8_t *data, size_t bytes, const rm_address *from,
                        double now)
{
    rm_rtp rtp;
    if (!rm_rtp_parse(&rtp, data, bytes)) {
        s->counters.bad_header++;
        return;
    }
    uint8_t meaning = s->receive[rtp.payload_type];
    if (!rm_latch_accept(&s->latch, from, rtp.ssrc, meaning != RM_MEANS_NOTHING)) {
        s->counters.wrong_source++;
        return;
    }
    if (rtp.ssrc == s->sender.ssrc)
        notice_own_ssrc(s, &rtp);
    if (meaning == RM_MEANS_NOTHING) {
        s->counters.unknown_payload_type++;
        if (!s->sources.has_current || rtp.ssrc != s->sources.ssrc)
            return; /* no sound of a source that we play: it cannot introduce one */
    }
    receive_believed(s, &rtp, meaning, rm_sources_judge(&s->sources, &rtp, now), now);
    set_timeout(s);
}

/* Some send RTCP to the RTP port without a word. Read as RTP a report on us has our SSRC where a
 * packet has its sender's: that is no collision. */
static bool is_rtcp(const rm_stream *s, const uint8_t *data, size_t bytes)
{
    return rm_is_rtcp(data, bytes) &&
           (s->rtcp_mux || s->receive[data[1] & 0x7f] == RM_MEANS_NOTHING);
}

void rm_stream_receive(rm_stream *s, const uint8_t *data, size_t bytes, const rm_address *from,
                       double now)
{
    if (s->multiplexed && rm_is_stun_or_dtls(data, bytes)) {
        rm_datagram_queue_put(&s->beside, data, bytes, from, now);
        return;
    }
    if (is_rtcp(s, data, bytes)) {
        rm_datagram_queue_put(&s->rtcp, data, bytes, from, now);
        return;
    }
    alignas(8) uint8_t packet[RM_SRTP_PACKET_BYTES];
    if (s->srtp_receiver.unprotect != NULL) {
        if (bytes < RM_RTP_HEADER_BYTES || data[0] >> 6 != 2) {
            s->counters.bad_header++; /* STUN, and what else opens a way through a NAT */
            return;
        }
        bytes = rm_srtp_unprotect(&s->srtp_receiver, &s->srtp, data, bytes, packet);
        if (bytes == 0)
            return;
        data = packet;
    }
    receive_rtp(s, data, bytes, from, now);
}

size_t rm_stream_next_packet(rm_stream *s, double now, uint8_t packet[RM_PACKET_BYTES])
{
    size_t bytes;
    while ((bytes = rm_packer_next(&s->packer, &s->sender, now, packet)) > 0) {
        if (s->srtp_sender.protect == NULL)
            return bytes;
        if ((bytes = rm_srtp_protect(&s->srtp_sender, &s->srtp, packet, bytes)) > 0)
            return bytes;
    }
    return 0;
}

void rm_stream_handle_timeout(rm_stream *s, double now)
{
    if (s->timeout > now)
        return;
    rm_ingress_handle_timeout(&s->ingress, now);
    rm_event_handle_timeout(&s->events, now);
    if (s->listener != NULL)
        rm_listener_play(s->listener, &s->ingress.line, now);
    set_timeout(s);
}

/* --- figures ----------------------------------------------------------------------------- */

bool rm_stream_has_news(const rm_stream *s)
{
    return s->ingress.line.count > 0 || s->events.count > 0 || s->rtcp.count > 0 ||
           s->beside.count > 0 || s->collided || rm_playout_has_marks(&s->sender.playout) ||
           (s->sender.monitor != NULL && s->sender.monitor->line.count > 0);
}

int64_t rm_stream_lost(const rm_stream *s)
{
    int64_t lost = rm_sources_lost(&s->sources) + (int64_t)s->counters.duplicate;
    return lost > 0 ? lost : 0;
}

double rm_stream_loss(const rm_stream *s)
{
    double expected = (double)rm_sources_expected(&s->sources);
    double lost = (double)rm_stream_lost(s);
    return expected > lost ? lost / expected : lost > 0;
}

double rm_stream_jitter_ms(const rm_stream *s)
{
    uint64_t jitter = s->sources.current.jitter >> 4;
    return s->sources.has_current ? (double)jitter * 1000 / s->ingress.rate_hz : 0;
}
