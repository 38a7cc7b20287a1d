#include "skew.h"

#include <math.h>
#include <stddef.h>

static const double WINDOW_SECONDS = 2;
static const double WINDOWS_MIN = 10;
/* A window weighs half as much after 140 of them, 4.6 minutes. */
static const double KEEP = 0.995;
/* A larger change of delay than this is a new clock, not a queue. */
static const double JUMP_SECONDS = 3;

void rm_skew_break(rm_skew *k) { *k = (rm_skew){0}; }

static void begin(rm_skew *k, uint32_t timestamp, uint32_t rate_hz, double arrival)
{
    *k = (rm_skew){
        .begun = true,
        .rate_hz = rate_hz,
        .timestamp = timestamp,
        .start = arrival,
        .window_end = WINDOW_SECONDS,
        .lowest = INFINITY,
    };
}

static void close_window(rm_skew *k, double t)
{
    if (k->lowest < INFINITY) {
        k->n = k->n * KEEP + 1;
        k->t = k->t * KEEP + k->lowest_at;
        k->d = k->d * KEEP + k->lowest;
        k->tt = k->tt * KEEP + k->lowest_at * k->lowest_at;
        k->td = k->td * KEEP + k->lowest_at * k->lowest;
    }
    k->lowest = INFINITY;
    k->window_end = t + WINDOW_SECONDS;
}

void rm_skew_packet(rm_skew *k, uint32_t timestamp, uint32_t rate_hz, double arrival)
{
    if (!k->begun || k->rate_hz != rate_hz)
        begin(k, timestamp, rate_hz, arrival);
    k->units += (int32_t)(timestamp - k->timestamp);
    k->timestamp = timestamp;
    double t = arrival - k->start;
    double delay = t - (double)k->units / rate_hz;
    double usual = k->n > 0 ? k->d / k->n : 0;
    if (!(fabs(delay - usual) < JUMP_SECONDS)) {
        begin(k, timestamp, rate_hz, arrival);
        return;
    }
    if (t >= k->window_end)
        close_window(k, t);
    if (delay < k->lowest) {
        k->lowest = delay;
        k->lowest_at = t;
    }
}

double rm_skew_ppm(const rm_skew *k)
{
    double spread = k->n * k->tt - k->t * k->t;
    if (k->n < WINDOWS_MIN * KEEP * KEEP || !(spread > 0))
        return NAN;
    return -1e6 * (k->n * k->td - k->t * k->d) / spread;
}
