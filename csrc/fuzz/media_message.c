/* libFuzzer target for the path from a provider's JSON text to PCM, with the json module of an
 * embedded Python as the judge: what the scanner accepts json.loads must accept, with the same
 * members, and every vector variant must give the samples that the definitions give.
 * README.md tells how to build and run it. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "g711.h"
#include "media_audio.h"
#include "media_message.h"

static PyObject *loads;

#define REQUIRE(condition) \
    do { \
        if (!(condition)) { \
            PyErr_Print(); \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            abort(); \
        } \
    } while (0)

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    Py_InitializeEx(0);
    PyObject *json = PyImport_ImportModule("json");
    REQUIRE(json);
    loads = PyObject_GetAttrString(json, "loads");
    REQUIRE(loads);
    return 0;
}

/* The first of these members that there is, borrowed. */
static PyObject *member(PyObject *object, const char *const *names)
{
    for (; *names; names++) {
        PyObject *value = PyDict_GetItemString(object, *names);
        if (value)
            return value;
    }
    return NULL;
}

static void require_text(const rm_span *field, PyObject *value)
{
    if (!field->at) {
        REQUIRE(value == NULL);
        return;
    }
    Py_ssize_t size;
    REQUIRE(value && PyUnicode_CheckExact(value));
    const char *text = PyUnicode_AsUTF8AndSize(value, &size);
    REQUIRE(text && (size_t)size == field->length && memcmp(text, field->at, field->length) == 0);
}

static void require_counter(int64_t field, PyObject *value)
{
    if (field < 0) {
        REQUIRE(value == NULL);
        return;
    }
    REQUIRE(value && (PyUnicode_CheckExact(value) || PyLong_CheckExact(value)));
    PyObject *number = PyNumber_Long(value);
    REQUIRE(number && PyLong_AsLongLong(number) == field);
    Py_DECREF(number);
}

static void require_same_as_json(const uint8_t *text, size_t n, const rm_media_message *message)
{
    static const char *const stream_ids[] = {"streamSid", "stream_sid", "streamId", "stream_id", NULL};
    static const char *const sequence[] = {"sequenceNumber", "sequence_number", NULL};
    PyObject *read = PyUnicode_DecodeASCII((const char *)text, (Py_ssize_t)n, NULL);
    REQUIRE(read);
    PyObject *members = PyObject_CallOneArg(loads, read);
    REQUIRE(members && PyDict_CheckExact(members));
    PyObject *event = PyDict_GetItemString(members, "event");
    REQUIRE(event && PyUnicode_CheckExact(event)
            && PyUnicode_CompareWithASCIIString(event, "media") == 0);
    PyObject *media = PyDict_GetItemString(members, "media");
    REQUIRE(media && PyDict_CheckExact(media) && message->payload.at);
    require_text(&message->payload, PyDict_GetItemString(media, "payload"));
    require_text(&message->track, PyDict_GetItemString(media, "track"));
    require_text(&message->stream_id, member(members, stream_ids));
    require_counter(message->sequence_number, member(members, sequence));
    require_counter(message->timestamp, PyDict_GetItemString(media, "timestamp"));
    require_counter(message->chunk, PyDict_GetItemString(media, "chunk"));
    Py_DECREF(members);
    Py_DECREF(read);
}

static void use(rm_simd variant)
{
    rm_base64_use(variant);
    rm_g711_use(variant);
    rm_resample_use(variant);
}

/* Decode with one variant into memory of exactly the promised size; *n = 0 and NULL for no. */
static int16_t *decoded(rm_simd variant, unsigned format, const rm_span *payload, size_t *n)
{
    static const int rates_hz[] = {8000, 16000, 24000, 48000};
    rm_wire_encoding encoding = (rm_wire_encoding)(format & 3);
    int rate_hz = encoding <= RM_WIRE_PCMA ? 8000 : rates_hz[format >> 2 & 3];
    rm_media_audio audio;
    use(variant);
    REQUIRE(rm_media_audio_init(&audio, encoding, rate_hz, 16000));
    *n = rm_media_audio_outputs(&audio,
                                rm_media_audio_samples(&audio, payload->at, payload->length));
    int16_t *pcm = malloc(*n ? *n * sizeof *pcm : 1);
    if (rm_media_audio_decode(&audio, payload->at, payload->length, pcm))
        return pcm;
    free(pcm);
    *n = 0;
    return NULL;
}

static void require_one_result(unsigned format, const rm_span *payload)
{
    size_t n, m;
    int16_t *defined = decoded(RM_SCALAR, format, payload, &n);
    for (int variant = RM_SCALAR + 1; variant < RM_SIMD_COUNT; variant++) {
        if (!rm_simd_has((rm_simd)variant))
            continue;
        int16_t *pcm = decoded((rm_simd)variant, format, payload, &m);
        REQUIRE(!pcm == !defined && n == m && (!pcm || memcmp(pcm, defined, 2 * n) == 0));
        free(pcm);
    }
    free(defined);
}

/* The first octet chooses the audio format. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    rm_media_message message;
    uint8_t *text = malloc(size);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    rm_span payload = {text, size - 1};
    if (rm_media_message_scan(text, size - 1, &message)) {
        require_same_as_json(text, size - 1, &message);
        payload = message.payload;
    }
    require_one_result(data[0], &payload);
    free(text);
    return 0;
}
