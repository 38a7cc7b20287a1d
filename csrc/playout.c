#include "playout.h"

#include <stdlib.h>
#include <string.h>

#include "dsp.h"

enum {
    SAMPLES_AT_REST = 2048, /* 128 ms: an echo or a bridge never needs more */
    CUES_AT_REST = 8,
    CUES_MAX = 4096,
    UNITY_Q15 = 32768,
};

void rm_playout_init(rm_playout *p, uint32_t limit_samples)
{
    *p = (rm_playout){.limit = limit_samples};
}

void rm_playout_free(rm_playout *p)
{
    free(p->samples);
    free(p->cues);
    p->samples = NULL;
    p->cues = NULL;
}

/* --- samples ----------------------------------------------------------------------------- */

static void copy_in(int16_t *ring, uint32_t capacity, uint64_t at, const void *pcm, size_t n)
{
    size_t offset = at & (capacity - 1);
    size_t first = n < capacity - offset ? n : capacity - offset;
    memcpy(ring + offset, pcm, first * sizeof *ring);
    memcpy(ring, (const uint8_t *)pcm + first * sizeof *ring, (n - first) * sizeof *ring);
}

static void copy_out(const rm_playout *p, uint64_t at, int16_t *out, size_t n)
{
    size_t offset = at & (p->capacity - 1);
    size_t first = n < p->capacity - offset ? n : p->capacity - offset;
    memcpy(out, p->samples + offset, first * sizeof *out);
    memcpy(out + first, p->samples, (n - first) * sizeof *out);
}

/* Make the ring hold that many samples; it stays as it is when memory is short. */
static void grow(rm_playout *p, size_t samples)
{
    uint32_t capacity = p->capacity ? p->capacity : SAMPLES_AT_REST;
    while (capacity < samples)
        capacity *= 2;
    if (capacity == p->capacity)
        return;
    int16_t *ring = malloc(capacity * sizeof *ring);
    if (ring == NULL)
        return;
    uint32_t queued = rm_playout_queued(p);
    if (queued > 0) {
        size_t offset = p->read & (p->capacity - 1);
        size_t first = queued < p->capacity - offset ? queued : p->capacity - offset;
        copy_in(ring, capacity, p->read, p->samples + offset, first);
        copy_in(ring, capacity, p->read + first, p->samples, queued - first);
    }
    free(p->samples);
    p->samples = ring;
    p->capacity = capacity;
}

static void shrink_when_empty(rm_playout *p)
{
    if (rm_playout_queued(p) > 0 || p->capacity <= SAMPLES_AT_REST)
        return;
    free(p->samples);
    p->samples = NULL;
    p->capacity = 0;
}

size_t rm_playout_write(rm_playout *p, const void *pcm, size_t n)
{
    uint32_t queued = rm_playout_queued(p);
    size_t taken = n < p->limit - queued ? n : p->limit - queued;
    if (taken > 0)
        grow(p, queued + taken);
    if (taken > p->capacity - queued)
        taken = p->capacity - queued; /* memory was short */
    p->dropped += n - taken;
    if (taken == 0)
        return 0;
    if (queued == 0)
        p->utterance = 0;
    copy_in(p->samples, p->capacity, p->written, pcm, taken);
    p->written += taken;
    return taken;
}

static rm_cue *cue_at(const rm_playout *p, uint32_t n) { return &p->cues[n & (p->cue_capacity - 1)]; }

static uint64_t next_digit_position(const rm_playout *p)
{
    for (uint32_t i = p->cue_next; i != p->cue_end; i++)
        if (cue_at(p, i)->kind == RM_CUE_DIGIT)
            return cue_at(p, i)->position;
    return UINT64_MAX;
}

static size_t read_tail(rm_playout *p, int16_t *out)
{
    size_t taken = p->tail_left;
    memcpy(out, p->tail, taken * sizeof *out);
    p->tail_left = 0;
    return taken;
}

static size_t read_queue(rm_playout *p, int16_t *out, size_t n)
{
    uint64_t end = p->written;
    uint64_t digit = next_digit_position(p);
    end = digit < end ? digit : end;
    size_t taken = end - p->read < n ? (size_t)(end - p->read) : n;
    if (taken == 0)
        return 0;
    copy_out(p, p->read, out, taken);
    p->read += taken;
    p->utterance += taken;
    shrink_when_empty(p);
    return taken;
}

size_t rm_playout_read(rm_playout *p, int16_t *out, size_t n)
{
    size_t tail = read_tail(p, out);
    return tail + read_queue(p, out + tail, n - tail);
}

/* Keep the beginning of what is dropped, if the sample before it was sent. */
static void keep_tail(rm_playout *p)
{
    uint32_t queued = rm_playout_queued(p);
    if (p->utterance == 0 || queued == 0)
        return;
    size_t n = queued < RM_TAIL_SAMPLES ? queued : RM_TAIL_SAMPLES;
    copy_out(p, p->read, p->tail, n);
    rm_gain_ramp(p->tail, n, UNITY_Q15, 0);
    p->tail_left = (uint32_t)n;
}

uint64_t rm_playout_clear(rm_playout *p)
{
    uint64_t sent = p->utterance;
    keep_tail(p);
    for (; p->cue_next != p->cue_end; p->cue_next++) {
        rm_cue *cue = cue_at(p, p->cue_next);
        if (cue->kind == RM_CUE_DIGIT) {
            p->digits_cleared++;
            cue->kind = RM_CUE_DONE;
        }
    }
    p->cleared += rm_playout_queued(p);
    p->read = p->written;
    p->utterance = 0;
    shrink_when_empty(p);
    return sent;
}

/* --- marks and digits -------------------------------------------------------------------- */

bool rm_playout_reserve(rm_playout *p, uint32_t cues)
{
    uint32_t used = p->cue_end - p->cue_head;
    if (used + cues <= p->cue_capacity)
        return true;
    uint32_t capacity = p->cue_capacity ? p->cue_capacity : CUES_AT_REST;
    while (capacity < used + cues)
        capacity *= 2;
    if (capacity > CUES_MAX)
        return false;
    rm_cue *ring = malloc(capacity * sizeof *ring);
    if (ring == NULL)
        return false;
    for (uint32_t i = 0; i < used; i++)
        ring[i] = *cue_at(p, p->cue_head + i);
    free(p->cues);
    p->cues = ring;
    p->cue_capacity = capacity;
    p->cue_next -= p->cue_head;
    p->cue_end = used;
    p->cue_head = 0;
    return true;
}

bool rm_playout_append(rm_playout *p, rm_cue cue)
{
    if (!rm_playout_reserve(p, 1))
        return false;
    cue.position = p->written;
    cue.played = false;
    *cue_at(p, p->cue_end++) = cue;
    return true;
}

const rm_cue *rm_playout_reach(rm_playout *p)
{
    for (; p->cue_next != p->cue_end; p->cue_next++) {
        rm_cue *cue = cue_at(p, p->cue_next);
        if (cue->position > p->read)
            return NULL;
        if (cue->kind == RM_CUE_DIGIT)
            return cue;
        cue->played = true;
    }
    return NULL;
}

void rm_playout_pass_digit(rm_playout *p) { cue_at(p, p->cue_next++)->kind = RM_CUE_DONE; }

bool rm_playout_has_cues(const rm_playout *p) { return p->cue_next != p->cue_end; }

static void forget_done(rm_playout *p)
{
    while (p->cue_head != p->cue_next && cue_at(p, p->cue_head)->kind == RM_CUE_DONE)
        p->cue_head++;
}

bool rm_playout_has_marks(const rm_playout *p)
{
    for (uint32_t i = p->cue_head; i != p->cue_next; i++)
        if (cue_at(p, i)->kind == RM_CUE_MARK)
            return true;
    return false;
}

bool rm_playout_next_mark(rm_playout *p, rm_cue *mark)
{
    forget_done(p);
    if (p->cue_head == p->cue_next)
        return false;
    *mark = *cue_at(p, p->cue_head++);
    return true;
}
