/* The row kernel of fir.h for x86-64.
 *
 * One load from x + offset holds the pairs of the even outputs, one from x + offset + 1 those of
 * the odd ones; the two sets of sums are woven together only at the end.
 */
#include "fir.h"

#if RM_X86

#include <immintrin.h>

/* ---- SSE2: 8 outputs at a time ---- */

static inline __m128i finish_sse2(__m128i low, __m128i high, __m128i split)
{
    /* floor((high * 2^split + low + half) / 2^(14 + split)) in one rounding: dropping low's
     * fraction first is harmless, the rest is an integer. */
    __m128i half = _mm_set1_epi32(1 << (RM_FIR_HIGH_SHIFT - 1));
    __m128i sum = _mm_add_epi32(_mm_add_epi32(high, _mm_sra_epi32(low, split)), half);
    return _mm_srai_epi32(sum, RM_FIR_HIGH_SHIFT);
}

static inline __m128i madd_sse2(__m128i sum, const int16_t *x, __m128i taps)
{
    return _mm_add_epi32(sum, _mm_madd_epi16(_mm_loadu_si128((const __m128i *)x), taps));
}

static inline void group_sse2(const rm_fir_row *row, const rm_fir_pair *pair,
                              const int16_t *x, int16_t *out)
{
    __m128i even_low = _mm_setzero_si128(), odd_low = even_low;
    __m128i even_high = even_low, odd_high = even_low;
    const rm_fir_pair *small = pair + row->small, *end = pair + row->count;
    for (; pair < small; pair++) {
        __m128i taps = _mm_set1_epi32(pair->low);
        even_low = madd_sse2(even_low, x + pair->offset, taps);
        odd_low = madd_sse2(odd_low, x + pair->offset + 1, taps);
    }
    for (; pair < end; pair++) {
        __m128i low = _mm_set1_epi32(pair->low), high = _mm_set1_epi32(pair->high);
        even_low = madd_sse2(even_low, x + pair->offset, low);
        odd_low = madd_sse2(odd_low, x + pair->offset + 1, low);
        even_high = madd_sse2(even_high, x + pair->offset, high);
        odd_high = madd_sse2(odd_high, x + pair->offset + 1, high);
    }
    __m128i split = _mm_cvtsi32_si128(row->split);
    __m128i even = finish_sse2(even_low, even_high, split);
    __m128i odd = finish_sse2(odd_low, odd_high, split);
    __m128i woven = _mm_unpacklo_epi32(even, odd), rest = _mm_unpackhi_epi32(even, odd);
    _mm_storeu_si128((__m128i *)out, _mm_packs_epi32(woven, rest));
}

void rm_fir_sse2(const rm_fir_row *row, const rm_fir_pair *pairs, const int16_t *x, int16_t *out,
                 size_t n)
{
    for (size_t i = 0; i < n; i += 8)
        group_sse2(row, pairs, x + i, out + i);
}

/* ---- AVX2: 32 outputs at a time, so that a broadcast of taps serves more of them ---- */

/* Makes the compiler load the samples once for both products, and keeps it from computing all
 * products before the first sum, for which it lacks registers: the samples have, as far as it can
 * see, changed. */
#define SETTLED(samples) __asm__("" : "+x"(samples))

RM_TARGET_AVX2 static inline __m256i load_avx2(const int16_t *x)
{
    return _mm256_loadu_si256((const __m256i *)x);
}

RM_TARGET_AVX2 static inline __m256i madd_avx2(__m256i sum, __m256i samples, __m256i taps)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(samples, taps));
}

RM_TARGET_AVX2 static inline __m256i finish_avx2(__m256i low, __m256i high, int split)
{
    __m256i half = _mm256_set1_epi32(1 << (RM_FIR_HIGH_SHIFT - 1));
    __m256i fraction = _mm256_sra_epi32(low, _mm_cvtsi32_si128(split));
    __m256i sum = _mm256_add_epi32(_mm256_add_epi32(high, fraction), half);
    return _mm256_srai_epi32(sum, RM_FIR_HIGH_SHIFT);
}

RM_TARGET_AVX2 static inline void group_avx2(const rm_fir_row *row, const rm_fir_pair *pair,
                                             const int16_t *x, int16_t *out)
{
    __m256i low[4], high[4]; /* even, odd of the first 16 outputs; even, odd of the second */
    static const int places[4] = {0, 1, 16, 17};
    for (int k = 0; k < 4; k++)
        low[k] = high[k] = _mm256_setzero_si256();
    const rm_fir_pair *small = pair + row->small, *end = pair + row->count;
    for (; pair < small; pair++) {
        __m256i low_taps = _mm256_set1_epi32(pair->low);
        for (int k = 0; k < 4; k++)
            low[k] = madd_avx2(low[k], load_avx2(x + pair->offset + places[k]), low_taps);
    }
    for (; pair < end; pair++) {
        __m256i low_taps = _mm256_set1_epi32(pair->low), high_taps = _mm256_set1_epi32(pair->high);
        for (int k = 0; k < 4; k++) {
            __m256i samples = load_avx2(x + pair->offset + places[k]);
            SETTLED(samples);
            low[k] = madd_avx2(low[k], samples, low_taps);
            high[k] = madd_avx2(high[k], samples, high_taps);
        }
    }
    for (int k = 0; k < 4; k += 2) {
        /* unpack and packs both work within halves of a vector, and so undo each other. */
        __m256i even = finish_avx2(low[k], high[k], row->split);
        __m256i odd = finish_avx2(low[k + 1], high[k + 1], row->split);
        __m256i woven = _mm256_unpacklo_epi32(even, odd), rest = _mm256_unpackhi_epi32(even, odd);
        _mm256_storeu_si256((__m256i *)(out + k * 8), _mm256_packs_epi32(woven, rest));
    }
}

RM_TARGET_AVX2 void rm_fir_avx2(const rm_fir_row *row, const rm_fir_pair *pairs, const int16_t *x,
                                int16_t *out, size_t n)
{
    for (size_t i = 0; i < n; i += 32)
        group_avx2(row, pairs, x + i, out + i);
}

#endif
