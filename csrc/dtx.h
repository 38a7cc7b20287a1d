/* Discontinuous transmission: when what is sent is a pause, and what a comfort noise packet says of
 * it (RFC 3389), where the far end takes them.
 *
 *   pause    nothing queued, or sound as quiet as the background of what was sent before, for
 *            200 ms: speech that breaks off for a moment, or comes late, goes out unbroken
 *   noise    at the beginning of the pause, every half second in it, and sooner when its level
 *            has changed by 3 dB; ticks between send nothing
 *   speech   the first tick that is louder goes out whole, with the marker
 *
 * RFC 3389 section 4 leaves the update rate to the implementation. Twice a second keeps the way
 * through a NAT open and repairs a lost packet, at 4 % of the packets. Called by sender.c. */
#ifndef RM_DTX_H
#define RM_DTX_H

#include "noise_floor.h"
#include "resample.h"

enum { RM_NOISE_PAYLOAD_BYTES = 1 + RM_COMFORT_NOISE_ORDER };

typedef struct rm_dtx {
    rm_noise_floor floor; /* at rate_hz */
    rm_down2 down;
    uint32_t rate_hz;     /* of the noise that is described: the clock of what is sent */
    uint32_t quiet_ticks; /* without a louder one between */
    uint32_t since_noise; /* ticks */
    uint8_t level;        /* as said last */
} rm_dtx;

/* NULL when memory is short. rate_hz: 8000 or 16000. */
rm_dtx *rm_dtx_new(uint32_t rate_hz);
void rm_dtx_free(rm_dtx *d);

/* Take the next 20 ms: 320 samples at 16 kHz, of which `written` were queued and the others are
 * zeros. True in a pause. */
bool rm_dtx_pauses(rm_dtx *d, const int16_t *pcm, size_t written);

/* In a pause: write the payload that is due, or return 0. */
size_t rm_dtx_next(rm_dtx *d, uint8_t payload[RM_NOISE_PAYLOAD_BYTES]);

#endif
