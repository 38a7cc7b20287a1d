/* G.711 without a branch or a table, so that the compiler lays samples side by side in whatever
 * vectors the target always has: SSE2 on x86-64, NEON on 64-bit ARM.
 *
 * The idea: a companded octet is a small floating-point number, three bits of exponent and four of
 * mantissa. A magnitude converted to IEEE 754 single precision (exactly, it has 13 bits) shows
 * segment and step side by side in bits 19 to 25.
 */
#include <string.h>

#include "g711_variants.h"

/* Bits 30..19 of the float 2^5, the first number of mu-law's segment 0 (biased by 33), and of the
 * float 2^3, where A-law's segment numbers would count from. */
enum { ULAW_ORIGIN = (127 + 5) << 4, ALAW_ORIGIN = (127 + 3) << 4 };

static inline uint16_t exponent_and_step(uint16_t magnitude)
{
    float number = (float)(int32_t)magnitude;
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    return (uint16_t)(bits >> 19);
}

/* value * 2^segment, the segment standing in bits 6..4 of the code. */
static inline uint16_t scale(uint16_t value, uint16_t code)
{
    value = code & 0x10 ? (uint16_t)(value << 1) : value;
    value = code & 0x20 ? (uint16_t)(value << 2) : value;
    return code & 0x40 ? (uint16_t)(value << 4) : value;
}

static void ulaw_decode(const uint8_t *restrict in, int16_t *restrict out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t code = in[i] ^ 0xff;
        int16_t value = (int16_t)(scale((uint16_t)(((code & 15) << 3) + 132), code) - 132);
        out[i] = code & 0x80 ? (int16_t)-value : value;
    }
}

static void ulaw_encode(const int16_t *restrict in, uint8_t *restrict out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int16_t sign = in[i] >> 15; /* 0 or -1 */
        uint16_t magnitude = (uint16_t)(((uint16_t)(in[i] ^ sign) >> 2) + 33);
        magnitude = magnitude > 8191 ? 8191 : magnitude;
        uint16_t code = (uint16_t)(exponent_and_step(magnitude) - ULAW_ORIGIN);
        out[i] = (uint8_t)(code ^ (sign & 0x80) ^ 0xff);
    }
}

static void alaw_decode(const uint8_t *restrict in, int16_t *restrict out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t code = in[i] ^ 0xd5;
        uint16_t step = code & 15;
        uint16_t curved = scale((uint16_t)((step << 3) + 132), code); /* right from segment 1 on */
        int16_t value = (int16_t)(code & 0x70 ? curved : (step << 4) + 8);
        out[i] = code & 0x80 ? (int16_t)-value : value;
    }
}

static void alaw_encode(const int16_t *restrict in, uint8_t *restrict out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int16_t sign = in[i] >> 15;
        uint16_t magnitude = (uint16_t)((uint16_t)(in[i] ^ sign) >> 4);
        uint16_t curved = (uint16_t)(exponent_and_step(magnitude) - ALAW_ORIGIN);
        uint16_t linear = (uint16_t) - (magnitude < 16); /* all ones where segment 0 applies */
        uint16_t code = (uint16_t)((curved & ~linear) | (magnitude & linear));
        out[i] = (uint8_t)(code ^ (sign & 0x80) ^ 0xd5);
    }
}

const rm_g711_kernels rm_g711_lanes = {ulaw_decode, ulaw_encode, alaw_decode, alaw_encode};
