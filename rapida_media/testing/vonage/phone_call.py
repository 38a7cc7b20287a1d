"""One call of the simulated platform: the phone's leg, the WebSocket's leg, and their events."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aiohttp

from rapida_media import clock
from rapida_media.testing.phone_call import DocumentError, PlatformCall
from rapida_media.testing.vonage.documents import Action, rate_of, read_ncco
from rapida_media.testing.vonage.line import VonageLine

if TYPE_CHECKING:
    from rapida_media.testing.vonage.platform import VonagePlatform

# The platform's log of an application: a webhook that failed, a socket that could not be opened.
WEBHOOK_FAILED, NO_SOCKET = "webhook failed", "the websocket could not be opened"
ENDED = frozenset({
    "completed", "busy", "unanswered", "timeout", "rejected", "failed", "cancelled",
})  # fmt: skip


class VonageCall(PlatformCall):
    """id: the uuid of the phone's leg.  connected_to: whom a ``connect`` called instead.

    event_url, event_method: where the phone's leg has its events told.
    """

    answered = "answered"
    taken_back = "cancelled"
    ends = ENDED
    webhook_failed = WEBHOOK_FAILED

    def __init__(self, platform: VonagePlatform, direction: str, from_: str, to: str) -> None:
        super().__init__(platform, platform.uuid(), direction, from_, to, state="started")
        self.conversation = f"CON-{platform.uuid()}"
        self.connected_to: str | None = None
        self.event_url: str | None = None
        self.event_method = "POST"
        self._platform = platform

    # -- events --------------------------------------------------------------------------------

    def _entered(self) -> None:
        self.tell_state()

    def tell_state(self, **more: str) -> None:
        """Tell where the phone's leg is."""
        if self.event_url is not None:
            self._tell(self.event_url, {**self._event(self.state), **more}, self.event_method)

    def end(self, status: str, detail: str = "") -> None:
        """End without an answer; detail: Vonage's word for why, or none."""
        self.state = status
        self.tell_state(**({"detail": detail} if detail else {}))

    def _event(self, status: str) -> dict[str, str]:
        return {
            "from": self.from_,
            "to": self.to,
            "uuid": self.id,
            "conversation_uuid": self.conversation,
            "status": status,
            "direction": self.direction,
            "timestamp": _now(),
        }

    def _complain(self, error: DocumentError) -> None:
        super()._complain(error)
        if self.event_url is not None:
            said = {"reason": str(error.code), "conversation_uuid": self.conversation}
            self._tell(self.event_url, {**said, "timestamp": _now()}, self.event_method)

    # -- NCCO ----------------------------------------------------------------------------------

    async def fetch(self, url: str, method: str) -> Any:
        """Ask the answer webhook what to do; None, and an error, where it does not say."""
        fields = {
            "from": self.from_,
            "to": self.to,
            "uuid": self.id,
            "conversation_uuid": self.conversation,
            "endpoint_type": "phone",
            "region_url": self._platform.api_base,
        }
        try:
            status, kind, body = await self._platform.ask(url, fields, method)
        except (aiohttp.ClientError, TimeoutError):
            status, kind, body = 0, "", b""
        if status // 100 == 2 and kind == "application/json":
            return body
        self.errors.append(WEBHOOK_FAILED)
        return None

    def _read(self, document: Any) -> list[Action]:
        return read_ncco(document)

    async def _do(self, step: Action) -> None:
        if step["action"] != "connect":
            return  # what is said by others takes no time here
        (endpoint,) = step["endpoint"]
        if endpoint["type"] == "websocket":
            (url,) = step.get("eventUrl", [self.event_url])
            await self._stream(endpoint, url)
        else:
            self.connected_to = endpoint.get("number") or endpoint.get("uri")
            await asyncio.wait({self._order})

    # -- the stream ----------------------------------------------------------------------------

    async def _stream(self, endpoint: Action, event_url: str | None) -> None:
        headers = endpoint.get("headers", {})
        leg = {"uuid": self._platform.uuid(), "to": endpoint["uri"], "direction": "outbound"}

        def tell(status: str, **more: str) -> None:
            if event_url is not None:
                self._tell(event_url, {**self._event(status), **leg, **more})

        tell("started")
        try:
            socket = await self._platform.connect(endpoint)
        except aiohttp.ClientError:
            self.errors.append(NO_SOCKET)
            tell("failed", reason="Websocket connection failed", **headers)
            return
        tell("answered")
        await self._carry(VonageLine(rate_of(endpoint), headers), socket)
        tell("completed" if self._order.done() else "disconnected")


def _now() -> str:
    """ISO 8601 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(clock.wall(), UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
