/* The row kernel of fir.h for x86-64.
 *
 * A load from x + offset holds pairs of samples. Multiplied with a pair's even taps they are summed
 * up to the even outputs, with its odd taps to the odd ones; the two are woven together only at the
 * end.
 */
#include "fir.h"

#if RM_X86

#include <immintrin.h>

/* Makes the compiler load samples once for all products, and keeps it from computing all products
 * before the first sum, for which it lacks registers: the samples have, as far as it can see,
 * changed. */
#define SETTLED(samples) __asm__("" : "+v"(samples))

/* floor((high * 2^split + low + half) / 2^(14 + split)) in one rounding: dropping low's fraction
 * first is harmless, the rest is an integer. */
static const int32_t half = 1 << (RM_FIR_HIGH_SHIFT - 1);

/* ---- SSE2: 16 outputs at a time ---- */

static inline __m128i madd_sse2(__m128i sum, __m128i samples, int32_t taps)
{
    return _mm_add_epi32(sum, _mm_madd_epi16(samples, _mm_set1_epi32(taps)));
}

static inline __m128i finish_sse2(__m128i low, __m128i high, __m128i split)
{
    __m128i sum = _mm_add_epi32(_mm_add_epi32(high, _mm_sra_epi32(low, split)),
                                _mm_set1_epi32(half));
    return _mm_srai_epi32(sum, RM_FIR_HIGH_SHIFT);
}

enum { SSE2_VECTORS = 2 };

static inline void group_sse2(const rm_fir_row *row, const rm_fir_pair *pair, const int16_t *x,
                              int16_t *out)
{
    __m128i even_low[SSE2_VECTORS], odd_low[SSE2_VECTORS];
    __m128i even_high[SSE2_VECTORS], odd_high[SSE2_VECTORS];
    const rm_fir_pair *small = pair + row->small, *end = pair + row->count;
    for (int k = 0; k < SSE2_VECTORS; k++)
        even_low[k] = odd_low[k] = even_high[k] = odd_high[k] = _mm_setzero_si128();
    for (; pair < small; pair++) {
        for (int k = 0; k < SSE2_VECTORS; k++) {
            __m128i samples = _mm_loadu_si128((const __m128i *)(x + pair->offset + 8 * k));
            SETTLED(samples);
            even_low[k] = madd_sse2(even_low[k], samples, pair->even_low);
            odd_low[k] = madd_sse2(odd_low[k], samples, pair->odd_low);
        }
    }
    for (; pair < end; pair++) {
        for (int k = 0; k < SSE2_VECTORS; k++) {
            __m128i samples = _mm_loadu_si128((const __m128i *)(x + pair->offset + 8 * k));
            SETTLED(samples);
            even_low[k] = madd_sse2(even_low[k], samples, pair->even_low);
            odd_low[k] = madd_sse2(odd_low[k], samples, pair->odd_low);
            even_high[k] = madd_sse2(even_high[k], samples, pair->even_high);
            odd_high[k] = madd_sse2(odd_high[k], samples, pair->odd_high);
        }
    }
    __m128i split = _mm_cvtsi32_si128(row->split);
    for (int k = 0; k < SSE2_VECTORS; k++) {
        __m128i even = finish_sse2(even_low[k], even_high[k], split);
        __m128i odd = finish_sse2(odd_low[k], odd_high[k], split);
        __m128i woven = _mm_unpacklo_epi32(even, odd), rest = _mm_unpackhi_epi32(even, odd);
        _mm_storeu_si128((__m128i *)(out + 8 * k), _mm_packs_epi32(woven, rest));
    }
}

void rm_fir_sse2(const rm_fir_row *row, const rm_fir_pair *pairs, const int16_t *x, int16_t *out,
                 size_t n)
{
    for (size_t i = 0; i < n; i += 8 * SSE2_VECTORS)
        group_sse2(row, pairs, x + i, out + i);
}

/* ---- AVX2: 32 outputs at a time, so that a broadcast of taps serves more of them ---- */

RM_TARGET_AVX2 static inline __m256i madd_avx2(__m256i sum, __m256i samples, int32_t taps)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(samples, _mm256_set1_epi32(taps)));
}

RM_TARGET_AVX2 static inline __m256i finish_avx2(__m256i low, __m256i high, __m128i split)
{
    __m256i sum = _mm256_add_epi32(_mm256_add_epi32(high, _mm256_sra_epi32(low, split)),
                                   _mm256_set1_epi32(half));
    return _mm256_srai_epi32(sum, RM_FIR_HIGH_SHIFT);
}

enum { AVX2_VECTORS = 2 };

RM_TARGET_AVX2 static inline void group_avx2(const rm_fir_row *row, const rm_fir_pair *pair,
                                             const int16_t *x, int16_t *out)
{
    __m256i even_low[AVX2_VECTORS], odd_low[AVX2_VECTORS];
    __m256i even_high[AVX2_VECTORS], odd_high[AVX2_VECTORS];
    const rm_fir_pair *small = pair + row->small, *end = pair + row->count;
    for (int k = 0; k < AVX2_VECTORS; k++)
        even_low[k] = odd_low[k] = even_high[k] = odd_high[k] = _mm256_setzero_si256();
    for (; pair < small; pair++) {
        for (int k = 0; k < AVX2_VECTORS; k++) {
            __m256i samples = _mm256_loadu_si256((const __m256i *)(x + pair->offset + 16 * k));
            SETTLED(samples);
            even_low[k] = madd_avx2(even_low[k], samples, pair->even_low);
            odd_low[k] = madd_avx2(odd_low[k], samples, pair->odd_low);
        }
    }
    for (; pair < end; pair++) {
        for (int k = 0; k < AVX2_VECTORS; k++) {
            __m256i samples = _mm256_loadu_si256((const __m256i *)(x + pair->offset + 16 * k));
            SETTLED(samples);
            even_low[k] = madd_avx2(even_low[k], samples, pair->even_low);
            odd_low[k] = madd_avx2(odd_low[k], samples, pair->odd_low);
            even_high[k] = madd_avx2(even_high[k], samples, pair->even_high);
            odd_high[k] = madd_avx2(odd_high[k], samples, pair->odd_high);
        }
    }
    __m128i split = _mm_cvtsi32_si128(row->split);
    for (int k = 0; k < AVX2_VECTORS; k++) {
        /* unpack and packs both work within halves of a vector, and so undo each other. */
        __m256i even = finish_avx2(even_low[k], even_high[k], split);
        __m256i odd = finish_avx2(odd_low[k], odd_high[k], split);
        __m256i woven = _mm256_unpacklo_epi32(even, odd), rest = _mm256_unpackhi_epi32(even, odd);
        _mm256_storeu_si256((__m256i *)(out + 16 * k), _mm256_packs_epi32(woven, rest));
    }
}

RM_TARGET_AVX2 void rm_fir_avx2(const rm_fir_row *row, const rm_fir_pair *pairs, const int16_t *x,
                                int16_t *out, size_t n)
{
    for (size_t i = 0; i < n; i += 16 * AVX2_VECTORS)
        group_avx2(row, pairs, x + i, out + i);
}

/* ---- AVX-512: 160 outputs at a time, 20 ms at 8 kHz, so that a broadcast serves them all ---- */

/* VNNI's multiply-and-add in one instruction. With the intrinsic, GCC 12 copies every sum to another
 * register before it and back after it, which makes it run out of them. */
RM_TARGET_AVX512 static inline __m512i madd_avx512(__m512i sum, __m512i samples, int32_t taps)
{
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(samples), "v"(_mm512_set1_epi32(taps)));
    return sum;
}

RM_TARGET_AVX512 static inline __m512i finish_avx512(__m512i low, __m512i high, __m128i split)
{
    __m512i sum = _mm512_add_epi32(_mm512_add_epi32(high, _mm512_sra_epi32(low, split)),
                                   _mm512_set1_epi32(half));
    return _mm512_srai_epi32(sum, RM_FIR_HIGH_SHIFT);
}

enum { AVX512_VECTORS = 5 };

/* 32 outputs for each vector; their number is a constant wherever this is called. */
RM_TARGET_AVX512 static inline __attribute__((always_inline)) void
group_avx512(int vectors, const rm_fir_row *row, const rm_fir_pair *pair, const int16_t *x,
             int16_t *out)
{
    __m512i even_low[AVX512_VECTORS], odd_low[AVX512_VECTORS];
    __m512i even_high[AVX512_VECTORS], odd_high[AVX512_VECTORS];
    const rm_fir_pair *small = pair + row->small, *end = pair + row->count;
    for (int k = 0; k < vectors; k++)
        even_low[k] = odd_low[k] = even_high[k] = odd_high[k] = _mm512_setzero_si512();
    for (; pair < small; pair++) {
        for (int k = 0; k < vectors; k++) {
            __m512i samples = _mm512_loadu_si512(x + pair->offset + 32 * k);
            even_low[k] = madd_avx512(even_low[k], samples, pair->even_low);
            odd_low[k] = madd_avx512(odd_low[k], samples, pair->odd_low);
        }
    }
    for (; pair < end; pair++) {
        for (int k = 0; k < vectors; k++) {
            __m512i samples = _mm512_loadu_si512(x + pair->offset + 32 * k);
            even_low[k] = madd_avx512(even_low[k], samples, pair->even_low);
            odd_low[k] = madd_avx512(odd_low[k], samples, pair->odd_low);
            even_high[k] = madd_avx512(even_high[k], samples, pair->even_high);
            odd_high[k] = madd_avx512(odd_high[k], samples, pair->odd_high);
        }
    }
    __m128i split = _mm_cvtsi32_si128(row->split);
    for (int k = 0; k < vectors; k++) {
        __m512i even = finish_avx512(even_low[k], even_high[k], split);
        __m512i odd = finish_avx512(odd_low[k], odd_high[k], split);
        __m512i woven = _mm512_unpacklo_epi32(even, odd), rest = _mm512_unpackhi_epi32(even, odd);
        _mm512_storeu_si512(out + 32 * k, _mm512_packs_epi32(woven, rest));
    }
}

RM_TARGET_AVX512 void rm_fir_avx512(const rm_fir_row *row, const rm_fir_pair *pairs,
                                    const int16_t *x, int16_t *out, size_t n)
{
    size_t i = 0;
    for (; n - i >= 32 * AVX512_VECTORS; i += 32 * AVX512_VECTORS)
        group_avx512(AVX512_VECTORS, row, pairs, x + i, out + i);
    for (; n - i >= 32 * 3; i += 32 * 3) /* 10 ms at 8 kHz */
        group_avx512(3, row, pairs, x + i, out + i);
    for (; i < n; i += 32)
        group_avx512(1, row, pairs, x + i, out + i);
}

#endif
