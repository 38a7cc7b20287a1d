/* How late packets come that were overtaken by others, and so how long a hole is worth waiting for:
 * the first holes of a call as long as is allowed; from then on not at all where nothing was
 * overtaken in the last ten seconds, else a little longer than the latest straggler was late.
 * Called by ingress.c. */
#ifndef RM_STRAGGLERS_H
#define RM_STRAGGLERS_H

#include <stdbool.h>
#include <stdint.h>

enum { RM_GIVEN_UP = 8 };

typedef struct rm_given_up {
    uint16_t first;   /* sequence number */
    uint16_t packets; /* 0: none */
    double noticed;   /* when the first packet behind the hole came */
} rm_given_up;

typedef struct rm_stragglers {
    double window_end;
    double latest[2]; /* seconds behind the packet that showed the hole: last window, this one */
    uint32_t in_vain; /* holes waited for before any straggler was seen */
    uint32_t next;
    rm_given_up given_up[RM_GIVEN_UP];
} rm_stragglers;

/* How long to wait for a hole, at most `limit` seconds. */
double rm_stragglers_wait(rm_stragglers *s, double now, double limit);

/* A packet filled a hole that was noticed at that time. */
void rm_stragglers_came(rm_stragglers *s, double noticed, double now);

/* A hole was given up. */
void rm_stragglers_give_up(rm_stragglers *s, uint16_t first, uint16_t packets, double noticed);

/* A packet came whose place is taken. */
void rm_stragglers_too_late(rm_stragglers *s, uint16_t sequence_number, double now);

#endif
