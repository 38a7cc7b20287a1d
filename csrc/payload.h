/* The fused audio paths: RTP payload → 16 kHz samples and 16 kHz samples → RTP payload in one
 * call each, with the resampler's state carried from packet to packet. Called once per packet by
 * ingress.c and sender.c. Samples are s16 in host order. */
#ifndef RM_PAYLOAD_H
#define RM_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "g722.h"
#include "resample.h"

typedef enum rm_encoding {
    RM_NO_ENCODING,
    RM_PCMU,      /* RFC 3551 section 4.5.14, 8 kHz */
    RM_PCMA,      /* the same, A-law */
    RM_L16_16000, /* section 4.5.11, network byte order */
    RM_G722,      /* section 4.5.2: 16 kHz, though its RTP clock is 8 kHz */
} rm_encoding;

/* 200 ms at 16 kHz: a packet of more audio is not telephony but an attack on our memory. stream.c
 * lets none through. */
enum { RM_PACKET_MAX_SAMPLES = 16000 / 5 };

/* RM_NO_ENCODING when the name is none of "PCMU", "PCMA", "L16/16000", "G722". */
rm_encoding rm_encoding_named(const char *name);

/* The RTP clock rate. */
static inline uint32_t rm_encoding_rate_hz(rm_encoding encoding)
{
    return encoding == RM_L16_16000 ? 16000 : 8000;
}

static inline size_t rm_encoding_bytes_per_sample(rm_encoding encoding)
{
    return encoding == RM_L16_16000 ? 2 : 1;
}

/* 16 kHz samples that rm_payload_decode makes of a payload (an odd last byte of L16 is ignored). */
static inline size_t rm_payload_samples(rm_encoding encoding, size_t payload_bytes)
{
    return encoding == RM_L16_16000 ? payload_bytes / 2 : payload_bytes * 2;
}

/* The rate that decoding gives without a change of rate. */
static inline uint32_t rm_encoding_native_hz(rm_encoding encoding)
{
    return encoding == RM_PCMU || encoding == RM_PCMA ? 8000 : 16000;
}

/* Samples of a payload at that rate. */
static inline size_t rm_payload_native_samples(rm_encoding encoding, size_t payload_bytes)
{
    return rm_payload_samples(encoding, payload_bytes) * rm_encoding_native_hz(encoding) / 16000;
}

typedef struct rm_payload_decoder {
    rm_encoding encoding;
    rm_up2 up;
    rm_g722_decoder g722;
} rm_payload_decoder;

typedef struct rm_payload_encoder {
    rm_encoding encoding;
    rm_down2 down;
    rm_g722_encoder g722;
} rm_payload_encoder;

/* Change the encoding; filter state survives only when it stays the same. */
void rm_payload_decoder_use(rm_payload_decoder *decoder, rm_encoding encoding);
void rm_payload_encoder_use(rm_payload_encoder *encoder, rm_encoding encoding);

/* pcm takes rm_payload_samples(...) samples and may not alias the payload. */
void rm_payload_decode(rm_payload_decoder *decoder, const uint8_t *payload, size_t payload_bytes,
                       int16_t *pcm);

/* The same at the encoding's own rate: pcm takes rm_payload_native_samples(...) samples. */
void rm_payload_decode_native(rm_payload_decoder *decoder, const uint8_t *payload,
                              size_t payload_bytes, int16_t *pcm);

/* Returns the bytes written: n/2 for even n, 2n for L16. No aliasing. */
size_t rm_payload_encode(rm_payload_encoder *encoder, const int16_t *pcm, size_t n,
                         uint8_t *payload);

#endif
