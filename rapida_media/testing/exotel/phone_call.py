"""One call of the simulated platform: the applet that asks where to stream, and the callbacks."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import aiohttp

from rapida_media.providers.stream import AudioFormat
from rapida_media.testing.exotel.line import VoicebotLine
from rapida_media.testing.phone_call import PlatformCall

if TYPE_CHECKING:
    from rapida_media.testing.exotel.platform import ExotelPlatform

WEBHOOK_FAILED, NO_URL = "the webhook failed", "the webhook gave no wss URL"
CALLBACK_FAILED, NO_UPGRADE = "a callback failed", "the stream was refused"
ENDED = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})
EVENT_OF = {"ringing": "ringing", "in-progress": "answered"}
RATES_HZ = (8000, 16000, 24000)
# As Exotel says them: what the REST API, the webhook and the callbacks share.
NEVER = "1970-01-01 05:30:00"


class PhoneCall(PlatformCall):
    """custom_field: of the order.  passthru: the applet behind the stream, told of it by GET.
    status_callback: told of the ``events``, by the method that the order chose.
    """

    answered, taken_back, ends = "in-progress", "canceled", ENDED
    webhook_failed = CALLBACK_FAILED

    def __init__(
        self, platform: ExotelPlatform, sid: str, direction: str, from_: str, to: str
    ) -> None:
        state = "ringing" if direction == "incoming" else "queued"
        super().__init__(platform, sid, direction, from_, to, state=state)
        self.custom_field = ""
        self.passthru: str | None = None
        self.status_callback: str | None = None
        self.events: frozenset[str] = frozenset()
        self.callback_method = "MULTIPART"
        self._platform = platform

    # -- life ----------------------------------------------------------------------------------

    def _read(self, document: str) -> list[str]:
        """The document is the URL of the stream, and all there is to do."""
        return [document]

    async def _do(self, step: str) -> None:
        socket = await self._platform.connect(step)
        if socket is None:
            self._fail(NO_UPGRADE)
            return
        await self._carry(self._line(step), socket)
        if self.passthru is not None:
            who = "user" if self._order.done() else "bot"
            self._tell(self.passthru, self._stream_news(who), "GET")

    def _fail(self, error: str) -> None:
        self.errors.append(error)
        self.enter("failed")

    def _entered(self) -> None:
        """Tell the callback that subscribed to the state."""
        event = "terminal" if self.state in ENDED else EVENT_OF[self.state]
        if self.status_callback is not None and event in self.events:
            self._tell(self.status_callback, self._news(event), self.callback_method)

    def _news(self, event: str) -> dict[str, str]:
        return {
            "EventType": event,
            "CallSid": self.id,
            "Status": self.state,
            "From": self.from_,
            "To": self.to,
            "Direction": self.direction,
            "CustomField": self.custom_field,
            "Legs[0][Status]": self.state,
        }

    def fields(self) -> dict[str, str]:
        """What an applet says of the call."""
        said = {
            "CallSid": self.id,
            "CallFrom": self.from_,
            "CallTo": self.to,
            "Direction": self.direction,
            "CallStatus": self.state,
            "CallType": "call-attempt",
            "EndTime": NEVER,
            "From": self.from_,
            "To": self.to,
            "flow_id": self._platform.flow_id,
        }
        return {**said, "CustomField": self.custom_field} if self.custom_field else said

    async def ask_applet(self, webhook_url: str) -> str | None:
        """Ask where to stream, as the Voicebot applet does; None, and an error, where nobody
        says."""
        try:
            status, kind, body = await self._platform.ask(
                webhook_url, self.fields(), self._platform.method
            )
        except (aiohttp.ClientError, TimeoutError):
            status, kind, body = 0, "", b""
        if status != 200:
            self._fail(WEBHOOK_FAILED)
            return None
        try:
            url = json.loads(body)["url"]
            assert kind == "application/json", "the answer is JSON and says so"
            assert urlsplit(url).scheme in ("wss", "ws"), "the URL is that of a WebSocket"
        except (ValueError, TypeError, KeyError, AssertionError):
            self._fail(NO_URL)
            return None
        return str(url)

    # -- the stream ----------------------------------------------------------------------------

    def _line(self, url: str) -> VoicebotLine:
        asked = dict(parse_qsl(urlsplit(url).query))
        rate = asked.pop("sample-rate", asked.pop("sample_rate", ""))
        rate_hz = int(rate) if rate in map(str, RATES_HZ) else 8000
        says = AudioFormat("s16le", rate_hz)
        audio = self._platform.speaks or says
        ids = {
            "call_sid": self.id,
            "account_sid": self._platform.account_sid,
            "from": self.from_,
            "to": self.to,
        }
        return VoicebotLine(audio, self._platform.sid(), ids, asked, says=says)

    def _stream_news(self, who: str) -> dict[str, str]:
        assert isinstance(self.line, VoicebotLine), "it streamed"
        return {
            "CallSid": self.id,
            "Stream[StreamSID]": self.line.stream_sid,
            "Stream[Status]": "completed",
            "Stream[DisconnectedBy]": who,
        }

    async def rings(self) -> bool:
        """Ring at the callee; tells whether they answered."""
        callee = self._platform.callee
        self.microphone = callee.microphone
        self.enter("ringing")
        await asyncio.sleep(callee.ring_s)
        if callee.ends is not None:
            self.enter(callee.ends)
        return callee.ends is None
