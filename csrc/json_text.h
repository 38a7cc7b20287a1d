/* A strict scanner over JSON text (RFC 8259) that builds nothing.
 *
 * What for: find a few members of a message and be sure that all around them is JSON. Who calls:
 * media_message.c. What it accepts every JSON parser accepts, with the same extents; it may refuse
 * what is legal but unusual, and the caller then asks a complete parser.
 *
 * The text must be followed by a readable zero octet (CPython's str and bytes are), which no
 * construct of JSON contains: so looking at the next octet needs no test for the end.
 */
#ifndef RM_JSON_TEXT_H
#define RM_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

/* Part of the text, not terminated. */
typedef struct rm_span {
    const uint8_t *at; /* NULL: absent */
    size_t length;
} rm_span;

/* Where the scanner is. Quotes and all else that ends a plain run of a string are found 64 octets at
 * a time; which is the next one is then a matter of bits, and waits for no load. */
typedef struct rm_json {
    const uint8_t *at, *begin, *end;
    const uint8_t *window; /* the octet after those looked at */
    uint64_t special;      /* not yet passed, of the window's last 64 octets */
} rm_json;

enum {
    RM_JSON_DEPTH = 64,         /* nested arrays and objects */
    RM_JSON_NUMBER_LENGTH = 64, /* a parser that makes numbers has limits too */
};

static inline rm_json rm_json_over(const uint8_t *text, size_t length)
{
    return (rm_json){text, text, text + length, text, 0};
}

/* RFC 8259 section 2: "ws". */
static inline bool rm_json_is_space(uint8_t octet)
{
    return octet == ' ' || octet == '\n' || octet == '\t' || octet == '\r';
}

static inline void rm_json_space(rm_json *json)
{
    while (*json->at <= ' ' && rm_json_is_space(*json->at))
        json->at++;
}

/* Past that octet and the white space before and after it. */
static inline bool rm_json_take(rm_json *json, uint8_t octet)
{
    rm_json_space(json);
    if (*json->at != octet)
        return false;
    json->at++;
    rm_json_space(json);
    return true;
}

/* One bit for each of 64 octets that is not plain. Section 7: "All Unicode characters may be placed
 * within the quotation marks, except for the characters that MUST be escaped: quotation mark,
 * reverse solidus, and the control characters". What is not ASCII is left to others. */
#if defined(__x86_64__)

static inline uint64_t rm_json_special_in_16(const uint8_t *at)
{
    __m128i octets = _mm_loadu_si128((const __m128i *)at);
    __m128i quote = _mm_cmpeq_epi8(octets, _mm_set1_epi8('"'));
    __m128i escape = _mm_cmpeq_epi8(octets, _mm_set1_epi8('\\'));
    /* As signed octets, control characters and all that is not ASCII lie below the space. */
    __m128i outside = _mm_cmplt_epi8(octets, _mm_set1_epi8(' '));
    return (uint16_t)_mm_movemask_epi8(_mm_or_si128(outside, _mm_or_si128(quote, escape)));
}

static inline uint64_t rm_json_special_in_64(const uint8_t *at)
{
    return rm_json_special_in_16(at) | rm_json_special_in_16(at + 16) << 16
           | rm_json_special_in_16(at + 32) << 32 | rm_json_special_in_16(at + 48) << 48;
}

#else

static inline uint64_t rm_json_special_in_64(const uint8_t *at)
{
    uint64_t special = 0;
    for (int i = 0; i < 64; i++)
        special |= (uint64_t)(at[i] < 0x20 || at[i] > 0x7f || at[i] == '"' || at[i] == '\\') << i;
    return special;
}

#endif

/* Look at the next 64 octets; those beyond the text count as special. */
static inline void rm_json_next_window(rm_json *json)
{
    size_t left = (size_t)(json->end - json->window);
    if (left >= 64) {
        json->special = rm_json_special_in_64(json->window);
    } else if (left > 0 && json->end - json->begin >= 64) {
        json->special = rm_json_special_in_64(json->end - 64) >> (64 - left) | ~0ULL << left;
    } else {
        uint8_t rest[64] = {0};
        memcpy(rest, json->window, left);
        json->special = rm_json_special_in_64(rest);
    }
    json->window += 64;
}

/* The first octet from `at` on that is not plain, at the latest the end. Each is given once; the end
 * is the last one, since whatever stands there is not part of any construct. */
static inline const uint8_t *rm_json_plain_end(rm_json *json, const uint8_t *at)
{
    for (;;) {
        while (json->special == 0)
            rm_json_next_window(json);
        const uint8_t *found = json->window - 64 + __builtin_ctzll(json->special);
        json->special &= json->special - 1;
        if (found >= at)
            return found;
    }
}

/* Past a string of printable ASCII without escapes; `string` is what lies between the quotes. */
static inline bool rm_json_plain_string(rm_json *json, rm_span *string)
{
    if (*json->at != '"')
        return false;
    const uint8_t *begin = json->at + 1, *end = rm_json_plain_end(json, begin);
    if (*end != '"')
        return false;
    *string = (rm_span){begin, (size_t)(end - begin)};
    json->at = end + 1;
    return true;
}

/* Past any value: strings with escapes, but ASCII; nesting and numbers within the limits above. */
bool rm_json_skip_value(rm_json *json);

/* The same on a copy, so that the scanner of an inlined caller can stay in registers. */
static inline bool rm_json_skip(rm_json *json)
{
    rm_json copy = *json;
    bool skipped = rm_json_skip_value(&copy);
    *json = copy;
    return skipped;
}

#endif
