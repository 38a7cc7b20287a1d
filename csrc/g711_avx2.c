/* G.711 with AVX2 instructions. The arithmetic is that of g711_lanes.c: an octet is a
 * small float. Names end in the number of samples in a vector. */
#include "g711_variants.h"

#if RM_X86

#include <immintrin.h>

/* value * 2^segment by a table of powers of two; bit 7 of the code may be set, bits 8..15 not. */
RM_TARGET_AVX2 static inline __m256i scale_16(__m256i value, __m256i code)
{
    const __m256i powers = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128));
    __m256i nibble = _mm256_or_si256(_mm256_srli_epi16(code, 4), _mm256_set1_epi16((short)0x8000));
    return _mm256_mullo_epi16(value, _mm256_shuffle_epi8(powers, nibble));
}

/* Negate where bit 7 of the code is set. */
RM_TARGET_AVX2 static inline __m256i signed_16(__m256i value, __m256i code)
{
    __m256i sign = _mm256_or_si256(_mm256_slli_epi16(code, 8), _mm256_set1_epi16(1));
    return _mm256_sign_epi16(value, sign);
}

RM_TARGET_AVX2 static inline void ulaw_decode_16(const uint8_t *in, int16_t *out)
{
    __m256i code = _mm256_xor_si256(_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)in)),
                                    _mm256_set1_epi16(0xff));
    __m256i step = _mm256_slli_epi16(_mm256_and_si256(code, _mm256_set1_epi16(15)), 3);
    __m256i bias = _mm256_set1_epi16(132);
    __m256i value = _mm256_sub_epi16(scale_16(_mm256_add_epi16(step, bias), code), bias);
    _mm256_storeu_si256((__m256i *)out, signed_16(value, code));
}

RM_TARGET_AVX2 static inline void alaw_decode_16(const uint8_t *in, int16_t *out)
{
    __m256i code = _mm256_xor_si256(_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)in)),
                                    _mm256_set1_epi16(0xd5));
    __m256i step = _mm256_slli_epi16(_mm256_and_si256(code, _mm256_set1_epi16(15)), 3);
    __m256i curved = scale_16(_mm256_add_epi16(step, _mm256_set1_epi16(132)), code);
    __m256i straight = _mm256_add_epi16(_mm256_add_epi16(step, step), _mm256_set1_epi16(8));
    __m256i segment = _mm256_and_si256(code, _mm256_set1_epi16(0x70));
    __m256i linear = _mm256_cmpeq_epi16(segment, _mm256_setzero_si256());
    __m256i value = _mm256_blendv_epi8(curved, straight, linear);
    _mm256_storeu_si256((__m256i *)out, signed_16(value, code));
}

/* Bits 30..19 of each magnitude as a float. */
RM_TARGET_AVX2 static inline __m256i exponent_and_step_16(__m256i magnitude)
{
    __m256i zero = _mm256_setzero_si256();
    __m256 low = _mm256_cvtepi32_ps(_mm256_unpacklo_epi16(magnitude, zero));
    __m256 high = _mm256_cvtepi32_ps(_mm256_unpackhi_epi16(magnitude, zero));
    return _mm256_packs_epi32(_mm256_srli_epi32(_mm256_castps_si256(low), 19),
                              _mm256_srli_epi32(_mm256_castps_si256(high), 19));
}

RM_TARGET_AVX2 static inline __m256i ones_complement_16(__m256i pcm)
{
    return _mm256_xor_si256(pcm, _mm256_srai_epi16(pcm, 15));
}

RM_TARGET_AVX2 static inline __m256i ulaw_code_16(__m256i pcm)
{
    __m256i magnitude = _mm256_add_epi16(_mm256_srli_epi16(ones_complement_16(pcm), 2),
                                         _mm256_set1_epi16(33));
    magnitude = _mm256_min_epi16(magnitude, _mm256_set1_epi16(8191));
    return _mm256_sub_epi16(_mm256_set1_epi16(((127 + 5) << 4) + 255),
                            exponent_and_step_16(magnitude));
}

RM_TARGET_AVX2 static inline __m256i alaw_code_16(__m256i pcm)
{
    __m256i magnitude = _mm256_srli_epi16(ones_complement_16(pcm), 4);
    __m256i curved = _mm256_sub_epi16(exponent_and_step_16(magnitude),
                                      _mm256_set1_epi16((127 + 3) << 4));
    __m256i linear = _mm256_cmpgt_epi16(_mm256_set1_epi16(16), magnitude);
    return _mm256_xor_si256(_mm256_blendv_epi8(curved, magnitude, linear), _mm256_set1_epi16(0xd5));
}

/* Two vectors of codes to octets, the sign of the samples in bit 7. */
RM_TARGET_AVX2 static inline void store_codes_32(uint8_t *out, __m256i first, __m256i second,
                                                 __m256i first_code, __m256i second_code)
{
    __m256i sign = _mm256_and_si256(_mm256_packs_epi16(first, second), _mm256_set1_epi8(-128));
    __m256i codes = _mm256_xor_si256(_mm256_packus_epi16(first_code, second_code), sign);
    _mm256_storeu_si256((__m256i *)out, _mm256_permute4x64_epi64(codes, 0xd8));
}

RM_TARGET_AVX2 static inline void ulaw_encode_32(const int16_t *in, uint8_t *out)
{
    __m256i first = _mm256_loadu_si256((const __m256i *)in);
    __m256i second = _mm256_loadu_si256((const __m256i *)(in + 16));
    store_codes_32(out, first, second, ulaw_code_16(first), ulaw_code_16(second));
}

RM_TARGET_AVX2 static inline void alaw_encode_32(const int16_t *in, uint8_t *out)
{
    __m256i first = _mm256_loadu_si256((const __m256i *)in);
    __m256i second = _mm256_loadu_si256((const __m256i *)(in + 16));
    store_codes_32(out, first, second, alaw_code_16(first), alaw_code_16(second));
}

RM_TARGET_AVX2 static void ulaw_decode_avx2(const uint8_t *in, int16_t *out, size_t n)
{
    RM_EACH_VECTOR(16, ulaw_decode_16, rm_g711_lanes.ulaw_decode);
}

RM_TARGET_AVX2 void rm_ulaw_encode_avx2(const int16_t *in, uint8_t *out, size_t n)
{
    RM_EACH_VECTOR(32, ulaw_encode_32, rm_g711_lanes.ulaw_encode);
}

RM_TARGET_AVX2 static void alaw_decode_avx2(const uint8_t *in, int16_t *out, size_t n)
{
    RM_EACH_VECTOR(16, alaw_decode_16, rm_g711_lanes.alaw_decode);
}

RM_TARGET_AVX2 void rm_alaw_encode_avx2(const int16_t *in, uint8_t *out, size_t n)
{
    RM_EACH_VECTOR(32, alaw_encode_32, rm_g711_lanes.alaw_encode);
}

const rm_g711_kernels rm_g711_avx2 = {ulaw_decode_avx2, rm_ulaw_encode_avx2, alaw_decode_avx2,
                                      rm_alaw_encode_avx2};

#endif
