/* The fused audio paths of the WebSocket providers: base64 text of a provider's encoding and rate
 * <-> 16-bit PCM at ours, in one call each, with the resampler's state carried from call to call.
 *
 * Who calls: the Cython wrapper, once per media message. The result is exactly that of base64.h,
 * g711.h and resample.h one after the other. No allocation. Samples are s16 in host order.
 */
#ifndef RM_MEDIA_AUDIO_H
#define RM_MEDIA_AUDIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resample.h"

typedef enum rm_wire_encoding {
    RM_WIRE_PCMU,  /* G.711 mu-law, RFC 3551 section 4.5.14 */
    RM_WIRE_PCMA,  /* G.711 A-law */
    RM_WIRE_L16,   /* 16 bits in network byte order, RFC 3551 section 4.5.11 */
    RM_WIRE_L16LE, /* 16 bits, the low octet first: what most WebSocket providers call L16 */
} rm_wire_encoding;

/* One direction of one stream. */
typedef struct rm_media_audio {
    rm_wire_encoding encoding;
    int from_hz, to_hz;
    union {
        rm_up2 up2;
        rm_down2 down2;
        rm_resampler any; /* unless the rates are equal */
    } state;
} rm_media_audio;

/* False for a pair of rates that resample.h does not know; equal ones of any value are fine. */
bool rm_media_audio_init(rm_media_audio *audio, rm_wire_encoding encoding, int from_hz, int to_hz);
void rm_media_audio_reset(rm_media_audio *audio);

/* The octets of one sample on the wire. */
static inline size_t rm_wire_sample_octets(rm_wire_encoding encoding)
{
    return encoding == RM_WIRE_PCMU || encoding == RM_WIRE_PCMA ? 1 : 2;
}

/* How many samples come out when the next n go in. */
size_t rm_media_audio_outputs(const rm_media_audio *audio, size_t n);

/* The samples in this text of n characters, before resampling; it need not be base64 yet. */
size_t rm_media_audio_samples(const rm_media_audio *audio, const uint8_t *text, size_t n);

/* Writes rm_media_audio_outputs(rm_media_audio_samples(text)) samples. False, and no state changed,
 * when the text is not base64 of whole samples. */
bool rm_media_audio_decode(rm_media_audio *audio, const uint8_t *text, size_t n, int16_t *pcm);

/* Writes base64 of rm_media_audio_outputs(n) samples, no terminator. No aliasing. */
void rm_media_audio_encode(rm_media_audio *audio, const int16_t *pcm, size_t n, uint8_t *text);

#endif
