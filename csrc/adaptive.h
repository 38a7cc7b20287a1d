/* Playout for a listener: sound of one source, whenever its packets come, as an even stream of
 * samples. Two policies: `adaptive` finds the delay that costs least (jitter.h), `fixed` keeps one.
 *
 *   sound is there           played; in pauses some of it is left out or repeated until the delay
 *                            is right, and reluctantly left out inside speech
 *   a hole, later sound      lost: concealed from both sides, the position moves on
 *   nothing later            stalled: extrapolated, the position waits for the sound; it counts as
 *                            lost once what follows it arrives. When it comes after all, it is
 *                            played, or left out where its delay is not worth keeping
 *   a pause of the sender    comfort noise; the next sound begins when its delay is right
 *
 * Memory is allocated once; a packet or a tick is one call. Called by stream.c. */
#ifndef RM_ADAPTIVE_H
#define RM_ADAPTIVE_H

#include "backlog.h"
#include "conceal.h"
#include "jitter.h"
#include "packet.h"
#include "timeline.h"

enum { RM_ADAPTIVE_QUEUE = 2048, RM_FLOOR_WINDOWS = 16 };

typedef struct rm_adaptive_counters {
    uint64_t packets; /* with sound; each ends as played, late or skipped, or waits */
    uint64_t played, late, skipped;
    /* samples */
    uint64_t lost, stalled, noise; /* made up: for lost sound, while waiting, in pauses */
    uint64_t cut_in_pause, cut_in_speech, added_in_pause;
    uint64_t stretches_in_speech; /* events */
    double delay_sum;             /* ms, over played steps */
    uint64_t delay_count;
    double delay_lately; /* ms, of those of the last seconds */
} rm_adaptive_counters;

/* How loud pauses and speech are: mean squares. */
typedef struct rm_loudness {
    float recent[3]; /* of the last blocks that were put out, 10 ms each */
    float minima[RM_FLOOR_WINDOWS];
    uint32_t blocks; /* in the newest window */
    uint32_t quiet; /* blocks since the last that was not quiet, real or not */
    float floor, peak;
} rm_loudness;

typedef struct rm_adaptive {
    rm_timeline timeline;
    rm_jitter jitter;
    rm_conceal conceal;
    rm_comfort_noise background; /* as the sender described it */
    bool described;
    rm_loudness loudness;
    rm_payload_decoder decoder;
    uint32_t rate_hz;
    int32_t fixed_ms; /* or -1: adaptive */
    bool idle;        /* in a pause, or nothing has come yet */
    bool silent;      /* the sender said so: comfort noise, or an event in place of sound */
    bool begun;
    int64_t play;     /* position that is played next */
    int64_t real_from; /* without a break since here */
    uint32_t idled;    /* samples put out since the pause began */
    int64_t owed;      /* samples made up while waiting at `play` */
    int64_t longer;    /* samples to wait although the sound is here */
    double waited_at;  /* when the last wait ended */
    float suffered;         /* MOS × seconds of a delay that is too long, since the last pause */
    float regretted;        /* the same of one that is not the best, since it was changed */
    uint32_t since_stretch; /* samples */
    uint32_t tick;          /* samples of the last request */
    uint32_t queued;
    uint32_t made_from, made_to; /* the made-up part of the queue */
    bool mute;                   /* the part put out last lay under a digit */
    rm_adaptive_counters counters;
    rm_backlog backlog;
    int16_t queue[RM_ADAPTIVE_QUEUE];
} rm_adaptive;

/* NULL when memory is short. fixed_ms: the delay to keep, or -1. */
rm_adaptive *rm_adaptive_new(uint32_t rate_hz, int32_t fixed_ms);
void rm_adaptive_free(rm_adaptive *a);

/* Place one packet of the believed source that is no duplicate. */
void rm_adaptive_receive(rm_adaptive *a, const rm_packet *packet);

/* Another source, or the same one begun again: the next packet is a new beginning. */
void rm_adaptive_restart(rm_adaptive *a);

/* A digit began at that timestamp: its tone, as far as it waits already, is not played. */
void rm_adaptive_mute(rm_adaptive *a, uint32_t timestamp, uint32_t clock_hz);

/* The next n samples at rate_hz, n at most 20 ms, to be heard from `now` on (monotonic seconds).
 * True when some of them were made up. */
bool rm_adaptive_play(rm_adaptive *a, double now, int16_t *out, size_t n);

/* How many samples after the next one that is put out a timestamp lies. */
int64_t rm_adaptive_ahead(const rm_adaptive *a, uint32_t timestamp, uint32_t clock_hz);

/* Packets that wait to be played. */
uint32_t rm_adaptive_waiting(const rm_adaptive *a);

#endif
