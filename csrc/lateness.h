/* How late packets left: counts by class of lateness, from which a quantile is read. One packet is
 * a comparison or two. Called by sender.c. */
#ifndef RM_LATENESS_H
#define RM_LATENESS_H

#include <stdint.h>

enum { RM_LATENESS_CLASSES = 16 };

typedef struct rm_lateness {
    uint32_t counts[RM_LATENESS_CLASSES];
    float worst_ms;
} rm_lateness;

/* One packet that left so many seconds after its time. */
void rm_lateness_take(rm_lateness *l, double seconds);

/* What a share of all packets (0 to 1) was not later than, in ms, within a class in proportion; NAN
 * before the first. */
double rm_lateness_quantile_ms(const rm_lateness *l, double share);

#endif
