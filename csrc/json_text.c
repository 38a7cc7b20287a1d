/* The grammar of RFC 8259, section by section; the contract is in json_text.h. */
#include "json_text.h"

#include <string.h>

static inline bool is_digit(uint8_t octet)
{
    return octet >= '0' && octet <= '9';
}

static inline bool is_hex_digit(uint8_t octet)
{
    return is_digit(octet) || ((octet | 0x20) >= 'a' && (octet | 0x20) <= 'f');
}

/* At the octet after a reverse solidus. */
static const uint8_t *escape_end(const uint8_t *at)
{
    if (*at != 'u')
        return *at != 0 && strchr("\"\\/bfnrt", *at) != NULL ? at + 1 : NULL;
    for (int i = 1; i <= 4; i++)
        if (!is_hex_digit(at[i]))
            return NULL;
    return at + 5;
}

static bool skip_string(rm_json *json)
{
    if (*json->at != '"')
        return false;
    const uint8_t *at = rm_json_plain_end(json, json->at + 1);
    while (*at == '\\') {
        at = escape_end(at + 1);
        if (at == NULL)
            return false;
        at = rm_json_plain_end(json, at);
    }
    json->at = at + 1;
    return *at == '"';
}

static const uint8_t *digits_end(const uint8_t *at)
{
    while (is_digit(*at))
        at++;
    return at;
}

/* Section 6: [ minus ] int [ frac ] [ exp ], "Leading zeros are not allowed." */
static bool skip_number(rm_json *json)
{
    const uint8_t *at = json->at + (*json->at == '-'), *digits = at;
    at = *at == '0' ? at + 1 : digits_end(at);
    if (at == digits)
        return false;
    if (*at == '.') {
        digits = at + 1;
        at = digits_end(digits);
        if (at == digits)
            return false;
    }
    if (*at == 'e' || *at == 'E') {
        digits = at + 1 + (at[1] == '+' || at[1] == '-');
        at = digits_end(digits);
        if (at == digits)
            return false;
    }
    bool short_enough = at - json->at <= RM_JSON_NUMBER_LENGTH;
    json->at = at;
    return short_enough;
}

/* Section 3. strncmp stops at the zero octet after the text. */
static bool skip_word(rm_json *json, const char *word, size_t length)
{
    if (strncmp((const char *)json->at, word, length) != 0)
        return false;
    json->at += length;
    return true;
}

/* Anything but an array or an object. */
static bool skip_scalar(rm_json *json)
{
    switch (*json->at) {
    case '"':
        return skip_string(json);
    case 't':
        return skip_word(json, "true", 4);
    case 'f':
        return skip_word(json, "false", 5);
    case 'n':
        return skip_word(json, "null", 4);
    default:
        return skip_number(json);
    }
}

static bool skip_name(rm_json *json)
{
    return skip_string(json) && rm_json_take(json, ':');
}

/* What encloses the value at hand, the innermost in bit 0: 1 for an object. */
typedef struct enclosing {
    uint64_t objects;
    unsigned depth;
} enclosing;

/* After a value: past the closing brackets and, unless nothing is open any more, past the comma to
 * the next value. */
static bool close_and_advance(rm_json *json, enclosing *outer)
{
    while (outer->depth > 0) {
        bool object = outer->objects & 1;
        rm_json_space(json);
        if (*json->at == ',')
            return rm_json_take(json, ',') && (!object || skip_name(json));
        if (*json->at != (object ? '}' : ']'))
            return false;
        json->at++;
        outer->objects >>= 1;
        outer->depth--;
    }
    return true;
}

bool rm_json_skip_value(rm_json *json)
{
    enclosing outer = {0, 0};
    do {
        uint8_t opening = *json->at;
        if (opening != '{' && opening != '[') {
            if (!skip_scalar(json))
                return false;
        } else {
            bool object = opening == '{';
            if (outer.depth == RM_JSON_DEPTH)
                return false;
            rm_json_take(json, opening);
            outer.objects = outer.objects << 1 | object;
            outer.depth++;
            if (*json->at != (object ? '}' : ']')) {
                if (object && !skip_name(json))
                    return false;
                continue;
            }
        }
        if (!close_and_advance(json, &outer))
            return false;
    } while (outer.depth > 0);
    return true;
}
