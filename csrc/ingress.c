#include "ingress.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BUS_RATE_HZ = 16000,
    /* Longer holes than this are not filled: after the fade only silence would be made up. */
    CONCEAL_MAX_SAMPLES = BUS_RATE_HZ / 5,
    /* A timestamp may run ahead of the arrival clock by this much (bursts, a stalled network)
     * before we take it for a new clock rather than for a pause. */
    AHEAD_MAX_SAMPLES = 2 * BUS_RATE_HZ,
    /* After a new clock: a later arrival than this is a pause, an earlier one jitter. */
    PAUSE_MIN_SAMPLES = BUS_RATE_HZ / 10,
    PAUSE_MAX_SAMPLES = BUS_RATE_HZ * 86400,
};

bool rm_ingress_init(rm_ingress *in, double gap_wait)
{
    *in = (rm_ingress){.deadline = INFINITY, .gap_wait = gap_wait, .rate_hz = 8000};
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
    double elapsed = (packet->arrival - in->last_arrival) * BUS_RATE_HZ;
    if (in->anchored) {
        int64_t step = (int32_t)(packet->timestamp - in->next_timestamp);
        int64_t samples = step * (int64_t)(BUS_RATE_HZ / in->rate_hz);
        if (samples >= 0 && (double)samples <= fmax(elapsed, 0) + AHEAD_MAX_SAMPLES)
            return samples;
    }
    double pause = fmin(elapsed - in->last_samples, PAUSE_MAX_SAMPLES);
    if (!(pause >= PAUSE_MIN_SAMPLES))
        return 0;
    return llrint(pause / RM_FRAME_SAMPLES) * RM_FRAME_SAMPLES;
}

static void decode(rm_ingress *in, const rm_packet *packet)
{
    const uint8_t *payload = packet->payload;
    size_t unit = rm_encoding_bytes_per_sample(packet->encoding);
    size_t left = rm_payload_samples(packet->encoding, packet->payload_bytes);
    size_t ratio = rm_payload_samples(packet->encoding, unit);
    while (left > 0) {
        size_t room;
        int16_t *space = rm_frame_line_space(&in->line, &room);
        if (room >= ratio) { /* straight into the frame */
            size_t n = (left < room ? left : room) / ratio;
            rm_payload_decode(&in->decoder, payload, n * unit, space);
            rm_frame_line_commit(&in->line, n * ratio, 0);
            payload += n * unit;
            left -= n * ratio;
        } else { /* one narrow sample makes two: the second belongs to the next frame */
            int16_t pair[2];
            rm_payload_decode(&in->decoder, payload, unit, pair);
            rm_frame_line_write(&in->line, pair, ratio, 0);
            payload += unit;
            left -= ratio;
        }
    }
}

/* Play the packet that is next in sequence after `missing` lost ones. */
static void play(rm_ingress *in, const rm_packet *packet, uint32_t missing)
{
    in->next_sequence = (uint16_t)(packet->sequence_number + 1);
    if (packet->encoding == RM_NO_ENCODING)
        return;
    in->rate_hz = rm_encoding_rate_hz(packet->encoding);
    int64_t gap = distance(in, packet);
    int64_t lost = (int64_t)missing * in->last_samples;
    lost = lost < gap ? lost : gap;
    lost = lost < CONCEAL_MAX_SAMPLES ? lost : CONCEAL_MAX_SAMPLES;
    rm_frame_line_conceal(&in->line, (size_t)lost);
    rm_frame_line_skip(&in->line, gap - lost);

    if (packet->marker || gap > lost || !in->heard)
        rm_frame_line_flag_next(&in->line, RM_FRAME_TALKSPURT_START);

    uint32_t samples = (uint32_t)rm_payload_samples(packet->encoding, packet->payload_bytes);
    rm_payload_decoder_use(&in->decoder, packet->encoding);
    if (packet->mute)
        rm_frame_line_write(&in->line, NULL, samples, RM_FRAME_DIGIT);
    else
        decode(in, packet);
    in->next_timestamp = packet->timestamp + samples / (BUS_RATE_HZ / in->rate_hz);
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

/* The hole in front is waited for since the first packet behind it arrived. */
static void set_deadline(rm_ingress *in)
{
    double oldest = INFINITY;
    for (uint32_t i = 0; i < in->held_count; i++)
        oldest = fmin(oldest, in->held[i].packet.arrival);
    in->deadline = oldest + in->gap_wait;
}

static void give_up_hole(rm_ingress *in)
{
    play_first_held(in);
    play_contiguous(in);
    set_deadline(in);
}

void rm_ingress_handle_timeout(rm_ingress *in, double now)
{
    while (in->deadline <= now)
        give_up_hole(in);
}

void rm_ingress_receive(rm_ingress *in, const rm_packet *packet)
{
    if (!in->sequenced) {
        in->next_sequence = packet->sequence_number;
        in->sequenced = true;
    }
    int16_t ahead = steps_ahead(in, packet->sequence_number);
    if (ahead < 0) {
        in->late++;
        return;
    }
    if (ahead == 0) {
        play(in, packet, 0);
        if (in->held_count > 0) {
            play_contiguous(in);
            set_deadline(in);
        }
        return;
    }
    if (in->held_count == RM_HELD_PACKETS)
        give_up_hole(in);
    hold(in, packet);
    play_contiguous(in);
    set_deadline(in);
    rm_ingress_handle_timeout(in, packet->arrival);
}

/* --- new beginnings ---------------------------------------------------------------------- */

void rm_ingress_keep_first(rm_ingress *in, const rm_packet *packet)
{
    in->pair_pending = keep(&in->first_of_pair, packet);
}

void rm_ingress_restart(rm_ingress *in, const rm_packet *packet)
{
    while (in->held_count > 0)
        play_first_held(in);
    in->deadline = INFINITY;
    in->sequenced = in->anchored = false;
    const rm_packet *first = &in->first_of_pair.packet;
    if (in->pair_pending && (uint16_t)(first->sequence_number + 1) == packet->sequence_number) {
        in->sequenced = true;
        play(in, first, 0);
    }
    in->pair_pending = false;
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
    int64_t position = in->line.pts + step * (int64_t)(BUS_RATE_HZ / in->rate_hz);
    return position > 0 ? position : 0;
}
