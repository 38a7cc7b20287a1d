/* A list of measured microseconds: exact percentiles, because 0.1 % is what the test asks about.
 *
 * 600 calls at 50 packets a second for 10 s are 300,000 values, 1.2 MB; sorted once, at the end.
 * Who calls it: far_end.c. */
#ifndef SAMPLES_H
#define SAMPLES_H

#include <stddef.h>
#include <stdint.h>

struct samples {
    int32_t *values;
    size_t count, room;
};

/* Appends; grows by doubling. Aborts when memory ends: a load test without its data is void. */
void samples_add(struct samples *s, int64_t microseconds);

/* Sorts, and prints `"name": {"count", "p50", "p99", "p999", "max", "over"}` to stdout; over = how
 * many exceed the limit. */
void samples_print(const char *name, struct samples *s, int32_t limit);

#endif
