/* See samples.h. */
#include "samples.h"

#include <stdio.h>
#include <stdlib.h>

void samples_add(struct samples *s, int64_t microseconds)
{
    if (s->count == s->room) {
        s->room = s->room ? s->room * 2 : 65536;
        s->values = realloc(s->values, s->room * sizeof *s->values);
        if (!s->values)
            abort();
    }
    s->values[s->count++] = microseconds > INT32_MAX ? INT32_MAX : (int32_t)microseconds;
}

static int ascending(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Nearest rank: the smallest value that at least this many thousandths do not exceed. */
static int32_t quantile(const struct samples *s, size_t thousandths)
{
    if (!s->count)
        return 0;
    size_t rank = (s->count * thousandths + 999) / 1000;
    return s->values[rank ? rank - 1 : 0];
}

void samples_print(const char *name, struct samples *s, int32_t limit)
{
    if (s->count)
        qsort(s->values, s->count, sizeof *s->values, ascending);
    size_t over = 0;
    while (over < s->count && s->values[s->count - 1 - over] > limit)
        over++;
    printf("\"%s\": {\"count\": %zu, \"p50\": %d, \"p99\": %d, \"p999\": %d, \"max\": %d, "
           "\"over\": %zu}",
           name, s->count, quantile(s, 500), quantile(s, 990), quantile(s, 999), quantile(s, 1000),
           over);
}
