#include "payload.h"

#include <string.h>

#include "g711.h"

enum { CHUNK = 160 }; /* 20 ms at 8 kHz: a usual packet takes one round */

rm_encoding rm_encoding_named(const char *name)
{
    if (strcmp(name, "PCMU") == 0)
        return RM_PCMU;
    if (strcmp(name, "PCMA") == 0)
        return RM_PCMA;
    if (strcmp(name, "G722") == 0)
        return RM_G722;
    return strcmp(name, "L16/16000") == 0 ? RM_L16_16000 : RM_NO_ENCODING;
}

void rm_payload_decoder_use(rm_payload_decoder *decoder, rm_encoding encoding)
{
    if (decoder->encoding == encoding)
        return;
    decoder->encoding = encoding;
    rm_up2_reset(&decoder->up);
    rm_g722_decoder_reset(&decoder->g722);
}

void rm_payload_encoder_use(rm_payload_encoder *encoder, rm_encoding encoding)
{
    if (encoder->encoding == encoding)
        return;
    encoder->encoding = encoding;
    rm_down2_reset(&encoder->down);
    rm_g722_encoder_reset(&encoder->g722);
}

static uint16_t swap_bytes(uint16_t word) { return (uint16_t)(word << 8 | word >> 8); }

/* Network order ↔ host order is the same exchange of bytes in both directions. */
static void copy_network_order(void *to, const void *from, size_t n)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    memcpy(to, from, 2 * n);
#else
    for (size_t i = 0; i < n; i++) {
        uint16_t word;
        memcpy(&word, (const uint8_t *)from + 2 * i, 2);
        word = swap_bytes(word);
        memcpy((uint8_t *)to + 2 * i, &word, 2);
    }
#endif
}

void rm_payload_decode_native(rm_payload_decoder *decoder, const uint8_t *payload,
                              size_t payload_bytes, int16_t *pcm)
{
    if (decoder->encoding == RM_L16_16000)
        copy_network_order(pcm, payload, payload_bytes / 2);
    else if (decoder->encoding == RM_G722)
        rm_g722_decode(&decoder->g722, payload, pcm, payload_bytes);
    else if (decoder->encoding == RM_PCMU)
        rm_ulaw_decode(payload, pcm, payload_bytes);
    else
        rm_alaw_decode(payload, pcm, payload_bytes);
}

void rm_payload_decode(rm_payload_decoder *decoder, const uint8_t *payload, size_t payload_bytes,
                       int16_t *pcm)
{
    if (rm_encoding_native_hz(decoder->encoding) == 16000) {
        rm_payload_decode_native(decoder, payload, payload_bytes, pcm);
        return;
    }
    int16_t narrow[CHUNK];
    for (size_t done = 0; done < payload_bytes; done += CHUNK) {
        size_t n = payload_bytes - done < CHUNK ? payload_bytes - done : CHUNK;
        rm_payload_decode_native(decoder, payload + done, n, narrow);
        rm_up2_push(&decoder->up, narrow, n, pcm + 2 * done);
    }
}

size_t rm_payload_encode(rm_payload_encoder *encoder, const int16_t *pcm, size_t n,
                         uint8_t *payload)
{
    if (encoder->encoding == RM_L16_16000) {
        copy_network_order(payload, pcm, n);
        return 2 * n;
    }
    if (encoder->encoding == RM_G722) {
        rm_g722_encode(&encoder->g722, pcm, payload, n / 2);
        return n / 2;
    }
    size_t written = 0;
    int16_t narrow[CHUNK];
    for (size_t done = 0; done < n; done += 2 * CHUNK) {
        size_t part = n - done < 2 * CHUNK ? n - done : 2 * CHUNK;
        size_t samples = rm_down2_push(&encoder->down, pcm + done, part, narrow);
        if (encoder->encoding == RM_PCMU)
            rm_ulaw_encode(narrow, payload + written, samples);
        else
            rm_alaw_encode(narrow, payload + written, samples);
        written += samples;
    }
    return written;
}
