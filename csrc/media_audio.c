/* Base64 text <-> PCM, composed of the kernels; the contract is in media_audio.h. */
#include "media_audio.h"

#include <string.h>

#include "base64.h"
#include "g711.h"

/* Worked on at a time, on the stack: 20 ms of every format but the widest. */
enum {
    BLOCK_OCTETS = 960,                       /* whole samples and whole base64 groups */
    BLOCK_CHARACTERS = BLOCK_OCTETS / 3 * 4,
    BLOCK_SAMPLES = 480,                      /* to encode, */
    BLOCK_OUTPUTS = BLOCK_SAMPLES * RM_MAX_UP /* and what they can become */
};

bool rm_media_audio_init(rm_media_audio *audio, rm_wire_encoding encoding, int from_hz, int to_hz)
{
    rm_profile profile = from_hz == 8000 || to_hz == 8000 ? RM_TELEPHONY : RM_WIDEBAND;
    memset(audio, 0, sizeof *audio);
    audio->encoding = encoding;
    audio->from_hz = from_hz;
    audio->to_hz = to_hz;
    bool halves = (from_hz == 8000 && to_hz == 16000) || (from_hz == 16000 && to_hz == 8000);
    return from_hz == to_hz || halves
           || rm_resampler_init(&audio->state.any, from_hz, to_hz, profile);
}

static inline bool is_up2(const rm_media_audio *audio)
{
    return audio->from_hz == 8000 && audio->to_hz == 16000;
}

static inline bool is_down2(const rm_media_audio *audio)
{
    return audio->from_hz == 16000 && audio->to_hz == 8000;
}

void rm_media_audio_reset(rm_media_audio *audio)
{
    if (is_up2(audio))
        rm_up2_reset(&audio->state.up2);
    else if (is_down2(audio))
        rm_down2_reset(&audio->state.down2);
    else if (audio->from_hz != audio->to_hz)
        rm_resampler_reset(&audio->state.any);
}

size_t rm_media_audio_outputs(const rm_media_audio *audio, size_t n)
{
    if (is_up2(audio))
        return 2 * n;
    if (is_down2(audio))
        return (n + 1 - audio->state.down2.position) / 2;
    return audio->from_hz == audio->to_hz ? n : rm_resampler_outputs(&audio->state.any, n);
}

static size_t resample(rm_media_audio *audio, const int16_t *in, size_t n, int16_t *out)
{
    if (is_up2(audio)) {
        rm_up2_push(&audio->state.up2, in, n, out);
        return 2 * n;
    }
    if (is_down2(audio))
        return rm_down2_push(&audio->state.down2, in, n, out);
    if (audio->from_hz != audio->to_hz)
        return rm_resampler_push(&audio->state.any, in, n, out);
    memcpy(out, in, n * sizeof *out);
    return n;
}

/* ---- One encoding's octets <-> samples ---- */

static inline bool host_is_big_endian(void)
{
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
}

/* From the wire's order to the host's, or back. */
static void copy_words(const rm_media_audio *audio, const void *from, void *to, size_t n)
{
    if ((audio->encoding == RM_WIRE_L16) == host_is_big_endian()) {
        memcpy(to, from, 2 * n);
        return;
    }
    const uint8_t *in = from;
    uint8_t *out = to;
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = in[2 * i + 1];
        out[2 * i + 1] = in[2 * i];
    }
}

static void expand(const rm_media_audio *audio, const uint8_t *octets, int16_t *pcm, size_t n)
{
    if (audio->encoding == RM_WIRE_PCMU)
        rm_ulaw_decode(octets, pcm, n);
    else if (audio->encoding == RM_WIRE_PCMA)
        rm_alaw_decode(octets, pcm, n);
    else
        copy_words(audio, octets, pcm, n);
}

static void compress(const rm_media_audio *audio, const int16_t *pcm, uint8_t *octets, size_t n)
{
    if (audio->encoding == RM_WIRE_PCMU)
        rm_ulaw_encode(pcm, octets, n);
    else if (audio->encoding == RM_WIRE_PCMA)
        rm_alaw_encode(pcm, octets, n);
    else
        copy_words(audio, pcm, octets, n);
}

/* ---- Text to samples ---- */

size_t rm_media_audio_samples(const rm_media_audio *audio, const uint8_t *text, size_t n)
{
    size_t octets = n % 4 == 0 ? rm_base64_octets(text, n) : 0;
    return octets / rm_wire_sample_octets(audio->encoding);
}

/* A long text is decoded block by block; this tells beforehand whether all of it can be. */
static bool all_is_base64(const uint8_t *text, size_t n)
{
    uint8_t octets[BLOCK_OCTETS];
    for (; n > BLOCK_CHARACTERS; text += BLOCK_CHARACTERS, n -= BLOCK_CHARACTERS)
        if (rm_base64_octets(text, BLOCK_CHARACTERS) != BLOCK_OCTETS /* padded, and yet goes on */
            || !rm_base64_decode(text, BLOCK_CHARACTERS, octets))
            return false;
    return rm_base64_decode(text, n, octets);
}

bool rm_media_audio_decode(rm_media_audio *audio, const uint8_t *text, size_t n, int16_t *pcm)
{
    uint8_t octets[BLOCK_OCTETS];
    int16_t samples[BLOCK_OCTETS];
    size_t sample_octets = rm_wire_sample_octets(audio->encoding);
    if (n % 4 != 0 || rm_base64_octets(text, n) % sample_octets != 0)
        return false;
    if (n > BLOCK_CHARACTERS && !all_is_base64(text, n))
        return false;
    for (size_t block; n > 0; text += block, n -= block) {
        block = n < BLOCK_CHARACTERS ? n : BLOCK_CHARACTERS;
        if (!rm_base64_decode(text, block, octets))
            return false; /* only ever a text of one block: nothing has changed yet */
        size_t count = rm_base64_octets(text, block) / sample_octets;
        expand(audio, octets, samples, count);
        pcm += resample(audio, samples, count, pcm);
    }
    return true;
}

/* ---- Samples to text ---- */

void rm_media_audio_encode(rm_media_audio *audio, const int16_t *pcm, size_t n, uint8_t *text)
{
    int16_t samples[BLOCK_OUTPUTS];
    uint8_t octets[2 + 2 * BLOCK_OUTPUTS]; /* up to two that wait for their group, and a block */
    size_t waiting = 0;
    for (size_t block; n > 0; pcm += block, n -= block) {
        block = n < BLOCK_SAMPLES ? n : BLOCK_SAMPLES;
        size_t count = resample(audio, pcm, block, samples);
        compress(audio, samples, octets + waiting, count);
        size_t ready = waiting + count * rm_wire_sample_octets(audio->encoding);
        waiting = block < n ? ready % 3 : 0;
        rm_base64_encode(octets, ready - waiting, text);
        text += rm_base64_length(ready - waiting);
        memmove(octets, octets + ready - waiting, waiting);
    }
}
