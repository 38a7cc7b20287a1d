/* What waits to be sent: 16 kHz samples, and between them marks and digits in their order. The
 * owner writes any amount at any speed; sender.c takes 20 ms a tick. */
#ifndef RM_PLAYOUT_H
#define RM_PLAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum rm_cue_kind { RM_CUE_MARK, RM_CUE_DIGIT, RM_CUE_DONE } rm_cue_kind;

typedef struct rm_cue {
    uint64_t position; /* of the first sample after it, in all samples ever written */
    int64_t mark_id;
    uint8_t kind;
    uint8_t event;  /* of a digit */
    bool played;    /* of a mark that has been reached or cleared */
    uint16_t duration_ms;
    uint16_t gap_ms;
} rm_cue;

/* 5 ms: what `clear` cuts off fades out over this long, so that it does not click. */
enum { RM_TAIL_SAMPLES = 80 };

typedef struct rm_playout {
    int16_t *samples; /* ring; NULL until the first write */
    uint32_t capacity;
    uint32_t limit;        /* most samples to hold */
    uint64_t read, written; /* all samples ever; their difference is queued */
    uint64_t utterance;    /* samples sent since the queue was last empty */
    uint64_t dropped;      /* samples that write refused */
    uint64_t cleared;      /* samples dropped by clear */
    uint64_t digits_cleared;
    rm_cue *cues; /* ring; from head: marks reached, then from `next`: cues ahead */
    uint32_t cue_capacity;
    uint32_t cue_head, cue_next, cue_end; /* counted up forever, masked on use */
    uint32_t tail_left; /* samples of the tail still to read, before anything queued */
    int16_t tail[RM_TAIL_SAMPLES];
} rm_playout;

void rm_playout_init(rm_playout *p, uint32_t limit_samples);
void rm_playout_free(rm_playout *p);

static inline uint32_t rm_playout_queued(const rm_playout *p)
{
    return (uint32_t)(p->written - p->read);
}

/* Append n samples (any alignment, host order); returns how many were taken. */
size_t rm_playout_write(rm_playout *p, const void *pcm, size_t n);

/* Take up to n samples, not past the next digit; returns how many. n is at least RM_TAIL_SAMPLES. */
size_t rm_playout_read(rm_playout *p, int16_t *out, size_t n);

/* Drop what is queued, digits too; marks among it come back as not played. Returns the samples of
 * the current utterance that were sent. When speech is cut, its next 5 ms are kept as a fade that
 * counts neither as queued nor as played. */
uint64_t rm_playout_clear(rm_playout *p);

/* Append a mark or digit behind what is queued; false when too many wait. */
bool rm_playout_append(rm_playout *p, rm_cue cue);

/* Room for that many more cues, made if need be. */
bool rm_playout_reserve(rm_playout *p, uint32_t cues);

/* Pass the marks that have been reached. The digit whose turn it is, or NULL. */
const rm_cue *rm_playout_reach(rm_playout *p);

/* Leave the digit that rm_playout_reach gave. */
void rm_playout_pass_digit(rm_playout *p);

bool rm_playout_has_cues(const rm_playout *p);

/* The next mark that was reached or cleared. */
bool rm_playout_next_mark(rm_playout *p, rm_cue *mark);
bool rm_playout_has_marks(const rm_playout *p);

#endif
