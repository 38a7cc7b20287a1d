#include "adaptive.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "adaptive_parts.h"

/* A talkspurt may begin this much before its packet that comes first. */
enum { BEHIND_PAUSE_MS = 80 };

rm_adaptive *rm_adaptive_new(uint32_t rate_hz, int32_t fixed_ms)
{
    rm_adaptive *a = calloc(1, sizeof *a);
    if (a == NULL)
        return NULL;
    a->rate_hz = rate_hz;
    a->fixed_ms = fixed_ms;
    a->waited_at = -INFINITY;
    a->idle = true;
    a->tick = rate_hz / 100;
    rm_jitter_init(&a->jitter);
    rm_conceal_init(&a->conceal, rate_hz);
    rm_comfort_noise_init(&a->background);
    rm_loudness_init(&a->loudness);
    return a;
}

void rm_adaptive_free(rm_adaptive *a) { free(a); }

uint32_t rm_adaptive_waiting(const rm_adaptive *a) { return a->backlog.count; }

/* --- the position ------------------------------------------------------------------------ */

static void drop_first(rm_adaptive *a)
{
    rm_piece *piece = rm_backlog_piece(&a->backlog, 0);
    if (piece->heard)
        a->counters.played++;
    else
        a->counters.skipped++;
    a->backlog.head = (a->backlog.head + 1) & (RM_BACKLOG_PIECES - 1);
    a->backlog.count--;
}

void rm_adaptive_advance(rm_adaptive *a)
{
    rm_piece *piece;
    while ((piece = rm_backlog_piece(&a->backlog, 0)) != NULL
           && piece->start + piece->samples <= a->play)
        drop_first(a);
}

void rm_adaptive_move_to(rm_adaptive *a, int64_t position)
{
    a->play = position;
    rm_adaptive_advance(a);
}

/* --- packets ----------------------------------------------------------------------------- */

/* The line of samples is measured in another unit from now on. */
static void change_rate(rm_adaptive *a, uint32_t rate_hz)
{
    while (a->backlog.count > 0)
        drop_first(a);
    a->play = a->play * rate_hz / a->rate_hz;
    a->timeline.end = a->timeline.end * rate_hz / a->rate_hz;
    a->rate_hz = rate_hz;
    a->tick = rate_hz / 100;
    a->queued = a->made_from = a->made_to = 0;
    a->owed = 0;
    a->idle = true;
    rm_timeline_restart(&a->timeline);
    rm_jitter_rebase(&a->jitter);
    rm_conceal_init(&a->conceal, rate_hz);
}

static bool within_ring(rm_adaptive *a, int64_t start, int64_t end)
{
    int64_t nearest = start - (int64_t)(BEHIND_PAUSE_MS * a->rate_hz / 1000);
    if (a->idle && a->backlog.count == 0 && a->play < nearest)
        a->play = nearest; /* the pause is over: nothing of it comes any more */
    int64_t excess = end - (a->play + RM_BACKLOG_SAMPLES - RM_BACKLOG_HISTORY);
    if (excess > 0) /* too much waits: the oldest goes */
        rm_adaptive_move_to(a, a->play + excess);
    return end > a->play && start > a->play - RM_BACKLOG_SAMPLES / 2;
}

static void store(rm_adaptive *a, const rm_packet *packet, const rm_place *place, uint32_t n)
{
    int16_t pcm[RM_PACKET_MAX_SAMPLES];
    rm_piece piece = {place->start, n, place->after_pause, packet->mute, false};
    if (!a->begun) {
        a->play = a->real_from = place->start;
        a->begun = true;
    }
    if (!within_ring(a, piece.start, piece.start + n)) {
        a->counters.late++;
        return;
    }
    rm_payload_decoder_use(&a->decoder, packet->encoding);
    if (packet->mute)
        memset(pcm, 0, n * sizeof *pcm);
    else
        rm_payload_decode_native(&a->decoder, packet->payload, packet->payload_bytes, pcm);
    const int16_t *from = pcm;
    if (piece.start < a->play) {
        from += a->play - piece.start;
        piece.samples -= (uint32_t)(a->play - piece.start);
        piece.start = a->play;
    }
    if (!rm_backlog_insert(&a->backlog, piece, from))
        a->counters.late++;
}

static void receive_noise(rm_adaptive *a, const rm_packet *packet)
{
    rm_jitter_pauses(&a->jitter);
    if (rm_comfort_noise_receive(&a->background, packet->payload, packet->payload_bytes))
        a->described = true;
}

void rm_adaptive_receive(rm_adaptive *a, const rm_packet *packet)
{
    if (packet->encoding == RM_NO_ENCODING) {
        rm_timeline_pass(&a->timeline, packet);
        a->silent = true;
        if (packet->comfort_noise)
            receive_noise(a, packet);
        return;
    }
    a->counters.packets++;
    uint32_t rate_hz = rm_encoding_native_hz(packet->encoding);
    if (rate_hz != a->rate_hz)
        change_rate(a, rate_hz);
    uint32_t n = (uint32_t)rm_payload_native_samples(packet->encoding, packet->payload_bytes);
    rm_place place;
    if (!rm_timeline_place(&a->timeline, packet, n, rate_hz, &place)) {
        a->counters.late++;
        return;
    }
    if (place.fresh)
        rm_jitter_rebase(&a->jitter);
    if (!place.behind)
        a->silent = false;
    double per_ms = rate_hz / 1000.0;
    rm_jitter_packet heard = {packet->arrival * 1000, (double)place.start / per_ms, n / per_ms,
                              place.behind, place.after_pause && !place.fresh};
    rm_jitter_heard(&a->jitter, &heard);
    store(a, packet, &place, n);
}

void rm_adaptive_restart(rm_adaptive *a) { rm_timeline_restart(&a->timeline); }

void rm_adaptive_mute(rm_adaptive *a, uint32_t timestamp, uint32_t clock_hz)
{
    int64_t from = rm_timeline_position(&a->timeline, timestamp, a->rate_hz, clock_hz);
    rm_backlog_mute(&a->backlog, from);
}

int64_t rm_adaptive_ahead(const rm_adaptive *a, uint32_t timestamp, uint32_t clock_hz)
{
    int64_t position = rm_timeline_position(&a->timeline, timestamp, a->rate_hz, clock_hz);
    return position - a->play + a->queued;
}
