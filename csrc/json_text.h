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

/* Part of the text, not terminated. */
typedef struct rm_span {
    const uint8_t *at; /* NULL: absent */
    size_t length;
} rm_span;

typedef struct rm_json {
    const uint8_t *at, *begin, *end;
} rm_json;

enum {
    RM_JSON_DEPTH = 64,         /* nested arrays and objects */
    RM_JSON_NUMBER_LENGTH = 64, /* a parser that makes numbers has limits too */
};

static inline rm_json rm_json_over(const uint8_t *text, size_t length)
{
    return (rm_json){text, text, text + length};
}

static inline void rm_json_space(rm_json *json)
{
    while (*json->at == ' ' || *json->at == '\n' || *json->at == '\t' || *json->at == '\r')
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

/* Past a string of printable ASCII without escapes; `string` is what lies between the quotes. */
bool rm_json_plain_string(rm_json *json, rm_span *string);

/* Past any value: strings with escapes, but ASCII; nesting and numbers within the limits above. */
bool rm_json_skip(rm_json *json);

#endif
