"""One Twilio media message to PCM and back: JSON, base64, μ-law and resampling, 20 ms of speech.

Beside ours: pipecat's serializer, what the standard library gives with soxr, and the fastest
assembly of public parts that we know, in two makes. Every candidate keeps its stream's state.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any

from bench.converters import Push, soxr, speexdsp
from bench.harness import Candidate, Row, Run, each
from bench.material import items
from bench.peers import module
from bench.tables import Table
from rapida_media.kernels import MediaMessageDecoder, MediaMessageEncoder, ulaw_encode

STREAM_SID = "MZ00000000000000000000000000000001"
TEMPLATE = {"event": "media", "streamSid": STREAM_SID, "media": {"payload": ""}}


def rows() -> list[Row]:
    return [
        Row(
            "message to 16 kHz",
            incoming(),
            [
                Candidate("rapida-media", lambda: each(MediaMessageDecoder().decode)),
                Candidate("pipecat", pipecat_reader),
                Candidate("json base64 audioop soxr-HQ", standard_reader),
                Candidate("msgspec pybase64 audioop speexdsp-q3", msgspec_reader),
                Candidate("orjson pybase64 audioop speexdsp-q3", orjson_reader),
            ],
        ),
        _outgoing(16000),
        _outgoing(24000),
    ]


def _outgoing(rate_hz: int) -> Row:
    candidates = [
        Candidate(
            "rapida-media", lambda: each(MediaMessageEncoder(TEMPLATE, from_hz=rate_hz).encode)
        ),
        Candidate("pipecat", pipecat_writer, lambda pcm: _pipecat_frame(pcm, rate_hz)),
        Candidate(
            "json base64 audioop soxr-HQ", lambda: standard_writer(soxr("HQ")(rate_hz, 8000))
        ),
        Candidate(
            "template pybase64 audioop speexdsp-q3",
            lambda: template_writer(speexdsp(3)(rate_hz, 8000)),
        ),
    ]
    return Row(f"{rate_hz // 1000} kHz to message", items(rate_hz, "20 ms"), candidates)


def incoming() -> list[str]:
    """Give messages as Twilio sends them, counters and all."""
    messages = []
    for number, frame in enumerate(items(8000, "20 ms")):
        payload = base64.b64encode(ulaw_encode(frame)).decode()
        media = {"track": "inbound", "chunk": str(number + 1), "timestamp": str(20 * number)}
        message = {
            "event": "media",
            "sequenceNumber": str(number + 2),
            "media": {**media, "payload": payload},
            "streamSid": STREAM_SID,
        }
        messages.append(json.dumps(message, separators=(",", ":")))
    return messages


# ---- pipecat: its pipeline's own way, without an event loop ----


def _serializer() -> Any:
    serializer = module("pipecat.serializers.twilio").TwilioFrameSerializer
    params = serializer.InputParams(sample_rate=16000, auto_hang_up=False)
    made = serializer(STREAM_SID, params=params)
    finish(made.setup(None))  # looked at for a sample rate only where the parameters have none
    return made


def _pipecat_frame(pcm: bytes, rate_hz: int) -> Any:
    return module("pipecat.frames.frames").OutputAudioRawFrame(pcm, rate_hz, 1)


def pipecat_reader() -> Run:
    return _awaiting(_serializer().deserialize)


def pipecat_writer() -> Run:
    return _awaiting(_serializer().serialize)


def _awaiting(function: Callable[[Any], Any]) -> Run:
    async def all_of(batch: Sequence[Any]) -> None:
        for item in batch:
            await function(item)

    return lambda batch: finish(all_of(batch))


def finish(coroutine: Any) -> object:
    """Run a coroutine that waits for nothing, and give its result."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("the coroutine waited for something")


# ---- assemblies of public parts ----


def standard_reader() -> Run:
    loads, decode, expand = json.loads, base64.b64decode, module("audioop").ulaw2lin
    to_16k = soxr("HQ")(8000, 16000)

    def read(message: str) -> bytes | None:
        fields = loads(message)
        if fields["event"] != "media":
            return None
        return to_16k(expand(decode(fields["media"]["payload"]), 2))

    return each(read)


def standard_writer(to_8k: Push) -> Run:
    dumps, encode, compress = json.dumps, base64.b64encode, module("audioop").lin2ulaw

    def write(pcm: bytes) -> str:
        payload = encode(compress(to_8k(pcm), 2)).decode("ascii")
        return dumps({"event": "media", "streamSid": STREAM_SID, "media": {"payload": payload}})

    return each(write)


def msgspec_reader() -> Run:
    msgspec = module("msgspec")
    media = msgspec.defstruct("Media", [("payload", str)], gc=False)
    message = msgspec.defstruct("Message", [("event", str), ("media", media)], gc=False)
    loads, decode = msgspec.json.Decoder(message).decode, module("pybase64").b64decode
    expand, to_16k = module("audioop").ulaw2lin, speexdsp(3)(8000, 16000)

    def read(text: str) -> bytes | None:
        fields = loads(text)
        if fields.event != "media":
            return None
        return to_16k(expand(decode(fields.media.payload, validate=True), 2))

    return each(read)


def orjson_reader() -> Run:
    loads, decode = module("orjson").loads, module("pybase64").b64decode
    expand, to_16k = module("audioop").ulaw2lin, speexdsp(3)(8000, 16000)

    def read(text: str) -> bytes | None:
        fields = loads(text)
        if fields["event"] != "media":
            return None
        return to_16k(expand(decode(fields["media"]["payload"], validate=True), 2))

    return each(read)


def template_writer(to_8k: Push) -> Run:
    encode, compress = module("pybase64").b64encode_as_string, module("audioop").lin2ulaw
    before = f'{{"event":"media","streamSid":"{STREAM_SID}","media":{{"payload":"'
    return each(lambda pcm: before + encode(compress(to_8k(pcm), 2)) + '"}}')


TABLE = Table("One Twilio media message, 20 ms", rows)
