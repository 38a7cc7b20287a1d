/* The media message of the telephony providers' WebSocket protocols, found in its JSON text:
 *
 *     {"event":"media","sequenceNumber":"3","streamSid":"MZ…",
 *      "media":{"track":"inbound","chunk":"1","timestamp":"5","payload":"<base64>"}}
 *
 * Members in any order, others in between; `stream_sid`, `streamId`, `stream_id` and
 * `sequence_number` are the other providers' spellings; counters are strings or numbers.
 * Who calls: the Cython wrapper, which asks a JSON parser about every text refused here.
 */
#ifndef RM_MEDIA_MESSAGE_H
#define RM_MEDIA_MESSAGE_H

#include "json_text.h"

typedef struct rm_media_message {
    rm_span stream_id, track, payload; /* payload: not yet known to be base64 */
    int64_t sequence_number, timestamp, chunk; /* -1: absent */
} rm_media_message;

/* True: the whole text is JSON, a media message with a payload, and these are its fields. False: it
 * is something else, or unusual: escapes or non-ASCII in a field, a field given twice, a counter
 * that is not 1 to 18 digits, nesting beyond RM_JSON_DEPTH. text[length] must be a zero octet. */
bool rm_media_message_scan(const uint8_t *text, size_t length, rm_media_message *message);

#endif
