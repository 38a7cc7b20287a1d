/* Finds the media message in JSON text; the contract is in media_message.h. */
#include "media_message.h"

#include <string.h>

enum { COUNTER_DIGITS = 18 }; /* always fits int64_t */

static inline bool equals(const rm_span *span, const char *word, size_t length)
{
    return span->length == length && memcmp(span->at, word, length) == 0;
}
#define IS(span, word) equals(span, word, sizeof(word) - 1)

static bool read_text(rm_json *json, rm_span *field)
{
    return field->at == NULL && rm_json_plain_string(json, field);
}

/* Past "5" or 5; NULL when it is anything else. */
static const uint8_t *counter_end(const uint8_t *begin, int64_t *counter)
{
    const uint8_t *digits = begin + (*begin == '"'), *at = digits;
    int64_t value = 0;
    for (; at - digits < COUNTER_DIGITS && *at >= '0' && *at <= '9'; at++)
        value = value * 10 + (*at - '0');
    *counter = value;
    if (at == digits)
        return NULL;
    if (*begin == '"')
        return *at == '"' ? at + 1 : NULL;
    bool leading_zero = *digits == '0' && at - digits > 1;
    bool goes_on = (*at >= '0' && *at <= '9') || *at == '.' || *at == 'e' || *at == 'E';
    return leading_zero || goes_on ? NULL : at;
}

static inline bool read_counter(rm_json *json, int64_t *field)
{
    bool first = *field < 0;
    const uint8_t *end = counter_end(json->at, field);
    if (end == NULL || !first)
        return false;
    json->at = end;
    return true;
}

static bool read_media_member(rm_json *json, const rm_span *name, rm_media_message *message)
{
    if (IS(name, "payload"))
        return read_text(json, &message->payload);
    if (IS(name, "track"))
        return read_text(json, &message->track);
    if (IS(name, "timestamp"))
        return read_counter(json, &message->timestamp);
    if (IS(name, "chunk"))
        return read_counter(json, &message->chunk);
    return rm_json_skip(json);
}

typedef struct seen {
    rm_media_message *message;
    bool event, media;
} seen;

/* After a member: true at the next one, and at the end of the object with *last set. */
static inline bool next_member(rm_json *json, bool *last)
{
    rm_json_space(json);
    *last = *json->at == '}';
    if (*last) {
        json->at++;
        return true;
    }
    return rm_json_take(json, ',');
}

static inline bool read_name(rm_json *json, rm_span *name)
{
    return rm_json_plain_string(json, name) && rm_json_take(json, ':');
}

/* An object without members has no payload. */
static bool read_media(rm_json *json, seen *seen)
{
    rm_span name;
    bool last = false;
    if (seen->media || !rm_json_take(json, '{'))
        return false;
    seen->media = true;
    while (!last)
        if (!read_name(json, &name) || !read_media_member(json, &name, seen->message)
            || !next_member(json, &last))
            return false;
    return true;
}

static bool read_event(rm_json *json, seen *seen)
{
    rm_span event;
    if (seen->event || !rm_json_plain_string(json, &event))
        return false;
    seen->event = true;
    return IS(&event, "media");
}

static bool read_member(rm_json *json, const rm_span *name, seen *seen)
{
    if (IS(name, "media"))
        return read_media(json, seen);
    if (IS(name, "event"))
        return read_event(json, seen);
    if (IS(name, "streamSid") || IS(name, "stream_id") || IS(name, "stream_sid")
        || IS(name, "streamId"))
        return read_text(json, &seen->message->stream_id);
    if (IS(name, "sequenceNumber") || IS(name, "sequence_number"))
        return read_counter(json, &seen->message->sequence_number);
    return rm_json_skip(json);
}

bool rm_media_message_scan(const uint8_t *text, size_t length, rm_media_message *message)
{
    rm_json json = rm_json_over(text, length);
    seen seen = {message, false, false};
    rm_span name;
    bool last = false;
    memset(message, 0, sizeof *message);
    message->sequence_number = message->timestamp = message->chunk = -1;
    if (!rm_json_take(&json, '{'))
        return false;
    while (!last)
        if (!read_name(&json, &name) || !read_member(&json, &name, &seen)
            || !next_member(&json, &last))
            return false;
    rm_json_space(&json);
    return json.at == json.end && seen.event && message->payload.at != NULL;
}
