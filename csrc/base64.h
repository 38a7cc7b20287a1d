/* Base64 of RFC 4648 section 4: the standard alphabet, padded, nothing else.
 *
 * What for: providers carry audio as base64 text inside JSON. Who calls: media_audio.c for every
 * media message, the Cython wrapper.
 *
 * Strict: the length is a multiple of 4, padding only at the very end, and (RFC 4648 section 3.3)
 * "implementations MUST reject the encoded data if it contains characters outside the base
 * alphabet", line breaks included. Non-zero pad bits are accepted: section 3.5 leaves it open
 * ("decoders MAY choose to reject"), every common decoder takes them, and no octet depends on them.
 */
#ifndef RM_BASE64_H
#define RM_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "simd.h"

static inline size_t rm_base64_length(size_t octets)
{
    return (octets + 2) / 3 * 4;
}

/* What rm_base64_decode writes for this text of n characters; n must be a multiple of 4. */
static inline size_t rm_base64_octets(const uint8_t *text, size_t n)
{
    return n == 0 ? 0 : n / 4 * 3 - (text[n - 1] == '=') - (text[n - 2] == '=');
}

/* False when the text is not base64; what was written then means nothing. No aliasing. */
bool rm_base64_decode(const uint8_t *text, size_t n, uint8_t *octets);

/* Writes rm_base64_length(n) characters, no terminator. No aliasing. */
void rm_base64_encode(const uint8_t *octets, size_t n, uint8_t *text);

/* As rm_g711_use, for base64. "sse2" needs SSSE3 here and is the definition without it. */
void rm_base64_use(rm_simd variant);

#endif
