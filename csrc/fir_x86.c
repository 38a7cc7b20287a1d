/* The row kernel of fir.h for x86-64.
 *
 * One load from x + offset holds the pairs of the even outputs, one from x + offset + 1 those of the
 * odd ones; the two sets of sums are woven together only at the end.
 */
#include "fir.h"

#if RM_X86

#include <immintrin.h>

/* ---- SSE2: 16 outputs at a time, even and odd ones of two halves ---- */

static inline __m128i finish_sse2(__m128i high, __m128i low, __m128i half, __m128i shift)
{
    /* floor((256 high + low + half) / 2^shift) in one rounding: dropping low's fraction first is
     * harmless, the rest is an integer. */
    __m128i sum = _mm_add_epi32(_mm_add_epi32(high, _mm_srai_epi32(low, 8)), half);
    return _mm_sra_epi32(sum, shift);
}

static inline void row_16_sse2(const int16_t *x, const rm_fir_pair *pairs, size_t pair_count,
                               __m128i half, __m128i shift, int16_t *out)
{
    __m128i high[4], low[4];
    for (int k = 0; k < 4; k++)
        high[k] = low[k] = _mm_setzero_si128();
    for (size_t j = 0; j < pair_count; j++) {
        const int16_t *at = x + pairs[j].offset;
        __m128i high_taps = _mm_set1_epi32(pairs[j].high), low_taps = _mm_set1_epi32(pairs[j].low);
        for (int k = 0; k < 4; k++) {
            __m128i samples = _mm_loadu_si128((const __m128i *)(at + (k >> 1) * 8 + (k & 1)));
            high[k] = _mm_add_epi32(high[k], _mm_madd_epi16(samples, high_taps));
            low[k] = _mm_add_epi32(low[k], _mm_madd_epi16(samples, low_taps));
        }
    }
    for (int k = 0; k < 4; k += 2) {
        __m128i even = finish_sse2(high[k], low[k], half, shift);
        __m128i odd = finish_sse2(high[k + 1], low[k + 1], half, shift);
        __m128i woven = _mm_unpacklo_epi32(even, odd), rest = _mm_unpackhi_epi32(even, odd);
        _mm_storeu_si128((__m128i *)(out + k * 4), _mm_packs_epi32(woven, rest));
    }
}

void rm_fir_row_sse2(const int16_t *x, const rm_fir_pair *pairs, size_t pair_count, int shift,
                     int16_t *out, size_t n)
{
    __m128i half = _mm_set1_epi32(1 << (shift - 9)), count = _mm_cvtsi32_si128(shift - 8);
    for (size_t i = 0; i < n; i += 16)
        row_16_sse2(x + i, pairs, pair_count, half, count, out + i);
}

/* ---- AVX2: 32 outputs at a time ---- */

RM_TARGET_AVX2 static inline __m256i finish_avx2(__m256i high, __m256i low, __m256i half,
                                                 __m128i shift)
{
    __m256i sum = _mm256_add_epi32(_mm256_add_epi32(high, _mm256_srai_epi32(low, 8)), half);
    return _mm256_sra_epi32(sum, shift);
}

RM_TARGET_AVX2 static inline void row_32_avx2(const int16_t *x, const rm_fir_pair *pairs,
                                              size_t pair_count, __m256i half, __m128i shift,
                                              int16_t *out)
{
    __m256i high[4], low[4];
    for (int k = 0; k < 4; k++)
        high[k] = low[k] = _mm256_setzero_si256();
    for (size_t j = 0; j < pair_count; j++) {
        const int16_t *at = x + pairs[j].offset;
        __m256i high_taps = _mm256_set1_epi32(pairs[j].high);
        __m256i low_taps = _mm256_set1_epi32(pairs[j].low);
        for (int k = 0; k < 4; k++) {
            __m256i samples = _mm256_loadu_si256((const __m256i *)(at + (k >> 1) * 16 + (k & 1)));
            high[k] = _mm256_add_epi32(high[k], _mm256_madd_epi16(samples, high_taps));
            low[k] = _mm256_add_epi32(low[k], _mm256_madd_epi16(samples, low_taps));
        }
    }
    for (int k = 0; k < 4; k += 2) {
        /* unpack and packs both work within halves of a vector, and so undo each other. */
        __m256i even = finish_avx2(high[k], low[k], half, shift);
        __m256i odd = finish_avx2(high[k + 1], low[k + 1], half, shift);
        __m256i woven = _mm256_unpacklo_epi32(even, odd), rest = _mm256_unpackhi_epi32(even, odd);
        _mm256_storeu_si256((__m256i *)(out + k * 8), _mm256_packs_epi32(woven, rest));
    }
}

RM_TARGET_AVX2 void rm_fir_row_avx2(const int16_t *x, const rm_fir_pair *pairs, size_t pair_count,
                                    int shift, int16_t *out, size_t n)
{
    __m256i half = _mm256_set1_epi32(1 << (shift - 9));
    __m128i count = _mm_cvtsi32_si128(shift - 8);
    for (size_t i = 0; i < n; i += 32)
        row_32_avx2(x + i, pairs, pair_count, half, count, out + i);
}

/* ---- AVX-512 with VNNI, whose multiply-add accumulates: 64 outputs at a time, then 32 ---- */

RM_TARGET_AVX512 static inline __m512i finish_avx512(__m512i high, __m512i low, __m512i half,
                                                     __m128i shift)
{
    __m512i sum = _mm512_add_epi32(_mm512_add_epi32(high, _mm512_srai_epi32(low, 8)), half);
    return _mm512_sra_epi32(sum, shift);
}

/* vectors: 2 for 32 outputs, 4 for 64; a constant wherever this is inlined. */
RM_TARGET_AVX512 __attribute__((always_inline)) static inline void
row_avx512(int vectors, const int16_t *x, const rm_fir_pair *pairs, size_t pair_count, __m512i half,
           __m128i shift, int16_t *out)
{
    __m512i high[4], low[4];
    for (int k = 0; k < vectors; k++)
        high[k] = low[k] = _mm512_setzero_si512();
    for (size_t j = 0; j < pair_count; j++) {
        const int16_t *at = x + pairs[j].offset;
        __m512i high_taps = _mm512_set1_epi32(pairs[j].high);
        __m512i low_taps = _mm512_set1_epi32(pairs[j].low);
        for (int k = 0; k < vectors; k++) {
            __m512i samples = _mm512_loadu_si512(at + (k >> 1) * 32 + (k & 1));
            high[k] = _mm512_dpwssd_epi32(high[k], samples, high_taps);
            low[k] = _mm512_dpwssd_epi32(low[k], samples, low_taps);
        }
    }
    for (int k = 0; k < vectors; k += 2) {
        __m512i even = finish_avx512(high[k], low[k], half, shift);
        __m512i odd = finish_avx512(high[k + 1], low[k + 1], half, shift);
        __m512i woven = _mm512_unpacklo_epi32(even, odd), rest = _mm512_unpackhi_epi32(even, odd);
        _mm512_storeu_si512(out + k * 16, _mm512_packs_epi32(woven, rest));
    }
}

RM_TARGET_AVX512 void rm_fir_row_avx512(const int16_t *x, const rm_fir_pair *pairs,
                                        size_t pair_count, int shift, int16_t *out, size_t n)
{
    __m512i half = _mm512_set1_epi32(1 << (shift - 9));
    __m128i count = _mm_cvtsi32_si128(shift - 8);
    size_t i = 0;
    for (; i + 64 <= n; i += 64)
        row_avx512(4, x + i, pairs, pair_count, half, count, out + i);
    if (i < n)
        row_avx512(2, x + i, pairs, pair_count, half, count, out + i);
}

#endif
