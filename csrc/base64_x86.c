/* Base64 with byte-shuffle instructions. The SSSE3 and AVX2 steps are the same on one or two
 * halves of a vector; AVX-512 with VBMI looks the whole alphabet up at once. */
#include "base64_variants.h"

#if RM_X86

#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#define SSSE3 __attribute__((target("ssse3")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vbmi")))

/* ---- tables of 16, by a character's nibbles ---- */

/* The high nibble puts a character into a class: 1 = "+/" (2x), 2 = digits (3x), 4 = the first half
 * of the letters (4x, 6x), 8 = the second half (5x, 7x), 16 = nothing in the alphabet. By the low
 * nibble: the classes in which it is outside the alphabet. A character is in it when both are
 * disjoint. */
#define CLASS_OF_HIGH 16, 16, 1, 2, 4, 8, 4, 8, 16, 16, 16, 16, 16, 16, 16, 16
#define OUTSIDE_BY_LOW \
    21, 17, 17, 17, 17, 17, 17, 17, 17, 17, 19, 26, 27, 27, 27, 26

/* What leads from the character to its value, by the high nibble; '/' uses the unused entry 1. */
#define TO_VALUE 0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0

/* And back: entry 0 for values 26..51, 1..12 for 52..63, 13 for 0..25. */
#define TO_CHARACTER 71, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -19, -16, 65, 0, 0

/* Three octets a b c of a group, in the four places b a c b: every six bits lie within 16. */
#define SPREAD 1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10

/* The three octets of each 24-bit number, the highest first; four octets stay empty. */
#define GATHER 2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1

/* ---- SSSE3 ---- */

/* 16 characters to 12 octets; false when one is outside the alphabet. */
SSSE3 static inline bool decode_16(const uint8_t *text, uint8_t *octets)
{
    __m128i c = _mm_loadu_si128((const __m128i *)text), nibble = _mm_set1_epi8(15);
    __m128i low = _mm_and_si128(c, nibble), high = _mm_and_si128(_mm_srli_epi16(c, 4), nibble);
    __m128i outside = _mm_and_si128(_mm_shuffle_epi8(_mm_setr_epi8(OUTSIDE_BY_LOW), low),
                                    _mm_shuffle_epi8(_mm_setr_epi8(CLASS_OF_HIGH), high));
    if (_mm_movemask_epi8(_mm_cmpeq_epi8(outside, _mm_setzero_si128())) != 0xffff)
        return false;
    __m128i entry = _mm_add_epi8(high, _mm_cmpeq_epi8(c, _mm_set1_epi8('/')));
    __m128i value = _mm_add_epi8(c, _mm_shuffle_epi8(_mm_setr_epi8(TO_VALUE), entry));
    __m128i pairs = _mm_maddubs_epi16(value, _mm_set1_epi16(0x0140)); /* 64 a + b */
    __m128i groups = _mm_madd_epi16(pairs, _mm_set1_epi32(0x00011000)); /* 4096 ab + cd */
    __m128i packed = _mm_shuffle_epi8(groups, _mm_setr_epi8(GATHER));
    _mm_storel_epi64((__m128i *)octets, packed);
    int last = _mm_cvtsi128_si32(_mm_srli_si128(packed, 8));
    memcpy(octets + 8, &last, 4);
    return true;
}

/* 12 octets to 16 characters; 16 octets are read. */
SSSE3 static inline void encode_12(const uint8_t *octets, uint8_t *text)
{
    __m128i in = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)octets), _mm_setr_epi8(SPREAD));
    __m128i even = _mm_mulhi_epu16(_mm_and_si128(in, _mm_set1_epi32(0x0fc0fc00)),
                                   _mm_set1_epi32(0x04000040));
    __m128i odd = _mm_mullo_epi16(_mm_and_si128(in, _mm_set1_epi32(0x003f03f0)),
                                  _mm_set1_epi32(0x01000010));
    __m128i value = _mm_or_si128(even, odd);
    __m128i upper = _mm_and_si128(_mm_cmplt_epi8(value, _mm_set1_epi8(26)), _mm_set1_epi8(13));
    __m128i entry = _mm_or_si128(_mm_subs_epu8(value, _mm_set1_epi8(51)), upper);
    __m128i shift = _mm_shuffle_epi8(_mm_setr_epi8(TO_CHARACTER), entry);
    _mm_storeu_si128((__m128i *)text, _mm_add_epi8(value, shift));
}

SSSE3 static size_t decode_ssse3(const uint8_t *text, size_t n, uint8_t *octets)
{
    size_t done = 0;
    while (n - done >= 16 && decode_16(text + done, octets + done / 4 * 3))
        done += 16;
    return done;
}

SSSE3 static size_t encode_ssse3(const uint8_t *octets, size_t n, uint8_t *text)
{
    size_t done = 0;
    for (; n - done >= 16; done += 12)
        encode_12(octets + done, text + done / 3 * 4);
    return done;
}

const rm_base64_bulk rm_base64_ssse3 = {decode_ssse3, encode_ssse3};

/* ---- AVX2 ---- */

#define BOTH_HALVES(...) _mm256_broadcastsi128_si256(_mm_setr_epi8(__VA_ARGS__))

RM_TARGET_AVX2 static inline bool decode_32(const uint8_t *text, uint8_t *octets)
{
    __m256i c = _mm256_loadu_si256((const __m256i *)text), nibble = _mm256_set1_epi8(15);
    __m256i low = _mm256_and_si256(c, nibble);
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(c, 4), nibble);
    __m256i outside = _mm256_shuffle_epi8(BOTH_HALVES(OUTSIDE_BY_LOW), low);
    if (!_mm256_testz_si256(outside, _mm256_shuffle_epi8(BOTH_HALVES(CLASS_OF_HIGH), high)))
        return false;
    __m256i entry = _mm256_add_epi8(high, _mm256_cmpeq_epi8(c, _mm256_set1_epi8('/')));
    __m256i value = _mm256_add_epi8(c, _mm256_shuffle_epi8(BOTH_HALVES(TO_VALUE), entry));
    __m256i pairs = _mm256_maddubs_epi16(value, _mm256_set1_epi16(0x0140));
    __m256i groups = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00011000));
    __m256i halves = _mm256_shuffle_epi8(groups, BOTH_HALVES(GATHER));
    __m256i packed
        = _mm256_permutevar8x32_epi32(halves, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7));
    _mm_storeu_si128((__m128i *)octets, _mm256_castsi256_si128(packed));
    _mm_storel_epi64((__m128i *)(octets + 16), _mm256_extracti128_si256(packed, 1));
    return true;
}

/* 24 octets to 32 characters; 28 octets are read. */
RM_TARGET_AVX2 static inline void encode_24(const uint8_t *octets, uint8_t *text)
{
    __m256i halves = _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)octets)),
        _mm_loadu_si128((const __m128i *)(octets + 12)), 1);
    __m256i in = _mm256_shuffle_epi8(halves, BOTH_HALVES(SPREAD));
    __m256i even = _mm256_mulhi_epu16(_mm256_and_si256(in, _mm256_set1_epi32(0x0fc0fc00)),
                                      _mm256_set1_epi32(0x04000040));
    __m256i odd = _mm256_mullo_epi16(_mm256_and_si256(in, _mm256_set1_epi32(0x003f03f0)),
                                     _mm256_set1_epi32(0x01000010));
    __m256i value = _mm256_or_si256(even, odd);
    __m256i upper = _mm256_and_si256(_mm256_cmpgt_epi8(_mm256_set1_epi8(26), value),
                                     _mm256_set1_epi8(13));
    __m256i entry = _mm256_or_si256(_mm256_subs_epu8(value, _mm256_set1_epi8(51)), upper);
    __m256i shift = _mm256_shuffle_epi8(BOTH_HALVES(TO_CHARACTER), entry);
    _mm256_storeu_si256((__m256i *)text, _mm256_add_epi8(value, shift));
}

RM_TARGET_AVX2 static size_t decode_avx2(const uint8_t *text, size_t n, uint8_t *octets)
{
    size_t done = 0;
    while (n - done >= 32 && decode_32(text + done, octets + done / 4 * 3))
        done += 32;
    if (n - done >= 16 && decode_16(text + done, octets + done / 4 * 3))
        done += 16;
    return done;
}

RM_TARGET_AVX2 static size_t encode_avx2(const uint8_t *octets, size_t n, uint8_t *text)
{
    size_t done = 0;
    for (; n - done >= 28; done += 24)
        encode_24(octets + done, text + done / 3 * 4);
    for (; n - done >= 16; done += 12)
        encode_12(octets + done, text + done / 3 * 4);
    return done;
}

const rm_base64_bulk rm_base64_avx2 = {decode_avx2, encode_avx2};

/* ---- AVX-512 with VBMI: masks take what is left in the last step ---- */

static const uint8_t alphabet[65]
    = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* By ASCII character; 0x80 for those outside the alphabet. By output octet: where in the 16 numbers
 * of 24 bits it lies. By input octet place: see SPREAD. */
static uint8_t values[128], gathered[64], spread[64];

__attribute__((constructor)) static void build_tables(void)
{
    memset(values, 0x80, sizeof values);
    for (uint8_t value = 0; value < 64; value++)
        values[alphabet[value]] = value;
    static const uint8_t places[4] = {1, 0, 2, 1};
    for (int i = 0; i < 64; i++) {
        gathered[i] = (uint8_t)(i < 48 ? i / 3 * 4 + 2 - i % 3 : 0);
        spread[i] = (uint8_t)(i / 4 * 3 + places[i % 4]);
    }
}

/* The lowest `count` lanes; count <= 64. */
static inline __mmask64 lanes(size_t count)
{
    return count == 0 ? 0 : ~0ULL >> (64 - count);
}

AVX512 static size_t decode_avx512(const uint8_t *text, size_t n, uint8_t *octets)
{
    const __m512i low_half = _mm512_loadu_si512(values), high_half = _mm512_loadu_si512(values + 64);
    const __m512i order = _mm512_loadu_si512(gathered);
    n -= n % 4;
    for (size_t done = 0; done < n; done += 64, octets += 48) {
        size_t step = n - done < 64 ? n - done : 64;
        __m512i c = _mm512_mask_loadu_epi8(_mm512_set1_epi8('A'), lanes(step), text + done);
        __m512i value = _mm512_permutex2var_epi8(low_half, c, high_half);
        if (_mm512_movepi8_mask(_mm512_or_si512(value, c)) != 0)
            return done;
        __m512i pairs = _mm512_maddubs_epi16(value, _mm512_set1_epi16(0x0140));
        __m512i groups = _mm512_madd_epi16(pairs, _mm512_set1_epi32(0x00011000));
        _mm512_mask_storeu_epi8(octets, lanes(step / 4 * 3),
                                _mm512_permutexvar_epi8(order, groups));
    }
    return n;
}

AVX512 static size_t encode_avx512(const uint8_t *octets, size_t n, uint8_t *text)
{
    const __m512i characters = _mm512_loadu_si512(alphabet), order = _mm512_loadu_si512(spread);
    /* Of b a c b in a word: a's upper six bits begin at bit 10, the next six at 4, 22, 16. */
    const __m512i begins = _mm512_set1_epi64(0x3036242a1016040a);
    n -= n % 3;
    for (size_t done = 0; done < n; done += 48, text += 64) {
        size_t step = n - done < 48 ? n - done : 48;
        __m512i in = _mm512_maskz_loadu_epi8(lanes(step), octets + done);
        __m512i bits = _mm512_multishift_epi64_epi8(begins, _mm512_permutexvar_epi8(order, in));
        _mm512_mask_storeu_epi8(text, lanes(step / 3 * 4),
                                _mm512_permutexvar_epi8(bits, characters));
    }
    return n;
}

const rm_base64_bulk rm_base64_avx512 = {decode_avx512, encode_avx512};

#endif
