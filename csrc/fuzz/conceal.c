/* libFuzzer target for concealment and comfort noise. The input is a script of heard, extrapolated
 * and bridged samples of any content and number: every sample is written, none is louder than what
 * was near the gap, what needs no repair is left alone, and all numbers stay finite. */
#include "conceal.h"

#include <math.h>

#include "fuzz.h"

enum { SAMPLES_MAX = 2400, PAYLOAD_MAX = 24 };

/* n samples in memory of exactly that size: noise of a level, a tone, a constant or an edge. */
static int16_t *sound(script *in, size_t n)
{
    uint8_t kind = take_u8(in), shift = take_u8(in) % 16;
    uint32_t noise = take_u8(in) + 1u, period = noise % 190 + 2;
    int16_t *pcm = malloc(n ? n * sizeof *pcm : 1);
    REQUIRE(pcm != NULL);
    for (size_t i = 0; i < n; i++) {
        noise = noise * 1664525u + 1013904223u;
        int32_t value[] = {
            (int16_t)(noise >> 16), i % period < period / 2 ? INT16_MAX : INT16_MIN, INT16_MIN,
            i % period ? 0 : INT16_MAX, (int16_t)(noise >> 16) / 4 + (i % period ? 0 : 24000),
        };
        pcm[i] = (int16_t)(value[kind % 5] >> shift);
    }
    return pcm;
}

static int32_t loudest(const int16_t *pcm, size_t n)
{
    int32_t found = 0;
    for (size_t i = 0; i < n; i++)
        found = abs(pcm[i]) > found ? abs(pcm[i]) : found;
    return found;
}

static void require_finite(const rm_conceal *c)
{
    REQUIRE(c->before.cycle > 0 || !c->active);
    REQUIRE(c->before.cycle <= RM_GAP_SIDE_CYCLE && c->before.ring_length <= RM_GAP_SIDE_RING);
    REQUIRE(c->before.match >= 0 && c->before.match <= 1 && isfinite(c->before.period));
    REQUIRE(c->heard < c->rate_hz / 100 && c->repair <= c->rate_hz / 500);
    REQUIRE(isfinite(rm_noise_floor_rms(&c->floor)) && isfinite(c->noise.step));
    for (int i = 0; i < RM_COMFORT_NOISE_ORDER; i++)
        REQUIRE(isfinite(c->noise.past[i]));
    for (uint32_t i = 0; i < c->before.cycle; i++)
        REQUIRE(isfinite(c->before.source[RM_GAP_SIDE_GUARD + i]));
}

static void hear(rm_conceal *c, script *in, size_t n)
{
    int16_t *pcm = sound(in, n), *played = exact_copy(pcm, n * sizeof *pcm);
    bool open = c->repair || (c->active && !c->closed);
    rm_conceal_heard(c, played, n);
    REQUIRE(open || memcmp(pcm, played, n * sizeof *pcm) == 0);
    REQUIRE(n == 0 || !rm_conceal_active(c));
    free(pcm);
    free(played);
}

static void conceal(rm_conceal *c, script *in, size_t n, bool bridged)
{
    size_t n_ahead = bridged ? take_u16(in) % 1000u : 0;
    int16_t *ahead = sound(in, n_ahead), *out = malloc(n ? n * sizeof *out : 1);
    REQUIRE(out != NULL);
    int32_t limit = loudest(c->history, c->kept), near = loudest(ahead, n_ahead);
    float floor = 4 * rm_noise_floor_rms(&c->floor), before = c->active ? c->loudest : 0;
    if (bridged)
        rm_conceal_bridge(c, out, n, ahead, n_ahead);
    else
        rm_conceal_extrapolate(c, out, n);
    REQUIRE_WRITTEN(out, n * sizeof *out);
    limit = near > limit ? near : limit;
    REQUIRE((float)loudest(out, n) <= fmaxf(fmaxf((float)limit, floor + 1), before));
    REQUIRE(n == 0 || rm_conceal_active(c));
    free(ahead);
    free(out);
}

static void receive_noise(script *in)
{
    uint8_t payload[PAYLOAD_MAX], described[1 + RM_COMFORT_NOISE_ORDER];
    int16_t pcm[200];
    rm_comfort_noise cn;
    size_t octets = take_u8(in) % PAYLOAD_MAX;
    for (size_t i = 0; i < octets; i++)
        payload[i] = take_u8(in);
    rm_comfort_noise_init(&cn);
    REQUIRE(rm_comfort_noise_receive(&cn, payload, octets) == (octets > 0));
    rm_comfort_noise_read(&cn, pcm, 200);
    REQUIRE_WRITTEN(pcm, sizeof pcm);
    REQUIRE(isfinite(cn.past[0]));
    int order = take_u8(in) % (RM_COMFORT_NOISE_ORDER + 1);
    REQUIRE(rm_comfort_noise_describe(pcm, take_u8(in) % 201u, order, described) == 1u + (size_t)order);
    REQUIRE(described[0] <= 127);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    script in = {data, size};
    rm_conceal c;
    rm_conceal_init(&c, take_u8(&in) & 1 ? 16000 : 8000);
    for (int steps = 0; in.left && steps < 24; steps++) {
        uint8_t operation = take_u8(&in);
        size_t n = take_u16(&in) % (operation & 0x80 ? SAMPLES_MAX : 400u);
        switch (operation % 4) {
        case 0: hear(&c, &in, n); break;
        case 1: conceal(&c, &in, n, false); break;
        case 2: conceal(&c, &in, n, true); break;
        default: receive_noise(&in); break;
        }
        require_finite(&c);
    }
    return 0;
}
