/* Base64 written from RFC 4648 section 4: four characters of six bits are three octets. */
#include "base64.h"

#include "base64_variants.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum { NO_VALUE = 0xff };

static uint8_t values[256];

static void build_values(void)
{
    for (int c = 0; c < 256; c++)
        values[c] = NO_VALUE;
    for (int value = 0; value < 64; value++)
        values[(uint8_t)alphabet[value]] = (uint8_t)value;
}

/* One group without padding. */
static inline bool decode_group(const uint8_t *text, uint8_t *octets)
{
    uint8_t a = values[text[0]], b = values[text[1]], c = values[text[2]], d = values[text[3]];
    octets[0] = (uint8_t)(a << 2 | b >> 4);
    octets[1] = (uint8_t)(b << 4 | c >> 2);
    octets[2] = (uint8_t)(c << 6 | d);
    return (a | b | c | d) < 64;
}

/* The last group: "XX==" is one octet, "XXX=" two, "XXXX" three. */
static bool decode_last_group(const uint8_t *text, uint8_t *octets)
{
    size_t n = rm_base64_octets(text, 4);
    uint8_t group[4] = {text[0], text[1], n > 1 ? text[2] : 'A', n > 2 ? text[3] : 'A'}, out[3];
    /* "XX=X" counts as two octets and fails here, on the '=' that is not at the end. */
    if (!decode_group(group, out))
        return false;
    for (size_t i = 0; i < n; i++)
        octets[i] = out[i];
    return n > 1 || text[3] == '=';
}

static inline void encode_group(const uint8_t *octets, uint8_t *text)
{
    uint32_t bits = (uint32_t)octets[0] << 16 | (uint32_t)octets[1] << 8 | octets[2];
    for (int i = 0; i < 4; i++)
        text[i] = (uint8_t)alphabet[bits >> (18 - 6 * i) & 63];
}

/* The definition takes nothing in bulk. */
static size_t nothing(const uint8_t *in, size_t n, uint8_t *out)
{
    (void)in, (void)n, (void)out;
    return 0;
}

static const rm_base64_bulk scalar = {nothing, nothing};

static const rm_base64_bulk *bulk = &scalar;

void rm_base64_use(rm_simd variant)
{
    bulk = &scalar;
#if RM_X86
    if (variant == RM_SSE2 && __builtin_cpu_supports("ssse3"))
        bulk = &rm_base64_ssse3;
    if (variant == RM_AVX2)
        bulk = &rm_base64_avx2;
    if (variant == RM_AVX512)
        bulk = &rm_base64_avx512;
#else
    (void)variant; /* base64 has no other variant */
#endif
}

__attribute__((constructor)) static void prepare(void)
{
    build_values();
    rm_base64_use(rm_simd_best());
}

bool rm_base64_decode(const uint8_t *text, size_t n, uint8_t *octets)
{
    if (n % 4 != 0)
        return false;
    if (n == 0)
        return true;
    size_t whole = n - 4, done = bulk->decode(text, whole, octets);
    for (; done < whole; done += 4)
        if (!decode_group(text + done, octets + done / 4 * 3))
            return false;
    return decode_last_group(text + whole, octets + whole / 4 * 3);
}

void rm_base64_encode(const uint8_t *octets, size_t n, uint8_t *text)
{
    size_t done = bulk->encode(octets, n, text);
    text += done / 3 * 4;
    for (; n - done >= 3; done += 3, text += 4)
        encode_group(octets + done, text);
    if (n == done)
        return;
    uint8_t rest[3] = {octets[done], n - done == 2 ? octets[done + 1] : 0, 0};
    encode_group(rest, text);
    text[3] = '=';
    if (n - done == 1)
        text[2] = '=';
}
