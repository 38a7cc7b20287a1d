/* G.711 decoding with AVX-512: a 128-entry table held in registers, a quarter of AVX2's time.
 * Encoding gains nothing from wider vectors (the conversions to float are as many) and stays with
 * AVX2. */
#include "g711_variants.h"

#if RM_X86

#include <immintrin.h>

/* The magnitudes of the 128 codes of one sign, low octets and high octets apart. */
typedef struct magnitudes {
    _Alignas(64) uint8_t low[128];
    _Alignas(64) uint8_t high[128];
} magnitudes;

static magnitudes ulaw_magnitudes, alaw_magnitudes;

static void fill(magnitudes *table, void (*decode)(const uint8_t *, int16_t *, size_t))
{
    for (int i = 0; i < 128; i++) {
        uint8_t positive = (uint8_t)(0x80 | i); /* bit 7 is set for positive values in both laws */
        int16_t value;
        decode(&positive, &value, 1);
        table->low[i] = (uint8_t)value;
        table->high[i] = (uint8_t)(value >> 8);
    }
}

__attribute__((constructor)) static void fill_tables(void)
{
    fill(&ulaw_magnitudes, rm_g711_lanes.ulaw_decode);
    fill(&alaw_magnitudes, rm_g711_lanes.alaw_decode);
}

RM_TARGET_AVX512 static inline void decode_64(const uint8_t *in, int16_t *out,
                                              const magnitudes *table)
{
    __m512i codes = _mm512_loadu_si512(in);
    __mmask64 negative = ~_mm512_movepi8_mask(codes);
    /* unpack works on 16-octet groups: take the octets 0..31 to their first halves beforehand. */
    codes = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7), codes);
    __m512i low = _mm512_permutex2var_epi8(_mm512_load_si512(table->low), codes,
                                           _mm512_load_si512(table->low + 64));
    __m512i high = _mm512_permutex2var_epi8(_mm512_load_si512(table->high), codes,
                                            _mm512_load_si512(table->high + 64));
    __m512i first = _mm512_unpacklo_epi8(low, high), second = _mm512_unpackhi_epi8(low, high);
    __m512i zero = _mm512_setzero_si512();
    first = _mm512_mask_sub_epi16(first, (__mmask32)negative, zero, first);
    second = _mm512_mask_sub_epi16(second, (__mmask32)(negative >> 32), zero, second);
    _mm512_storeu_si512(out, first);
    _mm512_storeu_si512(out + 32, second);
}

RM_TARGET_AVX512 static inline void ulaw_decode_64(const uint8_t *in, int16_t *out)
{
    decode_64(in, out, &ulaw_magnitudes);
}

RM_TARGET_AVX512 static inline void alaw_decode_64(const uint8_t *in, int16_t *out)
{
    decode_64(in, out, &alaw_magnitudes);
}

RM_TARGET_AVX512 static void ulaw_decode_avx512(const uint8_t *in, int16_t *out, size_t n)
{
    RM_EACH_VECTOR(64, ulaw_decode_64, rm_g711_avx2.ulaw_decode);
}

RM_TARGET_AVX512 static void alaw_decode_avx512(const uint8_t *in, int16_t *out, size_t n)
{
    RM_EACH_VECTOR(64, alaw_decode_64, rm_g711_avx2.alaw_decode);
}

const rm_g711_kernels rm_g711_avx512 = {ulaw_decode_avx512, rm_ulaw_encode_avx2, alaw_decode_avx512,
                                        rm_alaw_encode_avx2};

#endif
