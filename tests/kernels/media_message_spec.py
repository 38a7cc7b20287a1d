"""What the fused media message kernels must give: json, base64 and the public kernels composed."""

from __future__ import annotations

import base64
import json
import re
from typing import Any, NamedTuple

from rapida_media.kernels import (
    MediaMessage,
    Resampler,
    alaw_decode,
    alaw_encode,
    ulaw_decode,
    ulaw_encode,
)

# RFC 4648 section 4 as a grammar; base64.b64decode(validate=True) alone takes misplaced padding.
BASE64 = re.compile(
    r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})?"
)
STREAM_IDS = ("streamSid", "stream_sid", "streamId", "stream_id")
SEQUENCE_NUMBERS = ("sequenceNumber", "sequence_number")


FORMATS = [
    ("PCMU", 8000),
    ("PCMA", 8000),
    ("L16LE", 8000),
    ("L16LE", 16000),
    ("L16LE", 24000),
    ("L16", 8000),
    ("L16", 16000),
    ("L16LE", 48000),
]
TEMPLATE = {
    "event": "media",
    "streamSid": "MZ00000000000000000000000000000001",
    "media": {"payload": ""},
}


def message(payload: bytes, **more: object) -> str:
    text = base64.b64encode(payload).decode()
    return json.dumps({"event": "media", **more, "media": {"payload": text}})


def noise(octets: int, seed: int = 1) -> bytes:
    out, state = bytearray(), seed
    for _ in range(octets):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        out.append(state >> 16 & 255)
    return bytes(out)


class Media(NamedTuple):
    pcm: bytes
    stream_id: str | None
    track: str | None
    sequence_number: int | None
    timestamp: int | None
    chunk: int | None


def media_of(result: object) -> object:
    """Make a decoder's result comparable with the specification's."""
    if isinstance(result, MediaMessage):
        return Media(*(getattr(result, field) for field in Media._fields))
    return result


def swapped(pcm: bytes) -> bytes:
    out = bytearray(pcm)
    out[::2], out[1::2] = pcm[1::2], pcm[::2]
    return bytes(out)


EXPAND = {"PCMU": ulaw_decode, "PCMA": alaw_decode, "L16": swapped, "L16LE": bytes}
COMPRESS = {"PCMU": ulaw_encode, "PCMA": alaw_encode, "L16": swapped, "L16LE": bytes}


def converter(from_hz: int, to_hz: int) -> Any:
    return bytes if from_hz == to_hz else Resampler(from_hz, to_hz).push


def counter(value: object) -> int | None:
    if type(value) is int and 0 <= value < 10**18:
        return value
    if type(value) is str and re.fullmatch("[0-9]{1,18}", value):
        return int(value)
    return None


def text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def first_of(members: dict[str, Any], names: tuple[str, ...]) -> object:
    return next((members[name] for name in names if name in members), None)


class DecoderSpec:
    def __init__(self, encoding: str = "PCMU", rate_hz: int = 8000, to_hz: int = 16000) -> None:
        self.expand = EXPAND[encoding]
        self.sample_octets = 1 if encoding.startswith("PCM") else 2
        self.push = converter(rate_hz, to_hz)
        self.counted = dict.fromkeys(
            ["media", "other", "too_long", "bad_json", "bad_message", "bad_payload"], 0
        )

    def drop(self, why: str) -> None:
        self.counted[why] += 1

    def decode(self, message: str | bytes) -> Media | dict[str, Any] | None:
        try:
            members = json.loads(message)
        except (ValueError, RecursionError):
            return self.drop("bad_json")
        if not isinstance(members, dict):
            return self.drop("bad_message")
        if members.get("event") != "media":
            self.counted["other"] += 1
            return members
        media = members.get("media")
        if not isinstance(media, dict) or not isinstance(media.get("payload"), str):
            return self.drop("bad_message")
        if not BASE64.fullmatch(media["payload"]):
            return self.drop("bad_payload")
        octets = base64.b64decode(media["payload"], validate=True)
        if len(octets) % self.sample_octets:
            return self.drop("bad_payload")
        self.counted["media"] += 1
        return Media(
            self.push(self.expand(octets)),
            text(first_of(members, STREAM_IDS)),
            text(media.get("track")),
            counter(first_of(members, SEQUENCE_NUMBERS)),
            counter(media.get("timestamp")),
            counter(media.get("chunk")),
        )


class EncoderSpec:
    def __init__(
        self,
        template: dict[str, Any],
        encoding: str = "PCMU",
        rate_hz: int = 8000,
        from_hz: int = 16000,
    ) -> None:
        self.template = template
        self.compress = COMPRESS[encoding]
        self.push = converter(from_hz, rate_hz)

    def encode(self, pcm: bytes) -> str:
        payload = base64.b64encode(self.compress(self.push(pcm))).decode()
        media = {**self.template["media"], "payload": payload}
        return json.dumps({**self.template, "media": media}, separators=(",", ":"))
