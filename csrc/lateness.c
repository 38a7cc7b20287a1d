#include "lateness.h"

#include <math.h>

/* The upper ends of all classes but the last. Streams are visited every 5 ms, so that up to there
 * is usual; 20 ms is a packet of a listener's buffer. */
static const float BOUNDS_MS[RM_LATENESS_CLASSES - 1] = {0.5F, 1,  2,  3,  4,  5,  6,  8,
                                                         10,   15, 20, 30, 40, 60, 100};

void rm_lateness_take(rm_lateness *l, double seconds)
{
    float late_ms = seconds > 0 ? (float)(seconds * 1000) : 0;
    int at = 0;
    while (at < RM_LATENESS_CLASSES - 1 && late_ms > BOUNDS_MS[at])
        at++;
    l->counts[at]++;
    l->worst_ms = late_ms > l->worst_ms ? late_ms : l->worst_ms;
}

double rm_lateness_quantile_ms(const rm_lateness *l, double share)
{
    double total = 0, below = 0;
    for (int i = 0; i < RM_LATENESS_CLASSES; i++)
        total += l->counts[i];
    for (int i = 0; i < RM_LATENESS_CLASSES; i++) {
        double least = i > 0 ? BOUNDS_MS[i - 1] : 0, count = l->counts[i];
        double most = i < RM_LATENESS_CLASSES - 1 ? fmin(BOUNDS_MS[i], l->worst_ms) : l->worst_ms;
        if (count > 0 && below + count >= share * total)
            return least + (most - least) * (share * total - below) / count;
        below += count;
    }
    return NAN;
}
