#include "frame_line.h"

#include <stdlib.h>
#include <string.h>

enum {
    FRAMES_AT_REST = 4,
    FRAMES_KEPT = 16, /* a larger ring is given back once it has been emptied */
    FRAMES_MAX = 64,  /* 1.3 s; who takes no frames for so long loses the oldest */
    /* Both G.711 laws have no code nearer to zero than ±8; twice that is still nothing to hear. */
    SILENCE_PEAK = 16,
};

bool rm_frame_line_init(rm_frame_line *line)
{
    *line = (rm_frame_line){.capacity = FRAMES_AT_REST};
    line->frames = malloc(FRAMES_AT_REST * sizeof *line->frames);
    return line->frames != NULL;
}

void rm_frame_line_free(rm_frame_line *line)
{
    free(line->frames);
    line->frames = NULL;
}

static rm_frame *frame_at(const rm_frame_line *line, uint32_t n)
{
    return &line->frames[(line->head + n) & (line->capacity - 1)];
}

/* Move all frames, the open one too, into a ring of another size; keep the old one if memory is
 * short. */
static void resize(rm_frame_line *line, uint32_t capacity)
{
    rm_frame *frames = malloc(capacity * sizeof *frames);
    if (frames == NULL)
        return;
    for (uint32_t i = 0; i <= line->count; i++)
        if (i < line->count || line->fill > 0)
            frames[i] = *frame_at(line, i);
    free(line->frames);
    line->frames = frames;
    line->capacity = capacity;
    line->head = 0;
}

static bool is_silent(const int16_t *pcm, uint32_t n)
{
    int low = 0, high = 0;
    for (uint32_t i = 0; i < n; i++) {
        low = pcm[i] < low ? pcm[i] : low;
        high = pcm[i] > high ? pcm[i] : high;
    }
    return low >= -SILENCE_PEAK && high <= SILENCE_PEAK;
}

static void finish_frame(rm_frame_line *line)
{
    rm_frame *frame = frame_at(line, line->count);
    rm_meter_take(&line->meter, frame->pcm, line->fill);
    frame->samples = line->fill;
    if (is_silent(frame->pcm, frame->samples))
        frame->flags |= RM_FRAME_SILENCE;
    line->concealed += (frame->flags & RM_FRAME_CONCEALED) != 0;
    line->fill = 0;
    line->count++;
    if (line->count < line->capacity)
        return;
    if (line->capacity < FRAMES_MAX) {
        line->count--; /* the finished frame takes the open one's place in the move */
        line->fill = frame->samples;
        resize(line, line->capacity * 2);
        line->fill = 0;
        line->count++;
    }
    if (line->count == line->capacity) {
        rm_frame_line_drop_front(line);
        line->dropped++;
    }
}

/* Account for n samples written behind those of the open frame. */
static void commit(rm_frame_line *line, size_t n, uint32_t flags)
{
    rm_frame *frame = frame_at(line, line->count);
    if (line->fill == 0) {
        frame->pts = line->pts;
        frame->flags = 0;
    }
    frame->flags |= flags | line->next_flags;
    line->next_flags = 0;
    if (flags & RM_FRAME_CONCEALED)
        line->concealed_samples += n;
    line->fill += (uint32_t)n;
    line->pts += (int64_t)n;
    if (line->fill == RM_FRAME_SAMPLES)
        finish_frame(line);
}

void rm_frame_line_flag_next(rm_frame_line *line, uint32_t flags) { line->next_flags |= flags; }

void rm_frame_line_write(rm_frame_line *line, const int16_t *pcm, size_t n, uint32_t flags)
{
    while (n > 0) {
        size_t room = RM_FRAME_SAMPLES - line->fill, part = n < room ? n : room;
        int16_t *space = frame_at(line, line->count)->pcm + line->fill;
        if (pcm != NULL) {
            memcpy(space, pcm, part * sizeof *pcm);
            pcm += part;
        } else {
            memset(space, 0, part * sizeof *space);
        }
        commit(line, part, flags);
        n -= part;
    }
}

void rm_frame_line_skip(rm_frame_line *line, int64_t samples)
{
    if (line->fill > 0) {
        int64_t room = RM_FRAME_SAMPLES - line->fill;
        int64_t padding = samples < room ? samples : room;
        rm_frame_line_write(line, NULL, (size_t)padding, 0);
        samples -= padding;
    }
    line->pts += samples;
}

void rm_frame_line_close(rm_frame_line *line)
{
    if (line->fill > 0)
        finish_frame(line);
}

const rm_frame *rm_frame_line_front(const rm_frame_line *line)
{
    return line->count > 0 ? frame_at(line, 0) : NULL;
}

void rm_frame_line_drop_front(rm_frame_line *line)
{
    line->head = (line->head + 1) & (line->capacity - 1);
    line->count--;
    if (line->count == 0 && line->fill == 0 && line->capacity > FRAMES_KEPT)
        resize(line, FRAMES_AT_REST);
}
