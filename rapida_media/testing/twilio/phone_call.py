"""One call of the simulated platform: its state, its callbacks, and the TwiML it runs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING

import aiohttp

from rapida_media import clock
from rapida_media.testing.phone_call import PlatformCall
from rapida_media.testing.twilio.documents import StreamNoun, Verb, read_twiml
from rapida_media.testing.twilio.line import StreamLine

if TYPE_CHECKING:
    from rapida_media.testing.twilio.platform import TwilioPlatform

# Codes of the console: a webhook that failed, an upgrade that was not answered with 101.
WEBHOOK_FAILED, NO_UPGRADE, CONNECTION_REFUSED = 11200, 31920, 31902
ENDED = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})
XML_TYPES = ("text/xml", "application/xml")
# Which subscribed event tells of a status.
EVENT_OF = {"initiated": "initiated", "ringing": "ringing", "in-progress": "answered"}

Document = bytes | str | None


class PhoneCall(PlatformCall):
    """errors: by the codes of Twilio's console.  dialled: where a ``<Dial>`` sent the call.
    status_callback: told of the ``events``.
    """

    answered = "in-progress"
    taken_back = "canceled"
    ends = ENDED
    webhook_failed = WEBHOOK_FAILED

    def __init__(
        self, platform: TwilioPlatform, sid: str, direction: str, from_: str, to: str
    ) -> None:
        state = "ringing" if direction == "inbound" else "queued"
        super().__init__(platform, sid, direction, from_, to, state=state)
        self.status_callback: str | None = None
        self.events: frozenset[str] = frozenset()
        self.dialled: str | None = None
        self._platform = platform
        self._told = 0

    # -- life ----------------------------------------------------------------------------------

    def _entered(self) -> None:
        event = "completed" if self.state in ENDED else EVENT_OF.get(self.state)
        if self.status_callback is not None and event in self.events:
            news = {"CallStatus": self.state, **self._progress()}
            self._tell(self.status_callback, {**self.fields(), **news})

    def _progress(self) -> dict[str, str]:
        self._told += 1
        return {
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(self._told - 1),
            "Timestamp": format_datetime(datetime.fromtimestamp(clock.wall(), UTC)),
        }

    def fields(self) -> dict[str, str]:
        return {
            "AccountSid": self._platform.account_sid,
            "ApiVersion": "2010-04-01",
            "CallSid": self.id,
            "CallStatus": self.state,
            "Called": self.to,
            "Caller": self.from_,
            "Direction": self.direction,
            "From": self.from_,
            "To": self.to,
        }

    # -- TwiML ---------------------------------------------------------------------------------

    async def fetch(self, url: str, method: str = "POST") -> Document:
        """Ask a webhook what to do; None, and an error, where it does not say."""
        try:
            status, kind, body = await self._platform.ask(url, self.fields(), method)
        except (aiohttp.ClientError, TimeoutError):
            status, kind, body = 0, "", b""
        if status // 100 == 2 and kind in XML_TYPES:
            verbs = read_twiml(body)
            if verbs and verbs[0].name == "Reject":  # the only verb that does not answer
                self.enter("busy" if verbs[0].attributes.get("reason") == "busy" else "failed")
                return None
            return body
        self.errors.append(WEBHOOK_FAILED)
        return None

    def _read(self, document: Document) -> list[Verb]:
        assert document is not None, "there is something to do"
        return read_twiml(document)

    async def _do(self, verb: Verb) -> None:
        if verb.name == "Hangup":
            self.hang_up()
        elif verb.stream is not None:
            await self._stream(verb.stream)
        elif verb.name == "Dial":
            self.dialled = verb.text
            await asyncio.wait({self._order})
        elif verb.name == "Pause":
            await asyncio.wait({self._order}, timeout=float(verb.attributes.get("length", "1")))

    # -- the stream ----------------------------------------------------------------------------

    async def _stream(self, noun: StreamNoun) -> None:
        try:
            socket = await self._platform.connect(noun.url)
        except aiohttp.WSServerHandshakeError:
            self.errors.append(NO_UPGRADE)
            return
        except aiohttp.ClientError:
            self.errors.append(CONNECTION_REFUSED)
            return
        stream_sid = self._platform.sid("MZ")
        self._stream_news(noun, stream_sid, "stream-started")
        account = self._platform.account_sid
        await self._carry(StreamLine(account, self.id, stream_sid, noun.parameters), socket)
        self._stream_news(noun, stream_sid, "stream-stopped")

    def _stream_news(self, noun: StreamNoun, stream_sid: str, event: str) -> None:
        if noun.status_callback is None:
            return
        news = {
            "AccountSid": self._platform.account_sid,
            "CallSid": self.id,
            "StreamEvent": event,
            "StreamSid": stream_sid,
            "Timestamp": datetime.fromtimestamp(clock.wall(), UTC).isoformat(),
        }
        name = {"StreamName": noun.name} if noun.name else {}
        self._tell(noun.status_callback, {**news, **name})
