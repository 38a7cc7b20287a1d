#include "listener.h"

#include <math.h>
#include <stdlib.h>

#define FRAME_S 0.02

enum {
    BUS_RATE_HZ = 16000,
    NARROW_HZ = 8000,
    FRAMES_AT_ONCE = 25, /* an owner that was later than this finds a gap in the positions */
};

rm_listener *rm_listener_new(int32_t fixed_ms)
{
    rm_listener *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    l->due = INFINITY;
    rm_up2_reset(&l->up);
    l->playout = rm_adaptive_new(NARROW_HZ, fixed_ms);
    if (l->playout == NULL) {
        free(l);
        return NULL;
    }
    return l;
}

void rm_listener_free(rm_listener *l)
{
    if (l == NULL)
        return;
    rm_adaptive_free(l->playout);
    free(l);
}

void rm_listener_receive(rm_listener *l, const rm_packet *packet)
{
    rm_adaptive_receive(l->playout, packet);
    if (packet->encoding != RM_NO_ENCODING && l->due == INFINITY && !l->pulled)
        l->due = packet->arrival;
}

void rm_listener_restart(rm_listener *l, const rm_packet *first)
{
    rm_adaptive_restart(l->playout);
    if (first != NULL)
        rm_listener_receive(l, first);
}

static void play_frame(rm_listener *l, rm_frame_line *line)
{
    int16_t native[RM_FRAME_SAMPLES], wide[RM_FRAME_SAMPLES];
    rm_adaptive *a = l->playout;
    bool narrow = a->rate_hz == NARROW_HZ;
    bool made_up = rm_adaptive_play(a, l->due, native, a->rate_hz / 50);
    if (narrow)
        rm_up2_push(&l->up, native, RM_FRAME_SAMPLES / 2, wide);
    uint32_t flags = (made_up ? RM_FRAME_CONCEALED : 0) | (a->mute ? RM_FRAME_DIGIT : 0);
    rm_frame_line_write(line, narrow ? wide : native, RM_FRAME_SAMPLES, flags);
}

void rm_listener_play(rm_listener *l, rm_frame_line *line, double now)
{
    for (int n = 0; n < FRAMES_AT_ONCE && l->due <= now; n++) {
        play_frame(l, line);
        l->due += FRAME_S;
    }
    if (l->due <= now) {
        double missed = floor((now - l->due) / FRAME_S) + 1;
        rm_frame_line_skip(line, (int64_t)missed * RM_FRAME_SAMPLES);
        l->due += missed * FRAME_S;
    }
    if (l->due <= now) /* rounding */
        l->due += FRAME_S;
}

void rm_listener_pull(rm_listener *l, double now, int16_t *out, size_t n)
{
    l->pulled = true;
    l->due = INFINITY;
    rm_adaptive_play(l->playout, now, out, n);
}

int64_t rm_listener_position(const rm_listener *l, const rm_frame_line *line, uint32_t timestamp,
                             uint32_t clock_hz)
{
    const rm_adaptive *a = l->playout;
    int64_t ahead = rm_adaptive_ahead(a, timestamp, clock_hz);
    int64_t place = line->pts + ahead * (int64_t)(BUS_RATE_HZ / a->rate_hz);
    return place > 0 ? place : 0;
}
