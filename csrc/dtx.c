/* When to stop sending, and what to say of it; see dtx.h. */
#include "dtx.h"

#include <stdlib.h>

#include "stretch.h"

enum {
    TICK_SAMPLES = 320,
    BLOCKS = 2, /* of 10 ms */
    HANGOVER_TICKS = 10,
    REPEAT_TICKS = 25,
    CHANGE_DB = 3,
    CHANGE_TICKS = 5, /* a change is told no sooner than this after the packet before */
};
/* Mean squares. Sound below -65 dBov is a pause whatever was heard before; nothing above -50 dBov
 * is one: a ringing tone is as steady as a background. */
static const float SILENT = 18.4F * 18.4F;
static const float LOUDEST_PAUSE = 104.0F * 104.0F;
static const float OVER_FLOOR = 4.0F; /* 6 dB: noise is not even */

rm_dtx *rm_dtx_new(uint32_t rate_hz)
{
    rm_dtx *d = calloc(1, sizeof *d);
    if (d == NULL)
        return NULL;
    rm_noise_floor_init(&d->floor);
    /* Before anything is known: that of an idle line. */
    d->floor.smooth = d->floor.now = d->floor.before = 0;
    rm_down2_reset(&d->down);
    d->rate_hz = rate_hz;
    return d;
}

void rm_dtx_free(rm_dtx *d) { free(d); }

/* Only what was written tells of a background: what is missing is no sound of anybody. */
static void learn(rm_dtx *d, const int16_t *pcm)
{
    int16_t narrow[TICK_SAMPLES / 2];
    const int16_t *heard = pcm;
    size_t n = TICK_SAMPLES;
    if (d->rate_hz == 8000) {
        n = rm_down2_push(&d->down, pcm, TICK_SAMPLES, narrow);
        heard = narrow;
    }
    for (size_t block = 0; block < BLOCKS; block++)
        rm_noise_floor_update(&d->floor, heard + block * (n / BLOCKS), n / BLOCKS);
}

static bool is_quiet(const rm_dtx *d, const int16_t *pcm)
{
    float rms = rm_noise_floor_rms(&d->floor), limit = OVER_FLOOR * rms * rms;
    limit = limit > SILENT ? limit : SILENT;
    limit = limit < LOUDEST_PAUSE ? limit : LOUDEST_PAUSE;
    for (size_t block = 0; block < BLOCKS; block++) {
        size_t n = TICK_SAMPLES / BLOCKS;
        if (rm_power(pcm + block * n, n) > limit)
            return false;
    }
    return true;
}

bool rm_dtx_pauses(rm_dtx *d, const int16_t *pcm, size_t written)
{
    if (written == TICK_SAMPLES)
        learn(d, pcm);
    bool quiet = written == 0 || is_quiet(d, pcm);
    d->quiet_ticks = quiet ? d->quiet_ticks + (d->quiet_ticks < UINT32_MAX) : 0;
    if (d->quiet_ticks <= HANGOVER_TICKS) {
        d->since_noise = REPEAT_TICKS;
        return false;
    }
    d->since_noise++;
    return true;
}

static bool has_changed(const rm_dtx *d)
{
    int change = (int)rm_comfort_noise_level(rm_noise_floor_rms(&d->floor)) - (int)d->level;
    return d->since_noise >= CHANGE_TICKS && abs(change) >= CHANGE_DB;
}

size_t rm_dtx_next(rm_dtx *d, uint8_t payload[RM_NOISE_PAYLOAD_BYTES])
{
    if (d->since_noise < REPEAT_TICKS && !has_changed(d))
        return 0;
    size_t bytes = rm_noise_floor_describe(&d->floor, payload);
    d->level = payload[0];
    d->since_noise = 0;
    return bytes;
}
