/* A line of samples, usually at 16 kHz, cut into bus frames: what ingress.c decodes into and the stream's owner
 * takes frames from. Positions (pts) are samples since the line began; skipped time keeps its
 * length. A sample is in one frame only and frames never overlap. */
#ifndef RM_FRAME_LINE_H
#define RM_FRAME_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "meter.h"

enum { RM_FRAME_SAMPLES = 320 };

enum {
    RM_FRAME_CONCEALED = 1, /* part of it was made up */
    RM_FRAME_SILENCE = 2,   /* nothing but (nearly) zero samples */
    RM_FRAME_TALKSPURT_START = 4,
    RM_FRAME_DIGIT = 8, /* part of it lay under a telephone-event and was muted */
};

typedef struct rm_frame {
    int64_t pts;
    uint32_t flags;
    uint32_t samples; /* all of RM_FRAME_SAMPLES unless it was closed early */
    int16_t pcm[RM_FRAME_SAMPLES];
} rm_frame;

typedef struct rm_frame_line {
    rm_frame *frames;  /* ring; the open frame follows the finished ones */
    uint32_t capacity; /* a power of two */
    uint32_t head;
    uint32_t count; /* finished frames */
    uint32_t fill;  /* samples in the open frame */
    uint32_t next_flags; /* for the frame that gets the next sample */
    int64_t pts;         /* of the next sample */
    uint64_t concealed;
    uint64_t dropped; /* oldest frames that nobody took in time */
    uint64_t concealed_samples;
    rm_meter meter;
} rm_frame_line;

/* False when memory is short. */
bool rm_frame_line_init(rm_frame_line *line);
void rm_frame_line_free(rm_frame_line *line);

/* Flag the one frame that the next sample goes to. */
void rm_frame_line_flag_next(rm_frame_line *line, uint32_t flags);

/* Append n samples, or n zeros when pcm is NULL. */
void rm_frame_line_write(rm_frame_line *line, const int16_t *pcm, size_t n, uint32_t flags);

/* Let time pass without audio: an open frame is filled up with zeros, then the position jumps. */
void rm_frame_line_skip(rm_frame_line *line, int64_t samples);

/* Finish the open frame as short as it is. */
void rm_frame_line_close(rm_frame_line *line);

/* The oldest finished frame or NULL; valid until the next call that changes the line. */
const rm_frame *rm_frame_line_front(const rm_frame_line *line);
void rm_frame_line_drop_front(rm_frame_line *line);

#endif
