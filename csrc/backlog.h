/* Decoded sound that has arrived and not been played, on a line of positions (samples): a ring for
 * the samples and a sorted list of the pieces that are there, one per packet, of any length. What
 * has been played stays readable until it is overwritten. Called by adaptive.c,
 * steps.c and adjust.c. */
#ifndef RM_BACKLOG_H
#define RM_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RM_BACKLOG_SAMPLES = 8192, /* 1 s at 8 kHz, half a second at 16 kHz; a power of two */
    RM_BACKLOG_HISTORY = 512,  /* of it: behind the position that is played */
    RM_BACKLOG_PIECES = 128,
};

typedef struct rm_piece {
    int64_t start;
    uint32_t samples;
    bool after_pause; /* the sender was silent before it: nothing is missing there */
    bool mute;        /* zeros in place of a telephone-event's tone */
    bool heard;       /* some of it was played */
} rm_piece;

typedef struct rm_backlog {
    uint32_t head, count;
    rm_piece pieces[RM_BACKLOG_PIECES]; /* ring; by start, none overlapping */
    int16_t pcm[RM_BACKLOG_SAMPLES];
} rm_backlog;

/* The piece that comes n-th, or NULL. */
rm_piece *rm_backlog_piece(rm_backlog *b, uint32_t n);

/* Put sound in its place; what overlaps a piece that is there is left out. False when nothing of
 * it is new or there is no room. The caller sees to it that it lies within the ring. */
bool rm_backlog_insert(rm_backlog *b, rm_piece piece, const int16_t *pcm);

/* Turn what is there from a position on into zeros that lie under a digit. */
void rm_backlog_mute(rm_backlog *b, int64_t from);

/* How many samples are there without a break from a position on, at most `limit`. */
size_t rm_backlog_run(rm_backlog *b, int64_t position, size_t limit);

void rm_backlog_read(const rm_backlog *b, int64_t position, int16_t *out, size_t n);

#endif
