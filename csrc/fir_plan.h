/* From a low-pass prototype and a ratio of rates to the coefficients a resampler runs on.
 *
 * Who calls: resample.c, when it is loaded and when a converter is made; never per packet.
 */
#ifndef RM_FIR_PLAN_H
#define RM_FIR_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fir.h"

/* Pass and stop band edges, for a lower rate of 8 kHz and of 16 kHz (higher ones in proportion):
 * TELEPHONY 3.4 and 4.6 kHz, only with 8 kHz at one end; WIDEBAND 7 and 9 kHz, only without;
 * LOW_DELAY the same edges at minimum phase, whose delay is least but depends on the frequency. */
typedef enum rm_profile { RM_TELEPHONY, RM_WIDEBAND, RM_LOW_DELAY } rm_profile;

enum { RM_MAX_TAPS = 240, RM_MAX_PAIRS = 144 };

/* One conversion made ready: filled once, then only read. */
typedef struct rm_fir_plan {
    uint32_t up, down; /* L and M */
    uint32_t window;   /* taps per phase: the input samples one output looks at */
    int shift;         /* fractional bits of the coefficients */
    double delay_ms;   /* for LOW_DELAY that at 1/4 of the lower Nyquist frequency */
    int32_t coefficients[RM_MAX_TAPS]; /* [phase][oldest input sample first] */
    rm_fir_row rows[RM_MAX_UP];        /* the same numbers in pairs: see resample.c */
    rm_fir_pair pairs[RM_MAX_PAIRS];
} rm_fir_plan;

/* Rates: any two of 8000, 16000, 24000, 32000, 48000. False, and nothing changed, for others and
 * for a profile that does not go with them. */
bool rm_fir_plan_build(rm_fir_plan *plan, int from_hz, int to_hz, rm_profile profile);

/* How many elements of each stream lie before the period at hand: at most RM_FIR_PAST. */
uint32_t rm_fir_plan_past(const rm_fir_plan *plan);

#endif
