/* Polyphase FIR resampling; the definition is in resample.h.
 *
 * `output` is that definition. The fast way gives the same integers for whole periods of M inputs
 * and L outputs: the input is dealt out to M streams, so that each of the L outputs of a period, over
 * successive periods, becomes one row of fir.h over contiguous samples; the rows are then woven into
 * the output. What is left at the ends of a push, less than a period, takes the definition.
 */
#include "resample.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fir_tables.h"

enum {
    BLOCK = 480,                          /* input samples worked on at a time; the stack holds them */
    FRONT = RM_MAX_UP,                    /* room for a period that begins before the history */
    SLACK = RM_FIR_GROUP + 16,            /* what a row may read past its last period */
    STREAM = BLOCK / 2 + 64 + SLACK       /* one of two or more streams, with its past */
};

static rm_fir_row *chosen_row; /* NULL: everything by the definition */

/* ---- Plans ---- */

static const struct prototype {
    rm_profile profile;
    int lower_is_8k;
    uint32_t factor, length;
    const int32_t *taps;
    const double *delay;
} prototypes[] = {
#define TABLE(profile, is_8k, factor, name) \
    {profile, is_8k, factor, sizeof name##_taps / sizeof *name##_taps, name##_taps, &name##_delay}
    TABLE(RM_TELEPHONY, 1, 2, telephony_2),           TABLE(RM_TELEPHONY, 1, 3, telephony_3),
    TABLE(RM_TELEPHONY, 1, 4, telephony_4),           TABLE(RM_TELEPHONY, 1, 6, telephony_6),
    TABLE(RM_WIDEBAND, 0, 2, wideband_2),             TABLE(RM_WIDEBAND, 0, 3, wideband_3),
    TABLE(RM_WIDEBAND, 0, 4, wideband_4),             TABLE(RM_LOW_DELAY, 1, 2, telephony_low_delay_2),
    TABLE(RM_LOW_DELAY, 1, 3, telephony_low_delay_3), TABLE(RM_LOW_DELAY, 1, 4, telephony_low_delay_4),
    TABLE(RM_LOW_DELAY, 1, 6, telephony_low_delay_6), TABLE(RM_LOW_DELAY, 0, 2, wideband_low_delay_2),
    TABLE(RM_LOW_DELAY, 0, 3, wideband_low_delay_3),  TABLE(RM_LOW_DELAY, 0, 4, wideband_low_delay_4),
#undef TABLE
};

/* The tap for the sample `back` before the newest one; 0 outside the window. */
static int32_t tap(const rm_fir_plan *plan, uint32_t phase, int back)
{
    if (back < 0 || back >= (int)plan->window)
        return 0;
    return plan->coefficients[phase * plan->window + plan->window - 1 - (uint32_t)back];
}

static int32_t high_part(int32_t coefficient)
{
    return (coefficient + 128) >> 8;
}

static int32_t low_part(int32_t coefficient)
{
    return coefficient - high_part(coefficient) * 256;
}

static int32_t packed(int32_t first, int32_t second)
{
    return (int32_t)((uint32_t)(uint16_t)first | (uint32_t)second << 16);
}

/* How many elements of each stream lie before the period at hand. */
static uint32_t stream_past(const rm_fir_plan *plan)
{
    return (plan->window - 1 + plan->down - 1) / plan->down;
}

static size_t stream_stride(const rm_fir_plan *plan)
{
    return plan->down == 1 ? 0 : STREAM;
}

/* Add the pairs by which row `row` looks at one stream; taps that are zero are left out. */
static uint32_t add_pairs(rm_fir_plan *plan, uint32_t used, uint32_t row, uint32_t stream)
{
    int down = (int)plan->down, past = (int)stream_past(plan);
    uint32_t phase = row * plan->down % plan->up;
    int newest = (int)(row * plan->down / plan->up); /* position in the period of M inputs */
    for (int element = -past; element <= 0; element += 2) {
        /* x[element * M + stream] of the period lies this far behind the newest sample: */
        int back = newest - (element * down + (int)stream);
        int32_t first = tap(plan, phase, back), second = tap(plan, phase, back - down);
        if (first == 0 && second == 0)
            continue;
        assert(used < RM_MAX_PAIRS);
        plan->pairs[used++] = (rm_fir_pair){
            .high = packed(high_part(first), high_part(second)),
            .low = packed(low_part(first), low_part(second)),
            .offset = (uint32_t)(stream * stream_stride(plan)) + (uint32_t)(element + past),
        };
    }
    return used;
}

/* Coefficients are integers of 22 fractional bits when interpolating (the sum of a phase's absolute
 * values stays below 4) and 23 when decimating (below 2), the most that keeps the sums of `high` parts
 * in 32 bits. Mere 16-bit coefficients would cost 15 dB of rejection. */
static void build_plan(rm_fir_plan *plan, const struct prototype *prototype, uint32_t up,
                       uint32_t down)
{
    plan->up = up;
    plan->down = down;
    plan->window = (prototype->length + up - 1) / up;
    plan->shift = up < prototype->factor ? 23 : 22;
    assert(plan->window * up <= RM_MAX_TAPS && stream_past(plan) <= 64);
    int64_t divisor = (int64_t)prototype->factor << (30 - plan->shift);
    for (uint32_t i = 0; i < plan->window * up; i++) {
        /* Tap i belongs to phase i mod L, and there to the sample i / L before the newest one. */
        int64_t scaled = i < prototype->length ? (int64_t)prototype->taps[i] * up * 2 : 0;
        int64_t rounded = (scaled + (scaled < 0 ? -divisor : divisor)) / (2 * divisor);
        plan->coefficients[(i % up) * plan->window + plan->window - 1 - i / up] = (int32_t)rounded;
    }
    uint32_t used = 0;
    for (uint32_t row = 0; row < up; row++) {
        for (uint32_t stream = 0; stream < down; stream++)
            used = add_pairs(plan, used, row, stream);
        plan->row_ends[row] = used;
    }
}

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

static size_t up_to_group(size_t n)
{
    return (n + RM_FIR_GROUP - 1) / RM_FIR_GROUP * RM_FIR_GROUP;
}

/* Deal `n` samples out to `down` streams. */
static void deal(const int16_t *in, size_t n, uint32_t down, int16_t (*streams)[STREAM])
{
    size_t elements = n / down;
    if (down == 2) { /* with the stride known, the compiler uses shuffles */
        for (size_t i = 0; i < elements; i++) {
            streams[0][i] = in[2 * i];
            streams[1][i] = in[2 * i + 1];
        }
        return;
    }
    for (uint32_t stream = 0; stream < down; stream++)
        for (size_t i = 0; i < elements; i++)
            streams[stream][i] = in[i * down + stream];
}

/* Weave rows of n samples, `stride` apart, into one line of up * n. */
static void weave(const int16_t *rows, size_t stride, uint32_t up, size_t n, int16_t *out)
{
    if (up == 1) {
        memcpy(out, rows, n * sizeof *out);
        return;
    }
    if (up == 2) {
        for (size_t i = 0; i < n; i++) {
            out[2 * i] = rows[i];
            out[2 * i + 1] = rows[stride + i];
        }
        return;
    }
    for (uint32_t row = 0; row < up; row++)
        for (size_t i = 0; i < n; i++)
            out[i * up + row] = rows[row * stride + i];
}

/* Whole periods; `newest` is the first period's first input sample, its past before it. */
static void periods(const rm_fir_plan *plan, const int16_t *newest, size_t count, int16_t *out)
{
    int16_t streams[RM_MAX_UP][STREAM];
    int16_t rows[(BLOCK + RM_FIR_GROUP) * RM_MAX_UP];
    uint32_t past = stream_past(plan);
    const int16_t *x = newest - past * plan->down;
    if (plan->down > 1) {
        deal(x, (past + count) * plan->down, plan->down, streams);
        x = streams[0];
    }
    size_t padded = up_to_group(count);
    uint32_t begin = 0;
    for (uint32_t row = 0; row < plan->up; begin = plan->row_ends[row++])
        chosen_row(x, plan->pairs + begin, plan->row_ends[row] - begin, plan->shift,
                   rows + row * padded, padded);
    weave(rows, padded, plan->up, count, out);
}

/* ---- Pushing ---- */

/* One block; `line` holds the window's past and then the n new samples. Returns outputs written. */
static size_t convert(const rm_fir_plan *plan, uint32_t *position, const int16_t *line, size_t n,
                      int16_t *out)
{
    uint32_t at = *position, end = (uint32_t)n * plan->up, up = plan->up, down = plan->down;
    size_t written = 0;
    for (; at < end && (at % up != 0 || !chosen_row); at += down)
        out[written++] = output(plan, at % up, line + at / up);
    if (at < end) {
        size_t first = at / up, count = (n - first) / down;
        if (count > 0)
            periods(plan, line + plan->window - 1 + first, count, out + written);
        written += count * up;
        at += (uint32_t)count * up * down;
    }
    for (; at < end; at += down)
        out[written++] = output(plan, at % up, line + at / up);
    *position = at - end;
    return written;
}

/* `history` holds the last window - 1 input samples, oldest first. */
static size_t push(const rm_fir_plan *plan, uint32_t *position, int16_t *history, const int16_t *in,
                   size_t n, int16_t *out)
{
    int16_t buffer[FRONT + RM_MAX_TAPS + BLOCK + SLACK];
    int16_t *line = buffer + FRONT;
    size_t kept = plan->window - 1, written = 0;
    memset(buffer, 0, FRONT * sizeof *buffer);
    memcpy(line, history, kept * sizeof *line);
    for (size_t block; n > 0; in += block, n -= block) {
        block = n < BLOCK ? n : BLOCK;
        memcpy(line + kept, in, block * sizeof *line);
        written += convert(plan, position, line, block, out + written);
        memmove(line, line + block, kept * sizeof *line);
    }
    memcpy(history, line, kept * sizeof *line);
    return written;
}

/* ---- The interface ---- */

static rm_fir_plan up2_plan, down2_plan;

__attribute__((constructor)) static void prepare(void)
{
    build_plan(&up2_plan, &prototypes[0], 2, 1);
    build_plan(&down2_plan, &prototypes[0], 1, 2);
    rm_resample_use(rm_simd_best());
}

void rm_resample_use(rm_simd variant)
{
    static rm_fir_row *const rows[RM_SIMD_COUNT] = {
#if RM_X86
        [RM_SSE2] = rm_fir_row_sse2,
        [RM_AVX2] = rm_fir_row_avx2,
        [RM_AVX512] = rm_fir_row_avx512,
#elif RM_ARM
        [RM_NEON] = rm_fir_row_neon,
#endif
    };
    chosen_row = rows[variant];
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

static int greatest_common_divisor(int a, int b)
{
    return b == 0 ? a : greatest_common_divisor(b, a % b);
}

bool rm_resampler_init(rm_resampler *state, int from_hz, int to_hz, rm_profile profile)
{
    static const int rates[] = {8000, 16000, 24000, 32000, 48000};
    int known = 0;
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
        known += (rates[i] == from_hz) + (rates[i] == to_hz);
    if (known != 2 || from_hz == to_hz)
        return false;
    int common = greatest_common_divisor(from_hz, to_hz);
    uint32_t up = (uint32_t)(to_hz / common), down = (uint32_t)(from_hz / common);
    int lower = from_hz < to_hz ? from_hz : to_hz;
    for (size_t i = 0; i < sizeof prototypes / sizeof *prototypes; i++) {
        const struct prototype *prototype = &prototypes[i];
        if (prototype->profile != profile || prototype->lower_is_8k != (lower == 8000)
            || prototype->factor != (up > down ? up : down))
            continue;
        build_plan(&state->plan, prototype, up, down);
        state->plan.delay_ms = *prototype->delay * 1000.0 / ((double)up * from_hz);
        rm_resampler_reset(state);
        return true;
    }
    return false;
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
