#include "backlog.h"

#include <string.h>

static rm_piece *at(rm_backlog *b, uint32_t n)
{
    return &b->pieces[(b->head + n) & (RM_BACKLOG_PIECES - 1)];
}

static int64_t end_of(const rm_piece *piece) { return piece->start + piece->samples; }

rm_piece *rm_backlog_piece(rm_backlog *b, uint32_t n) { return n < b->count ? at(b, n) : NULL; }

static void write_ring(rm_backlog *b, int64_t position, const int16_t *pcm, size_t n)
{
    size_t offset = (size_t)position & (RM_BACKLOG_SAMPLES - 1);
    size_t first = RM_BACKLOG_SAMPLES - offset < n ? RM_BACKLOG_SAMPLES - offset : n;
    memcpy(b->pcm + offset, pcm, first * sizeof *pcm);
    memcpy(b->pcm, pcm + first, (n - first) * sizeof *pcm);
}

void rm_backlog_read(const rm_backlog *b, int64_t position, int16_t *out, size_t n)
{
    size_t offset = (size_t)position & (RM_BACKLOG_SAMPLES - 1);
    size_t first = RM_BACKLOG_SAMPLES - offset < n ? RM_BACKLOG_SAMPLES - offset : n;
    memcpy(out, b->pcm + offset, first * sizeof *out);
    memcpy(out + first, b->pcm, (n - first) * sizeof *out);
}

bool rm_backlog_insert(rm_backlog *b, rm_piece piece, const int16_t *pcm)
{
    uint32_t place = b->count; /* nearly always at the end */
    while (place > 0 && at(b, place - 1)->start > piece.start)
        place--;
    int64_t start = piece.start, end = end_of(&piece);
    if (place > 0 && end_of(at(b, place - 1)) > start)
        start = end_of(at(b, place - 1));
    if (place < b->count && at(b, place)->start < end)
        end = at(b, place)->start;
    if (end <= start || b->count == RM_BACKLOG_PIECES)
        return false;
    write_ring(b, start, pcm + (start - piece.start), (size_t)(end - start));
    piece.start = start;
    piece.samples = (uint32_t)(end - start);
    for (uint32_t i = b->count; i > place; i--)
        *at(b, i) = *at(b, i - 1);
    *at(b, place) = piece;
    b->count++;
    return true;
}

void rm_backlog_mute(rm_backlog *b, int64_t from)
{
    for (uint32_t i = 0; i < b->count; i++) {
        rm_piece *piece = at(b, i);
        if (piece->mute || piece->start < from)
            continue;
        for (int64_t n = piece->start; n < end_of(piece); n++)
            b->pcm[n & (RM_BACKLOG_SAMPLES - 1)] = 0;
        piece->mute = true;
    }
}

size_t rm_backlog_run(rm_backlog *b, int64_t position, size_t limit)
{
    int64_t reached = position;
    for (uint32_t i = 0; i < b->count && (size_t)(reached - position) < limit; i++) {
        if (at(b, i)->start > reached)
            break;
        if (end_of(at(b, i)) > reached)
            reached = end_of(at(b, i));
    }
    size_t run = (size_t)(reached - position);
    return run < limit ? run : limit;
}
