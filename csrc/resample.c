/* Polyphase FIR resampling; the definition is in resample.h.
 *
 * `output` is that definition. The fast way gives the same integers for whole periods of M inputs
 * and L outputs: the input is dealt out to M streams, so that each of the L outputs of a period,
 * over successive periods, becomes one row of fir.h over contiguous samples; the rows are then
 * woven into the output. What is left at the ends of a push, less than a period, takes the
 * definition.
 */
#include "resample.h"

#include <string.h>

enum {
    BLOCK = 480,             /* input samples worked on at a time; the stack holds them */
    FRONT = RM_MAX_UP,       /* room for a period that begins before the history */
    BACK = RM_FIR_GROUP + 16 /* what a row may read past its last period */
};

_Static_assert(RM_FIR_STREAM >= RM_FIR_PAST + BLOCK / 2 + BACK, "a stream holds half a block");

static const rm_fir_kernels *kernels; /* NULL: everything by the definition */

/* ---- The definition ---- */

static inline int16_t clip16(int64_t value)
{
    return (int16_t)(value > INT16_MAX ? INT16_MAX : value < INT16_MIN ? INT16_MIN : value);
}

/* One output: `oldest` is the first of the window's input samples. */
static inline int16_t output(const rm_fir_plan *plan, uint32_t phase, const int16_t *oldest)
{
    const int32_t *coefficients = plan->coefficients + phase * plan->window;
    int64_t sum = (int64_t)1 << (plan->shift - 1);
    for (uint32_t j = 0; j < plan->window; j++)
        sum += (int64_t)coefficients[j] * oldest[j];
    return clip16(sum >> plan->shift);
}

/* ---- The fast way ---- */

/* A block: the last window - 1 samples before it and then its n new ones, as one line. Only where
 * both meet are they copied together, so that the bulk is read where the caller has it. */
typedef struct line {
    size_t kept;       /* window - 1 */
    const int16_t *in; /* element `kept` and on */
    int16_t joined[FRONT + 2 * RM_MAX_TAPS]; /* FRONT zeros, the past, up to `kept` new samples */
} line;

static void join(line *line, const int16_t *history, const int16_t *in, size_t n)
{
    size_t kept = line->kept;
    line->in = in;
    memset(line->joined, 0, FRONT * sizeof *line->joined);
    memcpy(line->joined + FRONT, history, kept * sizeof *history);
    memcpy(line->joined + FRONT + kept, in, (n < kept ? n : kept) * sizeof *in);
}

/* The window that begins at element `at`: window - 1 elements of the past, or more, and new ones
 * as far as there are. */
static inline const int16_t *window_at(const line *line, size_t at)
{
    return at < line->kept ? line->joined + FRONT + at : line->in + (at - line->kept);
}

static size_t up_to_group(size_t n)
{
    return (n + RM_FIR_GROUP - 1) / RM_FIR_GROUP * RM_FIR_GROUP;
}

/* Whole periods; the first one's first input sample is new sample `first`. */
static void periods(const rm_fir_plan *plan, const line *line, size_t first, size_t count,
                    int16_t *out)
{
    int16_t x[RM_MAX_UP * RM_FIR_STREAM];
    int16_t sums[RM_MAX_UP][BLOCK + RM_FIR_GROUP];
    const int16_t *rows[RM_MAX_UP];
    uint32_t up = plan->up, down = plan->down, past = rm_fir_plan_past(plan);
    size_t whole = up_to_group(count);
    bool direct = up == 1 && whole == count;
    const int16_t *newest = line->joined + FRONT + line->kept + first;
    kernels->deal(newest - past * down, past, down, x);
    kernels->deal(line->in + first, count, down, x + past);
    for (uint32_t i = 0; i < up; i++) {
        const rm_fir_row *row = &plan->rows[i];
        const rm_fir_pair *pairs = plan->pairs + row->first;
        rows[i] = row->delay_only ? x + pairs->offset : sums[i];
        if (!row->delay_only)
            kernels->row(row, pairs, x, direct ? out : sums[i], whole);
    }
    if (!direct)
        kernels->weave(rows, up, count, out);
}

/* ---- Pushing ---- */

/* One block of n new samples. Returns outputs written. */
static size_t convert(const rm_fir_plan *plan, uint32_t *position, const line *line, size_t n,
                      int16_t *out)
{
    uint32_t at = *position, end = (uint32_t)n * plan->up, up = plan->up, down = plan->down;
    size_t written = 0;
    for (; at < end && (at % up != 0 || !kernels); at += down)
        out[written++] = output(plan, at % up, window_at(line, at / up));
    if (at < end) {
        size_t first = at / up, count = (n - first) / down;
        if (count > 0)
            periods(plan, line, first, count, out + written);
        written += count * up;
        at += (uint32_t)count * up * down;
    }
    for (; at < end; at += down)
        out[written++] = output(plan, at % up, window_at(line, at / up));
    *position = at - end;
    return written;
}

/* `history` holds the last window - 1 input samples, oldest first. */
static size_t push(const rm_fir_plan *plan, uint32_t *position, int16_t *history, const int16_t *in,
                   size_t n, int16_t *out)
{
    line line;
    size_t written = 0;
    line.kept = plan->window - 1;
    for (size_t block; n > 0; in += block, n -= block) {
        block = n < BLOCK ? n : BLOCK;
        join(&line, history, in, block);
        written += convert(plan, position, &line, block, out + written);
        memcpy(history, window_at(&line, block), line.kept * sizeof *history);
    }
    return written;
}

/* ---- The interface ---- */

static rm_fir_plan up2_plan, down2_plan;

__attribute__((constructor)) static void prepare(void)
{
    rm_fir_plan_build(&up2_plan, 8000, 16000, RM_TELEPHONY);
    rm_fir_plan_build(&down2_plan, 16000, 8000, RM_TELEPHONY);
    rm_resample_use(rm_simd_best());
}

void rm_resample_use(rm_simd variant)
{
    static const rm_fir_kernels *const variants[RM_SIMD_COUNT] = {
#if RM_X86
        [RM_SSE2] = &rm_fir_kernels_sse2,
        [RM_AVX2] = &rm_fir_kernels_avx2,
        [RM_AVX512] = &rm_fir_kernels_avx512,
#elif RM_ARM
        [RM_NEON] = &rm_fir_kernels_neon,
#endif
    };
    kernels = variants[variant];
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

bool rm_resampler_init(rm_resampler *state, int from_hz, int to_hz, rm_profile profile)
{
    if (!rm_fir_plan_build(&state->plan, from_hz, to_hz, profile))
        return false;
    rm_resampler_reset(state);
    return true;
}

void rm_resampler_reset(rm_resampler *state)
{
    state->position = 0;
    memset(state->history, 0, sizeof state->history);
}

size_t rm_resampler_outputs(const rm_resampler *state, size_t n)
{
    size_t end = n * state->plan.up, at = state->position;
    return at < end ? (end - at + state->plan.down - 1) / state->plan.down : 0;
}

size_t rm_resampler_push(rm_resampler *state, const int16_t *in, size_t n, int16_t *out)
{
    return push(&state->plan, &state->position, state->history, in, n, out);
}
