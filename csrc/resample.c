/* Polyphase FIR resampling; the definition is in resample.h. */
#include "resample.h"

#include <string.h>

#include "fir_tables.h"

/* One conversion by up/down in lowest terms. Coefficients are exact integers: Q22 when the sum over a
 * phase's absolute values stays below 4 (interpolation), Q23 below 2 (decimation). Rounding to
 * 2^-22 leaves the response of the design, which 16-bit coefficients would not (they cost 15 dB). */
enum { MAX_COEFFICIENTS = 80, MAX_HISTORY = 79, BLOCK = 320 };

typedef struct rm_plan {
    uint32_t up, down;
    uint32_t window; /* taps per phase: the input samples one output looks at */
    uint32_t shift;
    int32_t coefficients[MAX_COEFFICIENTS]; /* [phase][oldest input sample first] */
} rm_plan;

static rm_plan up2_plan, down2_plan;

static void plan_build(rm_plan *plan, const int32_t *taps, uint32_t length, uint32_t factor,
                       uint32_t up, uint32_t down)
{
    plan->up = up;
    plan->down = down;
    plan->window = (length + up - 1) / up;
    plan->shift = up < factor ? 23 : 22;
    int64_t divisor = (int64_t)factor << (30 - plan->shift);
    for (uint32_t i = 0; i < plan->window * up; i++) {
        /* Tap i belongs to phase i mod L, and there to the sample i / L before the newest one. */
        int64_t tap = i < length ? (int64_t)taps[i] * up * 2 : 0;
        int64_t rounded = (tap + (tap < 0 ? -divisor : divisor)) / (2 * divisor);
        plan->coefficients[(i % up) * plan->window + plan->window - 1 - i / up] = (int32_t)rounded;
    }
}

__attribute__((constructor)) static void build_plans(void)
{
    plan_build(&up2_plan, telephony_2_taps, 79, 2, 2, 1);
    plan_build(&down2_plan, telephony_2_taps, 79, 2, 1, 2);
}

static inline int16_t clip16(int64_t value)
{
    return (int16_t)(value > INT16_MAX ? INT16_MAX : value < INT16_MIN ? INT16_MIN : value);
}

/* One output: `oldest` is the first of the window's input samples. */
static inline int16_t output(const rm_plan *plan, uint32_t phase, const int16_t *oldest)
{
    const int32_t *coefficients = plan->coefficients + phase * plan->window;
    int64_t sum = (int64_t)1 << (plan->shift - 1);
    for (uint32_t j = 0; j < plan->window; j++)
        sum += (int64_t)coefficients[j] * oldest[j];
    return clip16(sum >> plan->shift);
}

/* `history` holds the last window - 1 input samples, oldest first. */
static size_t push(const rm_plan *plan, uint32_t *position, int16_t *history, const int16_t *in,
                   size_t n, int16_t *out)
{
    int16_t line[MAX_HISTORY + BLOCK];
    size_t kept = plan->window - 1, written = 0;
    while (n > 0) {
        size_t block = n < BLOCK ? n : BLOCK;
        memcpy(line, history, kept * sizeof *line);
        memcpy(line + kept, in, block * sizeof *line);
        uint32_t at = *position, end = (uint32_t)block * plan->up;
        for (; at < end; at += plan->down)
            out[written++] = output(plan, at % plan->up, line + at / plan->up);
        *position = at - end;
        memcpy(history, line + block, kept * sizeof *line);
        in += block;
        n -= block;
    }
    return written;
}

void rm_up2_reset(rm_up2 *state)
{
    memset(state, 0, sizeof *state);
}

void rm_up2_push(rm_up2 *state, const int16_t *in, size_t n, int16_t *out)
{
    push(&up2_plan, &state->position, state->history, in, n, out);
}

void rm_down2_reset(rm_down2 *state)
{
    memset(state, 0, sizeof *state);
}

size_t rm_down2_push(rm_down2 *state, const int16_t *in, size_t n, int16_t *out)
{
    return push(&down2_plan, &state->position, state->history, in, n, out);
}
