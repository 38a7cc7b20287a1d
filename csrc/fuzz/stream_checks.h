/* What must hold of a media stream whatever happens to it; part of stream.c. */
#ifndef RM_FUZZ_STREAM_CHECKS_H
#define RM_FUZZ_STREAM_CHECKS_H

#include <math.h>

#include "fuzz.h"
#include "stream.h"

/* The bounds that the code keeps to itself, repeated here on purpose. */
enum {
    SSRC = 0x12345678,
    FRAMES_MAX = 64,
    CUES_MAX = 4096,
    HELD_BYTES_MAX = 6400,
    PACKETS_PER_DRAIN = 12, /* ten ticks to catch up, the one that is due, one that was held */
    RING_AT_REST = 2048,
};

typedef struct voice {
    uint16_t sequence_number;
    uint32_t timestamp;
} voice;

typedef struct world {
    script in;
    double now;
    rm_stream stream;
    uint32_t limit;
    voice voices[4];
    uint64_t datagrams;
    int64_t next_pts, next_sent_pts;
    bool pulled;
    uint64_t offered, accepted;
    int64_t marks_set, marks_taken;
    uint64_t digits_queued;
    uint64_t packets, octets;
    uint16_t next_sent_sequence;
} world;

/* --- memory ------------------------------------------------------------------------------ */

static void require_line(const rm_frame_line *line)
{
    REQUIRE(line->frames != NULL && line->count < line->capacity && line->capacity <= FRAMES_MAX);
    REQUIRE((line->capacity & (line->capacity - 1)) == 0 && line->head < line->capacity);
    REQUIRE(line->fill < RM_FRAME_SAMPLES && line->pts >= 0);
}

static void require_playout(const rm_playout *p, uint32_t limit)
{
    REQUIRE(p->read <= p->written && p->written - p->read <= limit);
    REQUIRE((p->capacity & (p->capacity - 1)) == 0 && rm_playout_queued(p) <= p->capacity);
    REQUIRE(p->capacity <= RING_AT_REST || p->capacity < 2 * limit);
    REQUIRE((p->cue_capacity & (p->cue_capacity - 1)) == 0 && p->cue_capacity <= CUES_MAX);
    REQUIRE(p->cue_end - p->cue_head <= p->cue_capacity);
    REQUIRE(p->cue_next - p->cue_head <= p->cue_end - p->cue_head);
}

static void require_ingress(const rm_ingress *in)
{
    REQUIRE(in->held_count <= RM_HELD_PACKETS && in->rate_hz >= 8000);
    REQUIRE((in->held_count == 0) == (in->deadline == INFINITY));
    for (int i = 0; i < RM_HELD_PACKETS; i++)
        REQUIRE(in->held[i].capacity <= HELD_BYTES_MAX);
    REQUIRE(in->first_of_pair.capacity <= HELD_BYTES_MAX);
    for (uint32_t i = 1; i < in->held_count; i++)
        REQUIRE((int16_t)(in->held[i].packet.sequence_number
                          - in->held[i - 1].packet.sequence_number) > 0);
    require_line(&in->line);
}

static void require_listener(const rm_listener *l)
{
    const rm_adaptive *a = l->playout;
    const rm_backlog *b = &a->backlog;
    const rm_adaptive_counters *c = &a->counters;
    REQUIRE(a->rate_hz == 8000 || a->rate_hz == 16000);
    REQUIRE(a->queued < RM_ADAPTIVE_QUEUE && a->owed >= 0);
    REQUIRE(b->count <= RM_BACKLOG_PIECES && b->head < RM_BACKLOG_PIECES);
    REQUIRE(c->packets == c->played + c->late + c->skipped + b->count);
    int64_t end = a->play;
    for (uint32_t i = 0; i < b->count; i++) {
        const rm_piece *piece = &b->pieces[(b->head + i) % RM_BACKLOG_PIECES];
        REQUIRE(piece->samples > 0 && piece->start + piece->samples > end);
        REQUIRE(i == 0 || piece->start >= end);
        end = piece->start + piece->samples;
    }
    REQUIRE(b->count == 0 || end <= a->play + RM_BACKLOG_SAMPLES);
    REQUIRE(isfinite(a->jitter.weight) && isfinite(a->jitter.tail[0]));
    REQUIRE(!l->pulled || l->due == INFINITY);
}

static void require_bounds(const world *w)
{
    const rm_stream *s = &w->stream;
    require_ingress(&s->ingress);
    require_playout(&s->sender.playout, w->limit);
    if (s->sender.monitor != NULL)
        require_line(&s->sender.monitor->line);
    REQUIRE(s->events.count <= RM_DIGITS_MAX && s->events.head < RM_DIGITS_MAX);
    REQUIRE(s->events.active == (s->events.deadline != INFINITY));
    double due = s->listener != NULL ? s->listener->due : INFINITY;
    REQUIRE(w->pulled || s->timeout == fmin(due, fmin(s->ingress.deadline, s->events.deadline)));
    if (s->listener != NULL)
        require_listener(s->listener);
}

/* --- counters ---------------------------------------------------------------------------- */

static void require_received(const world *w)
{
    const rm_stream_counters *c = &w->stream.counters;
    const rm_datagram_queue *rtcp = &w->stream.rtcp, *beside = &w->stream.beside; /* not taken */
    uint64_t known = c->bad_header + c->wrong_source + c->on_probation + c->packets_received +
                     rtcp->count + rtcp->dropped + beside->count + beside->dropped;
    REQUIRE(known <= w->datagrams && w->datagrams <= known + c->unknown_payload_type);
    REQUIRE(c->duplicate + c->reordered <= c->packets_received);
    const rm_listener *l = w->stream.listener;
    uint64_t late = w->stream.ingress.late + (l != NULL ? l->playout->counters.late : 0);
    REQUIRE(w->stream.burst.discarded <= late && late <= c->packets_received + c->on_probation);
    REQUIRE(rm_stream_lost(&w->stream) >= 0);
    double loss = rm_stream_loss(&w->stream), jitter_ms = rm_stream_jitter_ms(&w->stream);
    REQUIRE(loss >= 0 && loss <= 1 && jitter_ms >= 0 && isfinite(jitter_ms));
}

static uint64_t digits_waiting(const rm_playout *p)
{
    uint64_t waiting = 0;
    for (uint32_t i = p->cue_next; i != p->cue_end; i++)
        waiting += p->cues[i & (p->cue_capacity - 1)].kind == RM_CUE_DIGIT;
    return waiting;
}

static void require_sums(const world *w)
{
    const rm_sender *s = &w->stream.sender;
    const rm_playout *p = &s->playout;
    require_received(w);
    REQUIRE(w->accepted == p->written && w->offered == w->accepted + p->dropped);
    REQUIRE(w->accepted == s->played + p->cleared + rm_playout_queued(p));
    REQUIRE(s->packets == w->packets && s->octets == w->octets);
    REQUIRE(w->digits_queued >= s->digits_dropped + p->digits_cleared + digits_waiting(p));
    REQUIRE(s->silence_packets <= s->packets && p->utterance <= s->played);
}

/* --- what comes out ---------------------------------------------------------------------- */

/* Unframed, positions are in samples of a rate that may change. */
static void take_line(rm_frame_line *line, int64_t *next_pts, bool framed)
{
    const rm_frame *frame;
    while ((frame = rm_frame_line_front(line)) != NULL) {
        REQUIRE(frame->samples > 0 && frame->samples <= RM_FRAME_SAMPLES && frame->flags < 16);
        REQUIRE(!framed || (frame->pts >= *next_pts && frame->samples == RM_FRAME_SAMPLES));
        *next_pts = frame->pts + RM_FRAME_SAMPLES;
        REQUIRE_WRITTEN(frame->pcm, frame->samples * sizeof *frame->pcm);
        rm_frame_line_drop_front(line);
    }
}

static void take_frames(world *w)
{
    take_line(&w->stream.ingress.line, &w->next_pts, !w->stream.ingress.unframed);
    if (w->stream.sender.monitor != NULL)
        take_line(&w->stream.sender.monitor->line, &w->next_sent_pts, true);
}

static void take_digits(world *w)
{
    rm_digit digit;
    while (rm_event_next_digit(&w->stream.events, &digit))
        REQUIRE(digit.event <= RM_EVENT_FLASH && digit.pts >= 0);
}

static void take_marks(world *w)
{
    rm_cue mark;
    while (rm_playout_next_mark(&w->stream.sender.playout, &mark)) {
        REQUIRE(mark.kind == RM_CUE_MARK && mark.mark_id == w->marks_taken);
        w->marks_taken++;
    }
    REQUIRE(w->marks_taken <= w->marks_set);
}

static void let_deadlines_pass(world *w)
{
    rm_stream_handle_timeout(&w->stream, w->now);
    REQUIRE(w->stream.timeout > w->now);
}

/* The packet that the tick before `timestamp` sent. */
static void require_packet(world *w, const uint8_t *packet, size_t bytes)
{
    const rm_sender *s = &w->stream.sender;
    rm_rtp rtp;
    REQUIRE_WRITTEN(packet, bytes);
    REQUIRE(bytes <= RM_PACKET_BYTES && rm_rtp_parse(&rtp, packet, bytes));
    REQUIRE(rtp.ssrc == SSRC && rtp.sequence_number == w->next_sent_sequence++);
    uint32_t units = rm_encoding_rate_hz(s->encoder.encoding) / 50;
    if (rtp.payload_type == s->event_payload_type) {
        REQUIRE(rtp.payload_bytes == RM_EVENT_BYTES && rtp.payload[0] < RM_EVENT_FLASH);
        REQUIRE(rtp.timestamp == s->event.timestamp);
    } else if (s->dtx != NULL && rtp.payload_type == s->noise_payload_type) {
        REQUIRE(rtp.payload_bytes == RM_NOISE_PAYLOAD_BYTES && !rtp.marker);
        REQUIRE(rtp.timestamp == s->timestamp - units);
    } else {
        REQUIRE(rtp.payload_type == s->payload_type && rtp.timestamp == s->timestamp - units);
        REQUIRE(rm_payload_samples(s->encoder.encoding, rtp.payload_bytes) == RM_FRAME_SAMPLES);
    }
    w->packets++;
    w->octets += rtp.payload_bytes;
}

static void send_due(world *w)
{
    uint8_t packet[RM_PACKET_BYTES];
    rm_sender *s = &w->stream.sender;
    uint32_t units = rm_encoding_rate_hz(s->encoder.encoding) / 50;
    uint32_t epoch = s->timestamp - (uint32_t)s->tick * units;
    size_t bytes;
    for (int n = 0; (bytes = rm_sender_next(s, w->now, packet)) > 0; n++) {
        REQUIRE(n < PACKETS_PER_DRAIN && s->sending);
        require_packet(w, packet, bytes);
    }
    REQUIRE(rm_sender_next_time(s) > w->now);
    REQUIRE(epoch == s->timestamp - (uint32_t)s->tick * units);
}

#endif
