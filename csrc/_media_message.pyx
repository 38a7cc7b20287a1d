# cython: binding=False, always_allow_keywords=True
"""The providers' JSON media messages <-> PCM frames, each in one call.

Who calls: the WebSocket providers' stream protocols, once per message. A message of the usual form is
read by one C scanner; every other text goes to the json module, with the same result.
"""

cimport cython
from libc.stdint cimport int16_t, int64_t, uint8_t
from libc.string cimport memcmp, memcpy

from json import dumps, loads
from os.path import commonprefix

from octets cimport new_octets, octets, octets_of, pcm_octets, samples_of
from simd cimport rm_simd, variant_called, variant_names


cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    void *PyUnicode_DATA(object text)
    str PyUnicode_New(Py_ssize_t size, Py_UCS4 highest)
    str PyUnicode_DecodeASCII(const char *text, Py_ssize_t size, const char *errors)

cdef extern from "base64.h" nogil:
    size_t rm_base64_length(size_t octets)
    void rm_base64_use(rm_simd variant)

cdef extern from "g711.h" nogil:
    void rm_g711_use(rm_simd variant)

cdef extern from "resample.h" nogil:
    void rm_resample_use(rm_simd variant)

cdef extern from "media_message.h" nogil:
    ctypedef struct rm_span:
        const uint8_t *at
        size_t length
    ctypedef struct rm_media_message:
        rm_span stream_id
        rm_span track
        rm_span payload
        int64_t sequence_number
        int64_t timestamp
        int64_t chunk
    bint rm_media_message_scan(const uint8_t *text, size_t length, rm_media_message *message)

cdef extern from "media_audio.h" nogil:
    ctypedef enum rm_wire_encoding:
        RM_WIRE_PCMU
        RM_WIRE_PCMA
        RM_WIRE_L16
        RM_WIRE_L16LE
    ctypedef struct rm_media_audio:
        pass
    size_t rm_wire_sample_octets(rm_wire_encoding encoding)
    bint rm_media_audio_init(
        rm_media_audio *audio, rm_wire_encoding encoding, int from_hz, int to_hz)
    void rm_media_audio_reset(rm_media_audio *audio)
    size_t rm_media_audio_outputs(const rm_media_audio *audio, size_t n)
    size_t rm_media_audio_samples(const rm_media_audio *audio, const uint8_t *text, size_t n)
    bint rm_media_audio_decode(rm_media_audio *audio, const uint8_t *text, size_t n, int16_t *pcm)
    void rm_media_audio_encode(rm_media_audio *audio, const int16_t *pcm, size_t n, uint8_t *text)


cdef dict ENCODINGS = {
    "PCMU": RM_WIRE_PCMU, "PCMA": RM_WIRE_PCMA, "L16": RM_WIRE_L16, "L16LE": RM_WIRE_L16LE
}


cdef rm_wire_encoding encoding_called(str name, int rate_hz) except *:
    if name not in ENCODINGS:
        raise ValueError(f"expected an encoding of {', '.join(ENCODINGS)}, got {name!r}")
    if name in ("PCMU", "PCMA") and rate_hz != 8000:
        raise ValueError(f"expected G.711 at 8000 Hz, got {rate_hz}")
    return ENCODINGS[name]


cdef int open_audio(
    rm_media_audio *audio, rm_wire_encoding encoding, int from_hz, int to_hz
) except -1:
    if from_hz <= 0 or to_hz <= 0 or not rm_media_audio_init(audio, encoding, from_hz, to_hz):
        raise ValueError(f"no conversion from {from_hz} to {to_hz} Hz")
    return 0


@cython.final
@cython.freelist(16)
cdef class MediaMessage:
    """What one media message carried; a field that it did not carry is None.

    pcm: s16le mono at the decoder's output rate.  timestamp: the provider's, mostly milliseconds.
    """

    cdef readonly bytes pcm
    cdef readonly str stream_id
    cdef readonly str track
    cdef int64_t _sequence_number
    cdef int64_t _timestamp
    cdef int64_t _chunk

    @property
    def sequence_number(self):
        return self._sequence_number if self._sequence_number >= 0 else None

    @property
    def timestamp(self):
        return self._timestamp if self._timestamp >= 0 else None

    @property
    def chunk(self):
        return self._chunk if self._chunk >= 0 else None


cdef object first_of(dict members, tuple names):
    for name in names:
        if name in members:
            return members[name]
    return None


cdef str text_or_none(object value):
    return value if type(value) is str else None


cdef int64_t counter(object value) except -2:
    # "5" or 5, of 1 to 18 digits; -1 for everything else.
    if type(value) is int:
        return value if 0 <= value < 10**18 else -1
    if type(value) is str and len(value) <= 18 and value.isascii() and value.isdigit():
        return int(value)
    return -1


cdef inline str remembered(str last, const rm_span *span):
    # The same few texts come again and again: no new object for one that equals the last.
    if span.at == NULL:
        return None
    if (
        last is not None
        and <size_t>PyUnicode_GET_LENGTH(last) == span.length
        and memcmp(PyUnicode_DATA(last), span.at, span.length) == 0
    ):
        return last
    return PyUnicode_DecodeASCII(<const char *>span.at, <Py_ssize_t>span.length, NULL)


@cython.final
cdef class MediaMessageDecoder:
    """One stream's incoming messages, with the state of its resampler.

    encoding: PCMU, PCMA, L16LE (the low octet first) or L16 (network order); at rate_hz 8000 for
    G.711, 8000, 16000, 24000, 32000 or 48000 otherwise.  to_hz: the rate of the PCM given.
    limit_length: a longer message is dropped unread.  ValueError for other values.
    """

    cdef rm_media_audio _audio
    cdef readonly str encoding
    cdef readonly int rate_hz
    cdef readonly int to_hz
    cdef readonly Py_ssize_t limit_length
    cdef str _last_stream_id
    cdef str _last_track
    cdef long long _media, _parsed, _other, _too_long, _bad_json, _bad_message, _bad_payload

    def __cinit__(
        self, str encoding="PCMU", int rate_hz=8000, *, int to_hz=16000,
        Py_ssize_t limit_length=262144
    ):
        open_audio(&self._audio, encoding_called(encoding, rate_hz), rate_hz, to_hz)
        self.encoding = encoding
        self.rate_hz = rate_hz
        self.to_hz = to_hz
        self.limit_length = limit_length

    def reset(self):
        """Forget the audio so far; the next message starts a new stream. Counters stay."""
        rm_media_audio_reset(&self._audio)

    def statistics(self):
        """Return the messages counted so far.

        media: decoded, `parsed` of them by the json module.  other: valid, another event.  Dropped
        are too_long, bad_json, bad_message (no object, or media without a payload text) and
        bad_payload (not base64 of whole samples).
        """
        return {
            "media": self._media, "parsed": self._parsed, "other": self._other,
            "too_long": self._too_long, "bad_json": self._bad_json,
            "bad_message": self._bad_message, "bad_payload": self._bad_payload,
        }

    def decode(self, message, /):
        """Translate one message, str or octets, as it came from the socket.

        Returns a MediaMessage; for any other JSON object that object as a dict; and None, counted
        in statistics(), for what is neither. A dropped message leaves the audio state alone. What
        is JSON is what json.loads takes; among members of the same name the last one counts.
        TypeError when the message is neither str nor octets.
        """
        cdef rm_media_message found
        cdef bytes held
        cdef const uint8_t *text
        cdef Py_ssize_t length
        if isinstance(message, str):
            length = PyUnicode_GET_LENGTH(message)
            text = <const uint8_t *>PyUnicode_DATA(message)
            if not PyUnicode_IS_COMPACT_ASCII(message):
                text = NULL
        else:
            held = octets(message)
            length = len(held)
            text = octets_of(held)
            message = held
        if length > self.limit_length:
            self._too_long += 1
            return None
        if text == NULL or not rm_media_message_scan(text, <size_t>length, &found):
            return self._decode_parsed(message)
        self._last_stream_id = remembered(self._last_stream_id, &found.stream_id)
        self._last_track = remembered(self._last_track, &found.track)
        return self._decode_payload(&found, self._last_stream_id, self._last_track)

    cdef _decode_payload(self, const rm_media_message *found, str stream_id, str track):
        cdef size_t n = rm_media_audio_samples(
            &self._audio, found.payload.at, found.payload.length)
        cdef bytes pcm = new_octets(2 * rm_media_audio_outputs(&self._audio, n))
        if not rm_media_audio_decode(
            &self._audio, found.payload.at, found.payload.length, <int16_t *>samples_of(pcm)
        ):
            self._bad_payload += 1
            return None
        self._media += 1
        cdef MediaMessage message = MediaMessage.__new__(MediaMessage)
        message.pcm = pcm
        message.stream_id = stream_id
        message.track = track
        message._sequence_number = found.sequence_number
        message._timestamp = found.timestamp
        message._chunk = found.chunk
        return message

    cdef _decode_parsed(self, message):
        try:
            members = loads(message)
        except (ValueError, RecursionError):
            self._bad_json += 1
            return None
        if type(members) is dict and members.get("event") != "media":
            self._other += 1
            return members
        media = members.get("media") if type(members) is dict else None
        payload = media.get("payload") if type(media) is dict else None
        if type(payload) is not str:
            self._bad_message += 1
            return None
        return self._decode_members(members, media, payload)

    cdef _decode_members(self, dict members, dict media, str payload):
        cdef bytes text = payload.encode("ascii", "replace")
        cdef rm_media_message found
        found.payload.at = octets_of(text)
        found.payload.length = <size_t>len(text)
        found.sequence_number = counter(first_of(members, ("sequenceNumber", "sequence_number")))
        found.timestamp = counter(media.get("timestamp"))
        found.chunk = counter(media.get("chunk"))
        stream_id = first_of(members, ("streamSid", "stream_sid", "streamId", "stream_id"))
        result = self._decode_payload(
            &found, text_or_none(stream_id), text_or_none(media.get("track")))
        self._parsed += result is not None
        return result


cdef tuple around_payload(template):
    """The JSON text before and after the payload of this message."""
    try:
        if template["media"]["payload"] != "":
            raise ValueError('expected an empty text at ["media"]["payload"] of the template')
    except (KeyError, TypeError):
        raise ValueError('expected a template with ["media"]["payload"]') from None

    def written(payload):
        message = {**template, "media": {**template["media"], "payload": payload}}
        return dumps(message, separators=(",", ":")).encode("ascii")

    # Written with two payloads, the message differs in one character: where the payload is.
    one, other = written("1"), written("2")
    before = commonprefix([one, other])
    return before, one[len(before) + 1 :]


@cython.final
cdef class MediaMessageEncoder:
    """One stream's outgoing messages, with the state of its resampler.

    template: the message as a dict, with an empty text at ["media"]["payload"], which the audio
    replaces: {"event": "media", "streamSid": "MZ…", "media": {"payload": ""}}. Members are written
    in its order, without spaces.  encoding and rate_hz: as for MediaMessageDecoder.  from_hz: the
    rate of the PCM to come.  ValueError for other values.
    """

    cdef rm_media_audio _audio
    cdef readonly str encoding
    cdef readonly int rate_hz
    cdef readonly int from_hz
    cdef size_t _sample_octets
    cdef bytes _before
    cdef bytes _after

    def __cinit__(self, template, str encoding="PCMU", int rate_hz=8000, *, int from_hz=16000):
        cdef rm_wire_encoding wire = encoding_called(encoding, rate_hz)
        open_audio(&self._audio, wire, from_hz, rate_hz)
        self._sample_octets = rm_wire_sample_octets(wire)
        self._before, self._after = around_payload(template)
        self.encoding = encoding
        self.rate_hz = rate_hz
        self.from_hz = from_hz

    def reset(self):
        """Forget the audio so far; the next frame starts a new utterance."""
        rm_media_audio_reset(&self._audio)

    def encode(self, pcm, /):
        """Write the message that carries this PCM (s16le mono, any number of samples).

        After N samples exactly ceil(N * rate_hz / from_hz) have been sent. ValueError for half a
        sample.
        """
        cdef bytes samples = pcm_octets(pcm)
        cdef size_t n = <size_t>len(samples) // 2
        cdef size_t length = rm_base64_length(
            self._sample_octets * rm_media_audio_outputs(&self._audio, n))
        cdef Py_ssize_t before = len(self._before), after = len(self._after)
        cdef str message = PyUnicode_New(before + <Py_ssize_t>length + after, 127)
        cdef uint8_t *text = <uint8_t *>PyUnicode_DATA(message)
        memcpy(text, octets_of(self._before), before)
        rm_media_audio_encode(&self._audio, samples_of(samples), n, text + before)
        memcpy(text + before + length, octets_of(self._after), after)
        return message


def variants():
    """Name the vector variants this machine can run, the one in use last (unless one was forced)."""
    return variant_names()


def _force_variant(name):
    # For tests and the bench: use that variant in this module, None for the best one.
    cdef int variant = variant_called(name)
    rm_base64_use(variant)
    rm_g711_use(variant)
    rm_resample_use(variant)
