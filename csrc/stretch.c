#include "stretch.h"

#include <math.h>

enum { WINDOW_MS = 10 };
#define PERIOD_MIN_MS 2.5f
#define PERIOD_MAX_MS 15

float rm_power(const int16_t *pcm, size_t n)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (float)pcm[i] * (float)pcm[i];
    return n > 0 ? sum / (float)n : 0;
}

void rm_cross_fade(int16_t *out, const int16_t *from, const int16_t *to, size_t n)
{
    float step = 1.0f / (float)(n + 1), share = step;
    for (size_t i = 0; i < n; i++, share += step)
        out[i] = (int16_t)lrintf((float)from[i] + share * ((float)to[i] - (float)from[i]));
}

/* Sums of products in whole numbers: exact, and the compiler may use vectors without being told
 * that floating point may be reordered. */
static float product(const int16_t *a, const int16_t *b, size_t n)
{
    int64_t total = 0;
    for (size_t done = 0; done < n; done += 16) {
        int64_t sum = 0;
        size_t part = n - done < 16 ? n - done : 16;
        for (size_t i = 0; i < part; i++)
            sum += (int32_t)a[done + i] * b[done + i];
        total += sum;
    }
    return (float)total;
}

rm_period rm_find_period(const int16_t *pcm, size_t n, uint32_t samples_per_ms)
{
    size_t window = WINDOW_MS * samples_per_ms;
    size_t first = (size_t)(PERIOD_MIN_MS * (float)samples_per_ms);
    size_t last = PERIOD_MAX_MS * samples_per_ms;
    rm_period best = {0, 0};
    if (n < window + first)
        return best;
    last = last < n - window ? last : n - window;
    float own = product(pcm, pcm, window);
    for (size_t lag = first; lag <= last; lag++) {
        float cross = product(pcm, pcm + lag, window);
        if (cross <= 0)
            continue;
        float other = product(pcm + lag, pcm + lag, window);
        float correlation = cross / sqrtf(own * other + 1);
        if (correlation > best.correlation)
            best = (rm_period){lag, correlation};
    }
    return best;
}
