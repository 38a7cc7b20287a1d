/* G.711 written from the Recommendation: a sign, three bits of segment, four bits of step. The
 * scalar functions here are the definition; the vector variants give the same octets, sooner. */
#include "g711.h"

#include "g711_variants.h"

/* G.711 section 3.1, table 2a: mu-law works on 14-bit magnitudes biased by 33, which makes segment
 * e start at 33 * 2^e - 33. Negative samples are taken in one's complement, so that one on a
 * decision value goes toward zero. */
enum { ULAW_BIAS = 33, ULAW_LIMIT = 8191 };

/* The index of the highest bit set; x > 0. */
static inline int top_bit(unsigned x)
{
    return 31 - __builtin_clz(x);
}

static inline int16_t ulaw_expand(uint8_t code)
{
    unsigned inverted = (uint8_t)~code; /* note 2: the signal is "(255-n)" */
    int segment = (inverted >> 4) & 7;
    int magnitude = (((int)((inverted & 15) * 2) + ULAW_BIAS) << segment) - ULAW_BIAS;
    return (int16_t)((inverted & 0x80 ? -magnitude : magnitude) * 4);
}

static inline uint8_t ulaw_compress(int16_t sample)
{
    unsigned sign = sample < 0 ? 0x80 : 0;
    unsigned magnitude = ((unsigned)(sample < 0 ? ~sample : sample) >> 2) + ULAW_BIAS;
    if (magnitude > ULAW_LIMIT)
        magnitude = ULAW_LIMIT;
    int segment = top_bit(magnitude) - 5;
    unsigned step = (magnitude >> (segment + 1)) & 15;
    return (uint8_t)~(sign | ((unsigned)segment << 4) | step);
}

/* G.711 section 3.2, table 1a: A-law works on 12-bit magnitudes (sign apart); segments 0 and 1 have
 * the same step. "The character signals are obtained by inverting the even bits": 0x55. */
enum { ALAW_EVEN_BITS = 0x55 };

static inline int16_t alaw_expand(uint8_t code)
{
    unsigned inverted = code ^ ALAW_EVEN_BITS;
    int segment = (inverted >> 4) & 7;
    int magnitude = (int)((inverted & 15) * 2) + 1; /* the middle of the step, table 1a column 8 */
    if (segment > 0)
        magnitude = (magnitude + 32) << (segment - 1);
    return (int16_t)((inverted & 0x80 ? magnitude : -magnitude) * 8);
}

static inline uint8_t alaw_compress(int16_t sample)
{
    unsigned sign = sample < 0 ? 0 : 0x80;
    unsigned magnitude = (unsigned)(sample < 0 ? ~sample : sample) >> 4;
    unsigned code = magnitude;
    if (magnitude > 15) {
        int segment = top_bit(magnitude) - 3;
        code = ((unsigned)segment << 4) | ((magnitude >> (segment - 1)) & 15);
    }
    return (uint8_t)((sign | code) ^ ALAW_EVEN_BITS);
}

static void scalar_ulaw_decode(const uint8_t *in, int16_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = ulaw_expand(in[i]);
}

static void scalar_ulaw_encode(const int16_t *in, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = ulaw_compress(in[i]);
}

static void scalar_alaw_decode(const uint8_t *in, int16_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = alaw_expand(in[i]);
}

static void scalar_alaw_encode(const int16_t *in, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = alaw_compress(in[i]);
}

static const rm_g711_kernels scalar = {scalar_ulaw_decode, scalar_ulaw_encode, scalar_alaw_decode,
                                       scalar_alaw_encode};

static const rm_g711_kernels *const variants[RM_SIMD_COUNT] = {
    [RM_SCALAR] = &scalar,
#if RM_X86
    [RM_SSE2] = &rm_g711_lanes,
    [RM_AVX2] = &rm_g711_avx2,
    [RM_AVX512] = &rm_g711_avx512,
#elif RM_ARM
    [RM_NEON] = &rm_g711_lanes,
#endif
};

static const rm_g711_kernels *chosen = &scalar;

void rm_g711_use(rm_simd variant)
{
    chosen = variants[variant];
}

__attribute__((constructor)) static void choose(void)
{
    rm_g711_use(rm_simd_best());
}

void rm_ulaw_decode(const uint8_t *in, int16_t *out, size_t n)
{
    chosen->ulaw_decode(in, out, n);
}

void rm_ulaw_encode(const int16_t *in, uint8_t *out, size_t n)
{
    chosen->ulaw_encode(in, out, n);
}

void rm_alaw_decode(const uint8_t *in, int16_t *out, size_t n)
{
    chosen->alaw_decode(in, out, n);
}

void rm_alaw_encode(const int16_t *in, uint8_t *out, size_t n)
{
    chosen->alaw_encode(in, out, n);
}

/* Samples converted at a time on the way from law to law: the stack holds them. */
enum { BLOCK = 512 };

void rm_ulaw_to_alaw(const uint8_t *in, uint8_t *out, size_t n)
{
    int16_t pcm[BLOCK];
    for (size_t block; n > 0; in += block, out += block, n -= block) {
        block = n < BLOCK ? n : BLOCK;
        chosen->ulaw_decode(in, pcm, block);
        chosen->alaw_encode(pcm, out, block);
    }
}

void rm_alaw_to_ulaw(const uint8_t *in, uint8_t *out, size_t n)
{
    int16_t pcm[BLOCK];
    for (size_t block; n > 0; in += block, out += block, n -= block) {
        block = n < BLOCK ? n : BLOCK;
        chosen->alaw_decode(in, pcm, block);
        chosen->ulaw_encode(pcm, out, block);
    }
}
