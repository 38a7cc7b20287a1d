#include "ingress.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BUS_RATE_HZ = 16000,
    /* Longer holes than this are not filled whole: an owner's frames hold 1.3 s. */
    CONCEAL_MAX_MS = 1000,
    BRIDGE_MAX_MS = 200, /* as much of a hole is made up from both sides; before it is noise */
    AHEAD_MS = 40, /* of what follows a hole: as much as concealment can use */
};

bool rm_ingress_init(rm_ingress *in, double gap_wait)
{
    *in = (rm_ingress){
        .deadline = INFINITY, .gap_wait = gap_wait, .rate_hz = 8000, .line_hz = BUS_RATE_HZ};
    rm_conceal_init(&in->conceal, BUS_RATE_HZ);
    return rm_frame_line_init(&in->line);
}

void rm_ingress_free(rm_ingress *in)
{
    for (int i = 0; i < RM_HELD_PACKETS; i++)
        free(in->held[i].buffer);
    free(in->first_of_pair.buffer);
    rm_frame_line_free(&in->line);
}

/* --- playing one packet ------------------------------------------------------------------ */

/* Where a packet goes: this many samples after the end of the one before. */
static int64_t distance(const rm_ingress *in, const rm_packet *packet)
{
    if (!in->heard && !in->anchored)
        return 0;
    double per_s = in->line_hz, elapsed = (packet->arrival - in->last_arrival) * per_s;
    if (in->anchored) {
        int64_t step = (int32_t)(packet->timestamp - in->next_timestamp);
        int64_t samples = step * (int64_t)(in->line_hz / in->rate_hz);
        if (samples >= 0 && (double)samples <= fmax(elapsed, 0) + RM_AHEAD_MAX_S * per_s)
            return samples;
    }
    double pause = fmin(elapsed - in->last_samples, RM_PAUSE_MAX_S * per_s);
    if (!(pause >= RM_PAUSE_MIN_S * per_s))
        return 0;
    return llrint(pause / RM_FRAME_SAMPLES) * RM_FRAME_SAMPLES;
}

static uint32_t decode(rm_ingress *in, const rm_packet *packet, int16_t *pcm)
{
    rm_payload_decoder_use(&in->decoder, packet->encoding);
    if (in->unframed)
        rm_payload_decode_native(&in->decoder, packet->payload, packet->payload_bytes, pcm);
    else
        rm_payload_decode(&in->decoder, packet->payload, packet->payload_bytes, pcm);
    return (uint32_t)(rm_payload_samples(packet->encoding, packet->payload_bytes) * in->line_hz
                      / BUS_RATE_HZ);
}

/* Make up what was lost in front of sound that is here. */
static void conceal(rm_ingress *in, size_t n, const int16_t *ahead, size_t n_ahead)
{
    int16_t made_up[BRIDGE_MAX_MS * BUS_RATE_HZ / 1000];
    size_t most = AHEAD_MS * in->line_hz / 1000, bridged = BRIDGE_MAX_MS * in->line_hz / 1000;
    while (n > bridged) {
        size_t part = n - bridged < bridged ? n - bridged : bridged;
        rm_conceal_extrapolate(&in->conceal, made_up, part);
        rm_frame_line_write(&in->line, made_up, part, RM_FRAME_CONCEALED);
        n -= part;
    }
    rm_conceal_bridge(&in->conceal, made_up, n, ahead, n_ahead < most ? n_ahead : most);
    rm_frame_line_write(&in->line, made_up, n, RM_FRAME_CONCEALED);
    if (in->unframed)
        rm_frame_line_close(&in->line);
}

static void write(rm_ingress *in, const rm_packet *packet, int16_t *pcm, uint32_t n)
{
    if (packet->mute) {
        rm_frame_line_write(&in->line, NULL, n, RM_FRAME_DIGIT);
    } else {
        rm_conceal_heard(&in->conceal, pcm, n);
        rm_frame_line_write(&in->line, pcm, n, 0);
    }
    if (in->unframed)
        rm_frame_line_close(&in->line);
}

/* Unframed, the line has the rate of what is on it. */
static void use_rate(rm_ingress *in, rm_encoding encoding)
{
    in->rate_hz = rm_encoding_rate_hz(encoding);
    uint32_t line_hz = in->unframed ? rm_encoding_native_hz(encoding) : BUS_RATE_HZ;
    if (line_hz == in->line_hz)
        return;
    in->line.pts = in->line.pts * line_hz / in->line_hz;
    in->line_hz = line_hz;
    rm_conceal_init(&in->conceal, line_hz);
}

/* Play the packet that is next in sequence after `missing` lost ones. */
static void play(rm_ingress *in, const rm_packet *packet, uint32_t missing)
{
    in->next_sequence = (uint16_t)(packet->sequence_number + 1);
    if (packet->encoding == RM_NO_ENCODING)
        return;
    int16_t pcm[RM_PACKET_MAX_SAMPLES];
    use_rate(in, packet->encoding);
    uint32_t samples = decode(in, packet, pcm);
    int64_t gap = distance(in, packet);
    int64_t lost = (int64_t)missing * in->last_samples, most = CONCEAL_MAX_MS * in->line_hz / 1000;
    lost = lost < gap ? lost : gap;
    lost = lost < most ? lost : most;
    if (lost > 0)
        conceal(in, (size_t)lost, pcm, packet->mute ? 0 : samples);
    rm_frame_line_skip(&in->line, gap - lost);

    if (packet->marker || gap > lost || !in->heard)
        rm_frame_line_flag_next(&in->line, RM_FRAME_TALKSPURT_START);
    write(in, packet, pcm, samples);
    in->next_timestamp = packet->timestamp + samples / (in->line_hz / in->rate_hz);
    in->anchored = in->heard = true;
    in->last_samples = samples;
    in->last_arrival = packet->arrival;
}

/* --- holding packets behind a hole ------------------------------------------------------- */

/* Copy a packet and its payload; false when memory is short. */
static bool keep(rm_held *held, const rm_packet *packet)
{
    if (held->capacity < packet->payload_bytes) {
        uint8_t *buffer = realloc(held->buffer, packet->payload_bytes);
        if (buffer == NULL)
            return false;
        held->buffer = buffer;
        held->capacity = packet->payload_bytes;
    }
    held->packet = *packet;
    if (packet->payload_bytes)
        memcpy(held->buffer, packet->payload, packet->payload_bytes);
    held->packet.payload = held->buffer;
    return true;
}

static int16_t steps_ahead(const rm_ingress *in, uint16_t sequence_number)
{
    return (int16_t)(sequence_number - in->next_sequence);
}

static void hold(rm_ingress *in, const rm_packet *packet)
{
    rm_held entry = in->held[in->held_count];
    if (!keep(&entry, packet)) {
        in->held[in->held_count] = entry;
        return;
    }
    uint32_t place = in->held_count;
    while (place > 0 && steps_ahead(in, in->held[place - 1].packet.sequence_number) >
                            steps_ahead(in, packet->sequence_number))
        place--;
    memmove(&in->held[place + 1], &in->held[place], (in->held_count - place) * sizeof entry);
    in->held[place] = entry;
    in->held_count++;
}

static void play_first_held(rm_ingress *in)
{
    rm_held entry = in->held[0];
    int16_t missing = steps_ahead(in, entry.packet.sequence_number);
    play(in, &entry.packet, missing > 0 ? (uint32_t)missing : 0);
    in->held_count--;
    memmove(&in->held[0], &in->held[1], in->held_count * sizeof entry);
    in->held[in->held_count] = entry;
}

static void play_contiguous(rm_ingress *in)
{
    while (in->held_count > 0 && steps_ahead(in, in->held[0].packet.sequence_number) <= 0)
        play_first_held(in);
}

/* When the first packet behind the hole in front arrived. */
static double noticed(const rm_ingress *in)
{
    double oldest = INFINITY;
    for (uint32_t i = 0; i < in->held_count; i++)
        oldest = fmin(oldest, in->held[i].packet.arrival);
    return oldest;
}

static void set_deadline(rm_ingress *in, double now)
{
    in->deadline = noticed(in) + rm_stragglers_wait(&in->stragglers, now, in->gap_wait);
}

static void give_up_hole(rm_ingress *in, double now)
{
    uint16_t missing = (uint16_t)steps_ahead(in, in->held[0].packet.sequence_number);
    rm_stragglers_give_up(&in->stragglers, in->next_sequence, missing, noticed(in));
    play_first_held(in);
    play_contiguous(in);
    set_deadline(in, now);
}

void rm_ingress_handle_timeout(rm_ingress *in, double now)
{
    while (in->deadline <= now)
        give_up_hole(in, now);
}

/* A duplicate from longer ago than the source remembers. */
static bool is_held(const rm_ingress *in, uint16_t sequence_number)
{
    for (uint32_t i = 0; i < in->held_count; i++)
        if (in->held[i].packet.sequence_number == sequence_number)
            return true;
    return false;
}

static void play_received(rm_ingress *in, const rm_packet *packet, uint16_t missing)
{
    if (missing > 0)
        rm_stragglers_give_up(&in->stragglers, in->next_sequence, missing, noticed(in));
    play(in, packet, missing);
    if (in->held_count > 0) {
        play_contiguous(in);
        set_deadline(in, packet->arrival);
    }
}

void rm_ingress_receive(rm_ingress *in, const rm_packet *packet)
{
    if (!in->sequenced) {
        in->next_sequence = packet->sequence_number;
        in->sequenced = true;
    }
    int16_t ahead = steps_ahead(in, packet->sequence_number);
    if (ahead < 0 || is_held(in, packet->sequence_number)) {
        in->late++;
        rm_stragglers_too_late(&in->stragglers, packet->sequence_number, packet->arrival);
        return;
    }
    bool first = in->held_count == 0
                 || ahead < steps_ahead(in, in->held[0].packet.sequence_number);
    if (in->held_count > 0 && first)
        rm_stragglers_came(&in->stragglers, noticed(in), packet->arrival);
    if (in->held_count == RM_HELD_PACKETS && !first) {
        give_up_hole(in, packet->arrival);
        ahead = steps_ahead(in, packet->sequence_number);
    }
    if (ahead == 0 || in->held_count == RM_HELD_PACKETS) {
        play_received(in, packet, (uint16_t)ahead);
        return;
    }
    hold(in, packet);
    set_deadline(in, packet->arrival);
    rm_ingress_handle_timeout(in, packet->arrival);
}

/* --- new beginnings ---------------------------------------------------------------------- */

void rm_ingress_keep_first(rm_ingress *in, const rm_packet *packet)
{
    in->pair_pending = keep(&in->first_of_pair, packet);
}

const rm_packet *rm_ingress_take_first(rm_ingress *in, const rm_packet *packet)
{
    const rm_packet *first = &in->first_of_pair.packet;
    bool follows = first->ssrc == packet->ssrc
                   && (uint16_t)(first->sequence_number + 1) == packet->sequence_number;
    bool taken = in->pair_pending && follows;
    in->pair_pending = false;
    return taken ? first : NULL;
}

void rm_ingress_restart(rm_ingress *in, const rm_packet *packet)
{
    while (in->held_count > 0)
        play_first_held(in);
    in->deadline = INFINITY;
    in->sequenced = in->anchored = false;
    const rm_packet *first = rm_ingress_take_first(in, packet);
    if (first != NULL) {
        in->sequenced = true;
        play(in, first, 0);
    }
}

void rm_ingress_anchor(rm_ingress *in, const rm_packet *packet)
{
    if (in->anchored)
        return;
    rm_frame_line_skip(&in->line, distance(in, packet));
    in->next_timestamp = packet->timestamp;
    in->last_arrival = packet->arrival;
    in->last_samples = 0;
    in->anchored = true;
}

int64_t rm_ingress_position(const rm_ingress *in, uint32_t timestamp)
{
    int64_t step = in->anchored ? (int32_t)(timestamp - in->next_timestamp) : 0;
    int64_t position = in->line.pts + step * (int64_t)(in->line_hz / in->rate_hz);
    return position > 0 ? position : 0;
}
