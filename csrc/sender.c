#include "sender.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "source.h"

enum {
    TICKS_PER_SECOND = 50,
    TICK_MS = 1000 / TICKS_PER_SECOND,
    TICK_SAMPLES = 16000 / TICKS_PER_SECOND,
    CATCH_UP_TICKS = 10,
    /* After so many ticks of zeros the resampler holds nothing but zeros (its memory is 78 samples
     * of 320), so a silent payload is a constant; but not of G.722, whose codes adapt. */
    FLUSHED_TICKS = 2,
    /* A packet that a reflector sends back is not older than this. */
    REFLECTED_PACKETS = 500,
    /* So long nothing passes through before we send silence of our own again. */
    PAUSE_TICKS = 5,
};
static const double REFLECTED_SECONDS = 30;

void rm_sender_init(rm_sender *s, uint32_t ssrc, uint16_t sequence_number, uint32_t timestamp,
                    uint32_t limit_samples)
{
    *s = (rm_sender){
        .due = INFINITY,
        .marker_next = true,
        .sequence_number = sequence_number,
        .timestamp = timestamp,
        .ssrc = ssrc,
        .event_payload_type = -1,
    };
    rm_playout_init(&s->playout, limit_samples);
}

void rm_sender_free(rm_sender *s)
{
    rm_playout_free(&s->playout);
    rm_monitor_free(s->monitor);
    rm_dtx_free(s->dtx);
    free(s->relay);
}

void rm_sender_start(rm_sender *s, double now)
{
    s->start = now;
    s->due = now;
    s->tick = 0;
}

bool rm_sender_use_noise(rm_sender *s, int16_t payload_type)
{
    uint32_t rate_hz = rm_encoding_rate_hz(s->encoder.encoding);
    if (s->dtx != NULL && (payload_type < 0 || s->dtx->rate_hz != rate_hz)) {
        rm_dtx_free(s->dtx);
        s->dtx = NULL;
    }
    if (payload_type < 0)
        return true;
    s->noise_payload_type = (uint8_t)payload_type;
    if (s->dtx == NULL)
        s->dtx = rm_dtx_new(rate_hz);
    return s->dtx != NULL;
}

bool rm_sender_idle(const rm_sender *s)
{
    return rm_playout_queued(&s->playout) == 0 && !rm_playout_has_cues(&s->playout) &&
           !s->event.active;
}

/* Of what we send ourselves. */
static uint32_t clock_at(const rm_sender *s, double now)
{
    uint32_t rate_hz = rm_encoding_rate_hz(s->encoder.encoding);
    return s->due < INFINITY ? s->timestamp + rm_rtp_clock(now - s->due, rate_hz) : s->timestamp;
}

uint32_t rm_sender_timestamp_at(const rm_sender *s, double now)
{
    const rm_relay *r = s->relay;
    bool passing = r != NULL && r->live && r->anchored;
    return clock_at(s, now) + (passing ? (uint32_t)(int32_t)lrint(r->ahead) : 0);
}

bool rm_sender_recognises(const rm_sender *s, uint16_t sequence_number, uint32_t timestamp)
{
    /* What passes through is placed by the other side's clock, which may run ahead of ours. */
    int32_t behind = (int32_t)(s->timestamp - timestamp);
    int32_t most = (int32_t)(REFLECTED_SECONDS * rm_encoding_rate_hz(s->encoder.encoding));
    return (uint16_t)(s->sequence_number - sequence_number) <= REFLECTED_PACKETS &&
           behind <= most && behind >= -most;
}

void rm_sender_change_ssrc(rm_sender *s, uint32_t ssrc)
{
    s->ssrc = ssrc;
    s->packets_before = s->packets;
    s->octets_before = s->octets;
    s->marker_next = true;
}

/* --- what one tick sends ----------------------------------------------------------------- */

static uint32_t units_per_tick(const rm_sender *s)
{
    return rm_encoding_rate_hz(s->encoder.encoding) / TICKS_PER_SECOND;
}

static uint8_t *header(rm_sender *s, uint8_t *packet, uint8_t payload_type, bool marker,
                       uint32_t timestamp)
{
    rm_rtp_write_header(packet, marker, payload_type, s->sequence_number++, timestamp, s->ssrc);
    return packet + RM_RTP_HEADER_BYTES;
}

/* Start the digit whose turn it is; those the peer no longer takes are passed over. */
static void begin_event(rm_sender *s)
{
    const rm_cue *cue;
    while (!s->event.active && (cue = rm_playout_reach(&s->playout)) != NULL) {
        if (s->event_payload_type < 0)
            s->digits_dropped++;
        else
            rm_event_sender_begin(&s->event, cue->event, s->timestamp,
                                  cue->duration_ms * units_per_tick(s) / TICK_MS,
                                  (cue->gap_ms + TICK_MS - 1u) / TICK_MS);
        rm_playout_pass_digit(&s->playout);
    }
}

static size_t event_packet(rm_sender *s, uint8_t *packet)
{
    uint8_t payload[RM_EVENT_BYTES];
    bool marker = false;
    size_t bytes = rm_event_sender_tick(&s->event, units_per_tick(s), payload, &marker);
    s->marker_next = true; /* the audio that follows is a new talk-spurt */
    if (bytes == 0 || s->event_payload_type < 0)
        return 0;
    memcpy(header(s, packet, (uint8_t)s->event_payload_type, marker, s->event.timestamp), payload,
           bytes);
    return RM_RTP_HEADER_BYTES + bytes;
}

static size_t silent_payload(const rm_sender *s, uint8_t *payload)
{
    static const uint8_t zero[] = {[RM_PCMU] = 0xff, [RM_PCMA] = 0xd5, [RM_L16_16000] = 0};
    rm_encoding encoding = s->encoder.encoding;
    size_t bytes = units_per_tick(s) * rm_encoding_bytes_per_sample(encoding);
    memset(payload, zero[encoding], bytes);
    return bytes;
}

/* What a tick of a pause sends: at times a few octets about it, else nothing. */
static size_t noise_packet(rm_sender *s, uint8_t *packet)
{
    uint8_t payload[RM_NOISE_PAYLOAD_BYTES];
    size_t bytes = rm_dtx_next(s->dtx, payload);
    s->marker_next = true;
    if (bytes == 0)
        return 0;
    s->noise_packets++;
    memcpy(header(s, packet, s->noise_payload_type, false, s->timestamp), payload, bytes);
    return RM_RTP_HEADER_BYTES + bytes;
}

static size_t audio_packet(rm_sender *s, uint8_t *packet)
{
    int16_t pcm[TICK_SAMPLES];
    size_t tail = s->playout.tail_left;
    size_t n = rm_playout_read(&s->playout, pcm, TICK_SAMPLES);
    rm_playout_reach(&s->playout);
    s->played += n - tail;
    s->silent_ticks = n > 0 ? 0 : s->silent_ticks + 1;
    /* The first silent tick of a pause still goes out: it carries what the resampler holds back of
     * the last sound. */
    if (s->suppress && n == 0 && (s->silent_ticks > 1 || s->packets == 0)) {
        s->marker_next = true;
        return 0;
    }
    memset(pcm + n, 0, (TICK_SAMPLES - n) * sizeof *pcm);
    if (n > 0)
        rm_meter_take(&s->meter, pcm, TICK_SAMPLES);
    else
        rm_meter_take_silence(&s->meter, TICK_SAMPLES);
    if (s->dtx != NULL && rm_dtx_pauses(s->dtx, pcm, n))
        return noise_packet(s, packet);
    uint8_t *payload = header(s, packet, s->payload_type, s->marker_next, s->timestamp);
    s->marker_next = false;
    s->silence_packets += n == 0;
    size_t bytes = s->silent_ticks > FLUSHED_TICKS && s->encoder.encoding != RM_G722
                       ? silent_payload(s, payload)
                       : rm_payload_encode(&s->encoder, pcm, TICK_SAMPLES, payload);
    if (s->monitor != NULL)
        rm_monitor_take(s->monitor, s->tick, s->encoder.encoding, payload, bytes);
    return RM_RTP_HEADER_BYTES + bytes;
}

/* --- what passes through ----------------------------------------------------------------- */

bool rm_sender_open_relay(rm_sender *s)
{
    if (s->relay == NULL && (s->relay = calloc(1, sizeof *s->relay)) == NULL)
        return false;
    s->relay->live = true;
    return true;
}

bool rm_sender_pass(rm_sender *s, const rm_rtp *rtp, rm_encoding encoding, double now)
{
    bool event = encoding == RM_NO_ENCODING;
    if ((event ? s->event_payload_type < 0 : encoding != s->encoder.encoding) ||
        rtp->payload_bytes > RM_RELAY_PAYLOAD_BYTES)
        return false;
    if (!s->sending || s->due == INFINITY || !rm_sender_idle(s))
        return true;
    uint32_t samples = event ? 0
                             : (uint32_t)(rtp->payload_bytes /
                                          rm_encoding_bytes_per_sample(encoding));
    rm_relay_push(s->relay, rtp, event ? (uint8_t)s->event_payload_type : s->payload_type, samples,
                  (rm_relay_place){s->sequence_number, s->timestamp, clock_at(s, now),
                                   rm_encoding_rate_hz(s->encoder.encoding)},
                  &s->sequence_number);
    s->relay->last_tick = s->tick;
    s->silent_ticks = FLUSHED_TICKS + 1;
    return true;
}

static bool passes_through(const rm_sender *s)
{
    const rm_relay *r = s->relay;
    return r != NULL && r->live && r->anchored && s->tick - r->last_tick <= PAUSE_TICKS &&
           rm_sender_idle(s);
}

/* What we send ourselves follows what passed through, in number and in time. */
static void resume(rm_sender *s)
{
    rm_relay *r = s->relay;
    if (r == NULL || !r->anchored)
        return;
    r->anchored = false;
    s->marker_next = true;
    if ((int32_t)(r->end - s->timestamp) > 0)
        s->timestamp = r->end;
}

static void listen_in(rm_sender *s, const rm_relayed *packet)
{
    int32_t units = (int32_t)units_per_tick(s);
    int32_t ahead = (int32_t)(packet->timestamp - s->timestamp);
    int64_t tick = (int64_t)s->tick + (ahead + (ahead < 0 ? -units : units) / 2) / units;
    size_t most = (size_t)units * rm_encoding_bytes_per_sample(s->encoder.encoding);
    for (size_t at = 0; at < packet->bytes; at += most, tick++) {
        size_t bytes = packet->bytes - at < most ? packet->bytes - at : most;
        rm_monitor_take(s->monitor, tick > 0 ? (uint64_t)tick : 0, s->encoder.encoding,
                        packet->payload + at, bytes);
    }
}

static size_t relayed_packet(rm_sender *s, uint8_t *packet)
{
    const rm_relayed *relayed = s->relay != NULL ? rm_relay_pop(s->relay) : NULL;
    if (relayed == NULL)
        return 0;
    rm_rtp_write_header(packet, relayed->marker, relayed->payload_type, relayed->sequence_number,
                        relayed->timestamp, s->ssrc);
    memcpy(packet + RM_RTP_HEADER_BYTES, relayed->payload, relayed->bytes);
    if (s->monitor != NULL && relayed->audio)
        listen_in(s, relayed);
    s->packets++;
    s->octets += relayed->bytes;
    return RM_RTP_HEADER_BYTES + relayed->bytes;
}

/* --- the schedule ------------------------------------------------------------------------ */

static size_t run_tick(rm_sender *s, uint8_t *packet)
{
    if (!s->sending) {
        s->marker_next = true;
        return 0;
    }
    if (passes_through(s))
        return 0;
    resume(s);
    if (!s->event.active)
        begin_event(s);
    size_t bytes = s->event.active ? event_packet(s, packet) : audio_packet(s, packet);
    if (bytes > 0) {
        s->packets++;
        s->octets += bytes - RM_RTP_HEADER_BYTES;
    }
    return bytes;
}

static void pass_ticks(rm_sender *s, uint64_t ticks)
{
    s->tick += ticks;
    s->timestamp += (uint32_t)ticks * units_per_tick(s);
    s->due = s->start + (double)s->tick / TICKS_PER_SECOND;
}

/* More than a burst behind (a suspended machine): give up the ticks before it. */
static void skip_hopeless(rm_sender *s, double now)
{
    double behind = fmin((now - s->due) * TICKS_PER_SECOND, 1e15);
    if (!(behind > CATCH_UP_TICKS))
        return;
    uint64_t ticks = (uint64_t)behind - CATCH_UP_TICKS;
    s->skipped_ticks += ticks;
    s->marker_next |= ticks > 0;
    pass_ticks(s, ticks);
}

/* The packet of the next tick that sends one. */
static size_t own_packet(rm_sender *s, double now, uint8_t *packet)
{
    skip_hopeless(s, now);
    double due;
    while ((due = rm_sender_next_time(s)) <= now) {
        size_t bytes = run_tick(s, packet);
        pass_ticks(s, 1);
        s->late_ticks += s->due <= now;
        if (bytes == 0)
            continue;
        rm_lateness_take(&s->lateness, now - due);
        return bytes;
    }
    return 0;
}

size_t rm_sender_next(rm_sender *s, double now, uint8_t packet[RM_PACKET_BYTES])
{
    size_t bytes = relayed_packet(s, packet);
    if (bytes == 0)
        bytes = own_packet(s, now, packet);
    if (bytes > 0 && s->packets == 1)
        s->first_sent = now;
    return bytes;
}
