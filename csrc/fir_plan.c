/* Plans for polyphase resampling; see fir_plan.h. */
#include "fir_plan.h"

#include <assert.h>
#include <stdlib.h>

#include "fir_tables.h"

static const struct prototype {
    rm_profile profile;
    int lower_is_8k;
    uint32_t factor, length;
    const int32_t *taps;
    const double *delay;
} prototypes[] = {
#define TABLE(profile, is_8k, factor, name) \
    {profile, is_8k, factor, sizeof name##_taps / sizeof *name##_taps, name##_taps, &name##_delay}
    TABLE(RM_TELEPHONY, 1, 2, telephony_2),
    TABLE(RM_TELEPHONY, 1, 3, telephony_3),
    TABLE(RM_TELEPHONY, 1, 4, telephony_4),
    TABLE(RM_TELEPHONY, 1, 6, telephony_6),
    TABLE(RM_WIDEBAND, 0, 2, wideband_2),
    TABLE(RM_WIDEBAND, 0, 3, wideband_3),
    TABLE(RM_WIDEBAND, 0, 4, wideband_4),
    TABLE(RM_LOW_DELAY, 1, 2, telephony_low_delay_2),
    TABLE(RM_LOW_DELAY, 1, 3, telephony_low_delay_3),
    TABLE(RM_LOW_DELAY, 1, 4, telephony_low_delay_4),
    TABLE(RM_LOW_DELAY, 1, 6, telephony_low_delay_6),
    TABLE(RM_LOW_DELAY, 0, 2, wideband_low_delay_2),
    TABLE(RM_LOW_DELAY, 0, 3, wideband_low_delay_3),
    TABLE(RM_LOW_DELAY, 0, 4, wideband_low_delay_4),
#undef TABLE
};

/* The tap for the sample `back` before the newest one; 0 outside the window. */
static int32_t tap(const rm_fir_plan *plan, uint32_t phase, int back)
{
    if (back < 0 || back >= (int)plan->window)
        return 0;
    return plan->coefficients[phase * plan->window + plan->window - 1 - (uint32_t)back];
}

uint32_t rm_fir_plan_past(const rm_fir_plan *plan)
{
    return (plan->window - 1 + plan->down - 1) / plan->down;
}

/* The taps around two samples of a row; see rm_fir_pair. */
typedef struct taps {
    int32_t before, first, second; /* even outputs use the last two, odd ones the first two */
    uint32_t offset;
} taps;

static int32_t larger(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

/* The most that two samples of 1 can add to a sum. */
static int32_t weight(taps t)
{
    return abs(t.first) + larger(abs(t.before), abs(t.second));
}

/* Insert into `all`, ordered by weight. */
static void insert(taps *all, uint32_t count, taps t)
{
    for (; count > 0 && weight(all[count - 1]) > weight(t); count--)
        all[count] = all[count - 1];
    all[count] = t;
}

/* Collect the pairs by which row `row` looks at all streams, the lightest first. In each stream
 * they begin at the first tap that is not zero; pairs of nothing but zeros are left out. */
static uint32_t collect(const rm_fir_plan *plan, uint32_t row, taps *all)
{
    int down = (int)plan->down, past = (int)rm_fir_plan_past(plan);
    uint32_t phase = row * plan->down % plan->up, count = 0;
    int newest = (int)(row * plan->down / plan->up); /* position in the period of M inputs */
    for (int stream = 0; stream < down; stream++) {
        /* x[element * M + stream] of the period lies this far behind the newest sample: */
        int back = newest + past * down - stream, element = -past;
        for (; element <= 0 && tap(plan, phase, back) == 0; back -= down)
            element++;
        for (; element <= 1; element += 2, back -= 2 * down) {
            taps t = {tap(plan, phase, back + down), tap(plan, phase, back),
                      tap(plan, phase, back - down),
                      (uint32_t)(stream * RM_FIR_STREAM + element + past)};
            if (weight(t) > 0)
                insert(all, count++, t);
        }
    }
    return count;
}

static int32_t packed(int32_t first, int32_t second)
{
    return (int32_t)((uint32_t)(uint16_t)first | (uint32_t)second << 16);
}

/* coefficient = high * 2^split + low, low in the middle around 0 */
static int32_t high_part(int32_t coefficient, int split)
{
    return (coefficient + (1 << (split - 1))) >> split;
}

static int32_t low_part(int32_t coefficient, int split)
{
    return coefficient - high_part(coefficient, split) * (1 << split);
}

static int32_t low_weight(taps t, int split)
{
    return weight((taps){low_part(t.before, split), low_part(t.first, split),
                         low_part(t.second, split), 0});
}

/* How many pairs, the lightest, may stay whole: the sum of all that is added up as low parts, times
 * 32768, must stay below 2^31. */
static uint32_t small_pairs(const taps *all, uint32_t count, int split)
{
    int32_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += low_weight(all[i], split);
    for (uint32_t i = 0; i < count; i++) {
        sum += weight(all[i]) - low_weight(all[i], split);
        if (sum > 65535 || weight(all[i]) > INT16_MAX)
            return i;
    }
    return count;
}

static rm_fir_pair whole_pair(taps t)
{
    return (rm_fir_pair){packed(t.first, t.second), 0, packed(t.before, t.first), 0, t.offset};
}

static rm_fir_pair split_pair(taps t, int split)
{
    return (rm_fir_pair){packed(low_part(t.first, split), low_part(t.second, split)),
                         packed(high_part(t.first, split), high_part(t.second, split)),
                         packed(low_part(t.before, split), low_part(t.first, split)),
                         packed(high_part(t.before, split), high_part(t.first, split)), t.offset};
}

static void build_row(rm_fir_plan *plan, uint32_t row, uint32_t first)
{
    taps all[RM_MAX_PAIRS];
    uint32_t count = collect(plan, row, all);
    assert(first + count <= RM_MAX_PAIRS);
    int split = plan->shift - RM_FIR_HIGH_SHIFT;
    uint32_t small = small_pairs(all, count, split);
    for (uint32_t i = 0; i < count; i++)
        plan->pairs[first + i] = i < small ? whole_pair(all[i]) : split_pair(all[i], split);
    bool delay_only = count == 1 && all[0].first == 1 << plan->shift && all[0].second == 0;
    plan->rows[row] = (rm_fir_row){first, count, small, split, delay_only};
}

/* Coefficients are integers of 20 fractional bits, one more for each full halving of the gain when
 * decimating. So rounded, every stop band still rejects 97 dB (low_delay 95), where 16 bits would
 * leave about 80. The absolute values of a row's high parts sum to less than 50000, so that their
 * sum with samples fits 32 bits. */
static void build(rm_fir_plan *plan, const struct prototype *prototype, uint32_t up, uint32_t down)
{
    plan->up = up;
    plan->down = down;
    plan->window = (prototype->length + up - 1) / up;
    plan->shift = 20;
    for (uint32_t gain = up; 2 * gain <= prototype->factor; gain *= 2)
        plan->shift++;
    assert(plan->window * up <= RM_MAX_TAPS && rm_fir_plan_past(plan) <= RM_FIR_PAST);
    int64_t divisor = (int64_t)prototype->factor << (30 - plan->shift);
    for (uint32_t i = 0; i < plan->window * up; i++) {
        /* Tap i belongs to phase i mod L, and there to the sample i / L before the newest one. */
        int64_t scaled = i < prototype->length ? (int64_t)prototype->taps[i] * up * 2 : 0;
        int64_t rounded = (scaled + (scaled < 0 ? -divisor : divisor)) / (2 * divisor);
        plan->coefficients[(i % up) * plan->window + plan->window - 1 - i / up] = (int32_t)rounded;
    }
    for (uint32_t row = 0, used = 0; row < up; used += plan->rows[row++].count)
        build_row(plan, row, used);
}

static int greatest_common_divisor(int a, int b)
{
    return b == 0 ? a : greatest_common_divisor(b, a % b);
}

bool rm_fir_plan_build(rm_fir_plan *plan, int from_hz, int to_hz, rm_profile profile)
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
        build(plan, prototype, up, down);
        plan->delay_ms = *prototype->delay * 1000.0 / ((double)up * from_hz);
        return true;
    }
    return false;
}

