"""What is said to a provider, as the messages of its stream.

Used by ``StreamLeg`` only, whose playout decides what is sent and when. It does not know the leg,
so that a leg that is over goes with its last user.
"""

from __future__ import annotations

from typing import Protocol

from rapida_media.legs.stream_audio import from_bus
from rapida_media.providers.stream import AudioFormat, StreamMessage, StreamProtocol
from rapida_media.stats import Counters


class Outbox(Protocol):
    """Where messages to the provider go; bounded, and never waited for."""

    def send(self, message: StreamMessage, *, audio: bool = False) -> None: ...

    def drop_audio(self) -> None:
        """Forget the audio that has not left."""
        ...


class StreamSender:
    """The ``Output`` of a playout. counters: those of the leg."""

    def __init__(self, protocol: StreamProtocol, outbox: Outbox, counters: Counters) -> None:
        self._protocol = protocol
        self._outbox = outbox
        self._counters = counters
        self._sends: AudioFormat | None = None

    def send_audio(self, pcm: bytes) -> None:
        if self._sends != self._protocol.sends:
            self._sends = self._protocol.sends
            self._convert = from_bus(self._sends)
        self._counters.add("audio_sent")
        self._outbox.send(self._protocol.media(self._convert(pcm)), audio=True)

    def send_mark(self, name: str) -> bool:
        message = self._protocol.mark(name)
        if message is not None:
            self._outbox.send(message)
        return message is not None

    def send_clear(self) -> bool:
        message = self._protocol.clear()
        if message is None:
            return False
        self._outbox.drop_audio()
        self._outbox.send(message)
        return True

    def send_goodbye(self) -> None:
        if (message := self._protocol.goodbye()) is not None:
            self._outbox.send(message)
