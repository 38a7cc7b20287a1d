/* The row kernel of fir.h for x86-64.
 *
 * A load from x + offset holds pairs of samples. Multiplied with a pair's even taps they are summed
 * up to the even outputs, with its odd taps to the odd ones; the two are woven together only at the
 * end. fir_group.h does so with the few operations that each variant defines here.
 */
#include "fir.h"

#if RM_X86

#include <immintrin.h>

/* Makes the compiler load samples once for all products, and keeps it from computing all products
 * before the first sum, for which it lacks registers: the samples have, as far as it can see,
 * changed. */
#define SETTLED(samples) __asm__("" : "+x"(samples))

/* floor((high * 2^split + low + half) / 2^(14 + split)) in one rounding: `finish` may drop low's
 * fraction first, as the rest is an integer. */
static const int32_t half = 1 << (RM_FIR_HIGH_SHIFT - 1);

/* ---- SSE2: 16 outputs at a time ---- */

typedef __m128i vector_sse2;

static inline __m128i zero_sse2(void)
{
    return _mm_setzero_si128();
}

static inline __m128i load_sse2(const int16_t *x)
{
    __m128i samples = _mm_loadu_si128((const __m128i *)x);
    SETTLED(samples);
    return samples;
}

static inline __m128i madd_sse2(__m128i sum, __m128i samples, int32_t taps)
{
    return _mm_add_epi32(sum, _mm_madd_epi16(samples, _mm_set1_epi32(taps)));
}

static inline __m128i finish_sse2(__m128i low, __m128i high, __m128i split)
{
    __m128i sum = _mm_add_epi32(high, _mm_sra_epi32(low, split));
    return _mm_srai_epi32(_mm_add_epi32(sum, _mm_set1_epi32(half)), RM_FIR_HIGH_SHIFT);
}

static inline void store_sse2(int16_t *out, __m128i even, __m128i odd)
{
    __m128i woven = _mm_unpacklo_epi32(even, odd), rest = _mm_unpackhi_epi32(even, odd);
    _mm_storeu_si128((__m128i *)out, _mm_packs_epi32(woven, rest));
}

#define VARIANT sse2
#define TARGET
#include "fir_group.h"

void rm_fir_sse2(const rm_fir_row *row, const rm_fir_pair *pairs, const int16_t *x, int16_t *out,
                 size_t n)
{
    for (size_t i = 0; i < n; i += 16)
        group_sse2(2, row, pairs, x + i, out + i);
}

/* ---- AVX2: 32 outputs at a time, so that a broadcast of taps serves more of them ---- */

typedef __m256i vector_avx2;

RM_TARGET_AVX2 static inline __m256i zero_avx2(void)
{
    return _mm256_setzero_si256();
}

RM_TARGET_AVX2 static inline __m256i load_avx2(const int16_t *x)
{
    __m256i samples = _mm256_loadu_si256((const __m256i *)x);
    SETTLED(samples);
    return samples;
}

RM_TARGET_AVX2 static inline __m256i madd_avx2(__m256i sum, __m256i samples, int32_t taps)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(samples, _mm256_set1_epi32(taps)));
}

RM_TARGET_AVX2 static inline __m256i finish_avx2(__m256i low, __m256i high, __m128i split)
{
    __m256i sum = _mm256_add_epi32(high, _mm256_sra_epi32(low, split));
    return _mm256_srai_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(half)), RM_FIR_HIGH_SHIFT);
}

/* unpack and packs both work within 16 octets of a vector, and so undo each other. */
RM_TARGET_AVX2 static inline void store_avx2(int16_t *out, __m256i even, __m256i odd)
{
    __m256i woven = _mm256_unpacklo_epi32(even, odd), rest = _mm256_unpackhi_epi32(even, odd);
    _mm256_storeu_si256((__m256i *)out, _mm256_packs_epi32(woven, rest));
}

#define VARIANT avx2
#define TARGET RM_TARGET_AVX2
#include "fir_group.h"

RM_TARGET_AVX2 void rm_fir_avx2(const rm_fir_row *row, const rm_fir_pair *pairs, const int16_t *x,
                                int16_t *out, size_t n)
{
    for (size_t i = 0; i < n; i += 32)
        group_avx2(2, row, pairs, x + i, out + i);
}

/* ---- AVX-512: up to 160 outputs at a time, so that a broadcast serves them all ---- */

typedef __m512i vector_avx512;

RM_TARGET_AVX512 static inline __m512i zero_avx512(void)
{
    return _mm512_setzero_si512();
}

RM_TARGET_AVX512 static inline __m512i load_avx512(const int16_t *x)
{
    return _mm512_loadu_si512(x);
}

/* VNNI's multiply-and-add in one instruction. With the intrinsic, GCC 12 copies every sum to
 * another register before it and back after it, which makes it run out of them. */
RM_TARGET_AVX512 static inline __m512i madd_avx512(__m512i sum, __m512i samples, int32_t taps)
{
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(samples), "v"(_mm512_set1_epi32(taps)));
    return sum;
}

RM_TARGET_AVX512 static inline __m512i finish_avx512(__m512i low, __m512i high, __m128i split)
{
    __m512i sum = _mm512_add_epi32(high, _mm512_sra_epi32(low, split));
    return _mm512_srai_epi32(_mm512_add_epi32(sum, _mm512_set1_epi32(half)), RM_FIR_HIGH_SHIFT);
}

RM_TARGET_AVX512 static inline void store_avx512(int16_t *out, __m512i even, __m512i odd)
{
    __m512i woven = _mm512_unpacklo_epi32(even, odd), rest = _mm512_unpackhi_epi32(even, odd);
    _mm512_storeu_si512(out, _mm512_packs_epi32(woven, rest));
}

#define VARIANT avx512
#define TARGET RM_TARGET_AVX512
#include "fir_group.h"

RM_TARGET_AVX512 void rm_fir_avx512(const rm_fir_row *row, const rm_fir_pair *pairs,
                                    const int16_t *x, int16_t *out, size_t n)
{
    for (; n >= 160; n -= 160, x += 160, out += 160) /* 20 ms at 8 kHz */
        group_avx512(5, row, pairs, x, out);
    for (; n >= 96; n -= 96, x += 96, out += 96) /* 10 ms, 80, in whole vectors */
        group_avx512(3, row, pairs, x, out);
    for (; n > 0; n -= 32, x += 32, out += 32)
        group_avx512(1, row, pairs, x, out);
}

#endif
