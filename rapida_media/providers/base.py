"""The provider seam: what a telephony provider is to the engine.

A provider is one folder with a ``SPEC``, here or in a package of its own that names it under the
entry-point group ``rapida_media.providers``. The spec declares what differs and makes the two
translators: ``Telephony`` for webhooks and orders, ``StreamProtocol`` for the media. Neither sees
a socket, an event loop or a clock. ``verify`` is asked before any verb: an unverified request
reaches nothing. See docs/add-a-provider.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from rapida_media.config import Credential
from rapida_media.providers.http import HttpClient, HttpReply, HttpRequest, Reply, WebhookRequest
from rapida_media.providers.stream import AudioFormat, StreamProtocol

CommonState = Literal[
    "queued",
    "initiated",
    "ringing",
    "in-progress",
    "completed",
    "busy",
    "no-answer",
    "failed",
    "canceled",
]


@dataclass(frozen=True, slots=True)
class CallInfo:
    """A call as its provider names it.

    provider_call_id: the provider's own id; "" while it has not told one.
    caller, called: numbers as +E.164 where they are such.
    state: where the call is, raw: in the provider's word.
    context_id: ours, and part of the media URL; "" before the engine has chosen it. A webhook that
    hands back the one of an order asks for that call's document.
    parameters: for the agent, and for the provider to hand back where it can.
    facts: what the provider's folder wants to see again with later verbs, such as a regional host.
    """

    provider_call_id: str = ""
    caller: str = ""
    called: str = ""
    state: CommonState | None = None
    raw: str | None = None
    context_id: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StatusInfo:
    """What a status callback said.

    state: None for news that is no state, such as an answering machine's voice.
    code: the SIP status or the provider's own number, where it gives one.
    context_id: of the call, where the provider names it by that.
    """

    provider_call_id: str
    raw: str
    state: CommonState | None = None
    code: int | None = None
    cause: str | None = None
    context_id: str = ""


@dataclass(frozen=True, slots=True)
class CallOrder:
    """A call the engine wants placed. to, from_: +E.164 or what the operator wrote.

    answer_url: answers with the document of ``inbound_call``, for providers that fetch it when the
    callee picks up.
    """

    to: str
    from_: str
    context_id: str
    media_url: str
    event_url: str
    answer_url: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    ring_seconds: int = 60


class Telephony(Protocol):
    """The webhooks and orders of one provider, under one credential.

    Requests were verified. A request that cannot be understood gives None or raises ProviderError
    with what is missing; it is answered 400.
    """

    def receive_call(self, request: WebhookRequest) -> CallInfo:
        """Read an incoming call's webhook, or the one that asks for an ordered call's document."""
        ...

    def inbound_call(self, call: CallInfo, media_url: str, event_url: str) -> Reply:
        """Answer that webhook: have the media brought to ``media_url``."""
        ...

    def refuse_call(self, reason: str) -> Reply:
        """Answer that webhook with no: ``busy`` while there is no room, else ``rejected``."""
        ...

    async def outbound_call(self, order: CallOrder) -> CallInfo:
        """Have a call placed. ProviderError when the provider does not take the order."""
        ...

    def status_callback(self, request: WebhookRequest, call: CallInfo) -> StatusInfo | None:
        """Read news of one call; None where it is not about the call."""
        ...

    def catch_all_status_callback(self, request: WebhookRequest) -> StatusInfo | None:
        """Read news that name the call by the provider's id; None where they name none."""
        ...

    async def hang_up(self, call: CallInfo) -> None:
        """End the call at the provider; a call that is over is no error. ProviderError else."""
        ...


class TransferringTelephony(Telephony, Protocol):
    """A provider whose spec says ``transfers``."""

    async def transfer(self, call: CallInfo, target: str) -> None:
        """Send the far end elsewhere; our stream ends with it. ProviderError when refused."""
        ...


@dataclass(frozen=True, slots=True)
class FeedNews:
    """What an event of a feed says, and what is to be asked of the provider because of it.

    requests: sent one after the other, the rest not where one fails; on_failure: sent then.
    """

    news: tuple[StatusInfo, ...] = ()
    requests: tuple[HttpRequest, ...] = ()
    on_failure: tuple[HttpRequest, ...] = ()


@dataclass(frozen=True, slots=True)
class MediaToOpen:
    """A media stream that the provider waits for us to open, and the call it belongs to."""

    context_id: str
    upgrade: HttpRequest


class EventFeed(Protocol):
    """News of an account's calls over a WebSocket that we open. Pure, like a stream.

    upgrade: the request for the WebSocket.
    """

    @property
    def upgrade(self) -> HttpRequest: ...

    def receive(self, message: str) -> FeedNews:
        """Translate what came. Never raises: what cannot be read, or is unknown, gives nothing."""
        ...

    def answered(self, reply: HttpReply) -> MediaToOpen | None:
        """Read the answer to one of the ``requests``: what is to be opened because of it."""
        ...

    def look(self, provider_call_id: str) -> HttpRequest:
        """Ask for a call, after events may have been missed: answered 404 once it is over."""
        ...


@dataclass(frozen=True, slots=True)
class CredentialKey:
    """A key of ``[credentials.NAME]``. secret: never shown, not even in part.

    shape: what it looks like, as a regular expression; ``doctor`` warns where it does not.
    fault: says what is wrong with a value that cannot be worked with, None where it can.
    """

    name: str
    required: bool = True
    secret: bool = False
    shape: str = ""
    fault: Callable[[str], str | None] | None = None


def refuse_everything(request: WebhookRequest, credential: Credential | None) -> str | None:
    """Verify nothing: for a way of calling that has no webhooks."""
    return "this provider has no webhooks"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSpec:
    """What one way of carrying calls is and can do; also a row of ``rapida-media providers``.

    audio, digits: words for people.  formats: what the media may be.
    lead_ms: how much audio the provider may hold unplayed; at least its chunk.
    continuous: it wants audio all the time, silence where there is nothing to say, and as fast as
    its own comes.
    socket_is_the_call: the end of the media stream ends the call, as it has no other signal.
    second_handshake: it may try a stream's upgrade once more where the first came to nothing.
    news_status: what its status callbacks are answered.
    webhook_token: the credential key that ends the paths of its webhooks, where nothing is signed.
    verify: why a request is refused, None where it is genuine; the upgrade of a media stream is
    asked about, too. ``request.received_at`` is the time to judge freshness by.
    set_stream: sets a stream, just made, to what its account wants.
    telephony, stream: make the translators; None for ``sip``, which is the engine itself.
    feed: makes what follows an account's events, where the provider tells them that way; it gives
    None for an account without.
    """

    name: str
    inbound: bool = True
    outbound: bool = True
    audio: str
    digits: str
    verification: str = ""
    formats: tuple[AudioFormat, ...] = ()
    lead_ms: int = 200
    continuous: bool = False
    socket_is_the_call: bool = False
    transfers: bool = False
    second_handshake: bool = False
    news_status: int = 204
    webhook_token: str = ""
    credential_keys: tuple[CredentialKey, ...] = ()
    verify: Callable[[WebhookRequest, Credential | None], str | None] = refuse_everything
    telephony: Callable[[Credential | None, HttpClient], Telephony] | None = None
    stream: Callable[[], StreamProtocol] | None = None
    set_stream: Callable[[StreamProtocol, Credential], None] | None = None
    feed: Callable[[Credential], EventFeed | None] | None = None
