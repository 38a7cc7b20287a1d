"""Twilio Media Streams from Twilio's side: JSON texts, μ-law 8 kHz in base64, 20 ms a message.

    to the bot      connected, start, then media, dtmf and mark, at last stop
    from the bot    media, mark, clear; each with the stream's id

Numbers in messages are texts but for the media format's. After a ``clear`` the marks that were
waiting come back at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rapida_media.agents.dialects.base import (
    KEYS,
    TEXT_LIMIT,
    BotMessage,
    Malformed,
    Opening,
    Order,
    Play,
    as_texts,
    clear_or_mark,
    compact,
)
from rapida_media.kernels import MediaMessage, MediaMessageDecoder, PayloadEncoder, base64_encode

# Of a call that belongs to no account of Twilio's.
NO_ACCOUNT = "AC" + 32 * "0"


class TwilioDialect:
    """``Dialect`` of one stream."""

    chunk_ms = 20
    returns_cleared_marks = True

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._stream_sid = f"MZ{opening.stream_id}"
        self._ids = {
            "accountSid": opening.account or NO_ACCOUNT,
            "callSid": opening.vendor_call_id or f"CA{opening.call_id}",
        }
        self._encoder = PayloadEncoder("PCMU")
        self._decoder = MediaMessageDecoder("PCMU", limit_length=TEXT_LIMIT)
        self._sequence = self._chunks = 0

    def begin(self) -> list[BotMessage]:
        start = {
            "accountSid": self._ids["accountSid"],
            "streamSid": self._stream_sid,
            "callSid": self._ids["callSid"],
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": as_texts(self._opening.parameters),
        }
        connected = compact({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        return [connected, self._message("start", start=start)]

    def audio(self, pcm: bytes) -> str:
        payload = base64_encode(self._encoder.encode(pcm)).decode("ascii")
        self._sequence += 1
        self._chunks += 1
        at_ms = (self._chunks - 1) * self.chunk_ms
        # Written by hand, as it is written fifty times a second; no value needs an escape.
        return (
            f'{{"event":"media","sequenceNumber":"{self._sequence}","media":{{"track":"inbound",'
            f'"chunk":"{self._chunks}","timestamp":"{at_ms}","payload":"{payload}"}},'
            f'"streamSid":"{self._stream_sid}"}}'
        )

    def digit(self, digit: str, duration_ms: int) -> str | None:
        if digit not in KEYS:
            return None
        return self._message("dtmf", dtmf={"track": "inbound_track", "digit": digit})

    def marked(self, mark: Any, played: bool) -> str:
        return self._message("mark", mark={"name": mark})

    def cleared(self, heard_ms: int) -> None:
        """Twilio does not say; the marks come back."""

    def held(self, held: bool) -> None:
        """A held call is silent, as far as the stream knows."""

    def refused(self, detail: str) -> None:
        """Twilio tells its account's log, not the stream."""

    def end(self, reason: str) -> str:
        return self._message("stop", stop=self._ids)

    def receive(self, message: BotMessage) -> Iterable[Order]:
        if isinstance(message, bytes):
            return (Malformed("a binary frame; Twilio takes texts"),)
        said = self._decoder.decode(message)
        if isinstance(said, MediaMessage):
            if said.stream_id != self._stream_sid:
                return (Malformed("media without this stream's streamSid"),)
            return (Play(said.pcm),)
        if said is None:
            return (Malformed("no JSON object, or media without audio in base64"),)
        if said.get("streamSid") != self._stream_sid:
            return (Malformed("a message without this stream's streamSid"),)
        return (clear_or_mark(said),)

    def _message(self, event: str, **members: object) -> str:
        self._sequence += 1
        head = {"event": event, "sequenceNumber": str(self._sequence)}
        return compact({**head, **members, "streamSid": self._stream_sid})
