"""What the conformance kit has to know of a provider: its ``ProviderCase``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rapida_media.config import Credential
from rapida_media.providers.base import ProviderSpec
from rapida_media.providers.http import WebhookRequest
from rapida_media.providers.stream import DigitReceived, Stopped, StreamMessage, StreamProtocol

MEDIA_URL = "wss://voice.example.com/v1/talk/x/ctx/0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class ProviderCase:
    """One provider, with what was recorded of it.

    call_webhook: announces the call ``call_id``, and is genuine under ``credential``.
    statuses: genuine callbacks of that call and the state each stands for; None for no state.
    start: the messages of a stream up to its Started.  audio, digit, stop: messages behind them.
    mark_echo: gives the platform's answer to our mark, loop_back to our media: what it would send
    if it heard that; None where it has none.
    created: status and body of the answer to an order, and the id in it; None: calls nobody.
    answer_names: what the answer to the webhook has to name; another than the media URL where the
    provider knows the way, and is told which call alone. The context is 32 times the letter c.
    """

    spec: ProviderSpec
    credential: Credential | None
    call_webhook: WebhookRequest
    call_id: str
    statuses: Sequence[tuple[WebhookRequest, str | None]]
    start: Sequence[StreamMessage]
    audio: StreamMessage
    stop: StreamMessage | None
    loop_back: Callable[[StreamMessage], StreamMessage | None]
    digit: tuple[StreamMessage, str] | None = None
    mark_echo: Callable[[StreamMessage], StreamMessage | None] | None = None
    created: tuple[int, bytes, str] | None = None
    answer_names: str = MEDIA_URL


def new_stream(case: ProviderCase) -> StreamProtocol:
    """Make the protocol of a stream that has not begun."""
    assert case.spec.stream is not None, "there is no stream"
    return case.spec.stream()


def started_stream(case: ProviderCase) -> StreamProtocol:
    """Make the protocol of a stream that has just begun."""
    protocol = new_stream(case)
    for message in case.start:
        for event in protocol.receive(message):
            assert not isinstance(event, DigitReceived | Stopped), "the stream only starts"
    return protocol
