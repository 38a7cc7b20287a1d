"""All calls from browsers: taken by their offers, looked after, and let go of.

Owned by the engine; ``control.webrtc`` brings the offers. Known, readable, admitted, and only then
does anything happen.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from rapida_media import clock
from rapida_media.call.call import CallInfo
from rapida_media.call.records import record_of
from rapida_media.call.state import CallState
from rapida_media.config import Assistant
from rapida_media.errors import NegotiationError, RemoteProtocolError
from rapida_media.net.incoming import starts_early
from rapida_media.net.local_address import is_unspecified, reachable
from rapida_media.net.logs import redact
from rapida_media.net.media import MediaChannel
from rapida_media.net.provider_lines import Refused
from rapida_media.net.shell import Shell
from rapida_media.net.webrtc_call import WebRtcCall
from rapida_media.providers.http import Reply, WebhookRequest
from rapida_media.providers.trace import ProviderTrace, ProviderTraces
from rapida_media.rtp.ice import IceLite
from rapida_media.sdp.agreement import LocalMedia
from rapida_media.sdp.webrtc import WebRtcLocal, WebRtcOffer, answer_offer, read_offer

if TYPE_CHECKING:
    from rapida_media.net import dtls

log = logging.getLogger(__name__)

WEBRTC = "webrtc"
CALLER = "browser"
# Calls that no handshake has come for yet: each holds a port for ``CONNECT_S`` at most.
HALF_OPEN_MAX = 50
RETRY_AFTER_S = 5
TRACES_BYTES = 1024 * 1024
# How long ``stop`` waits for the ends to be on the wire.
STOP_S = 2.0


@dataclass(frozen=True, slots=True)
class BrowserOrder:
    """to: assistant or number, as the user part of a SIP URI names it. sdp: the offer.

    reached_at: the address of ours that the browser has found us by.
    """

    sdp: str
    to: str
    reached_at: str
    parameters: Mapping[str, object] = field(default_factory=dict)


class WebRtcCalls:
    """external_address: what we are reached by. ring_seconds: how long an agent may take to decide.

    idle: set while there is no call.
    """

    def __init__(self, shell: Shell, external_address: str | None, ring_seconds: float) -> None:
        self._shell = shell
        self._external_address = external_address
        self._ring_seconds = ring_seconds
        self.traces = ProviderTraces(TRACES_BYTES)
        self._by_id: dict[str, WebRtcCall] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self.idle = asyncio.Event()
        self.idle.set()

    def __len__(self) -> int:
        return len(self._by_id)

    def of(self, call_id: str) -> WebRtcCall | None:
        return self._by_id.get(call_id)

    # -- the start -----------------------------------------------------------------------------

    async def take(self, order: BrowserOrder) -> tuple[str, str]:
        """Take a call; gives its id and our answer. Refused names the field at fault."""
        assistant = self._shell.assistants.route(order.to)
        if assistant is None:
            raise Refused(422, f"nobody here is called {order.to!r}", field="to")
        # For its codecs: where media goes is the business of ICE.
        local = LocalMedia("127.0.0.1", 9, comfort_noise=self._shell.media.comfort_noise)
        offer = _read(order.sdp, local)
        module = await asyncio.to_thread(importlib.import_module, "rapida_media.net.dtls")
        if sum(not each.connected for each in self._by_id.values()) >= HALF_OPEN_MAX:
            raise Refused(
                503, f"{HALF_OPEN_MAX} others have not connected yet", retry_after_s=RETRY_AFTER_S
            )
        self._shell.turnstile.order()
        ice = IceLite(self._shell.ids)
        ice.expect(offer.ufrag)
        addresses = self._addresses(order.reached_at)
        channel = self._shell.media.open(ipv6=":" in addresses[0], jitter=assistant.jitter, ice=ice)
        if channel is None:
            raise Refused(503, "no media port is free", retry_after_s=RETRY_AFTER_S)
        with ExitStack() as undo:
            undo.callback(self._shell.media.close, channel)
            call = self._make(order, assistant, channel)
            session = cast("type[dtls.Dtls]", module.Dtls)(call.send_dtls, call.far_end_closed)
            described = WebRtcLocal(
                addresses, channel.port.port, ice.ufrag, ice.password, session.fingerprint
            )
            answer, audio = answer_offer(offer, described, local, self._shell.ids)
            undo.pop_all()
        _note(call.trace, order.to, offer, answer)
        self._add(call)
        call.begin(audio, session, offer.fingerprints)
        return call.info.id, answer.decode()

    def _make(self, order: BrowserOrder, assistant: Assistant, channel: MediaChannel) -> WebRtcCall:
        info = CallInfo(
            id=self._shell.ids.token(),
            provider=WEBRTC,
            direction="inbound",
            caller=CALLER,
            called=order.to,
            assistant=assistant.name or None,
            parameters={**assistant.parameters, **order.parameters},
        )
        return WebRtcCall(
            self._shell,
            self._let_go,
            info=info,
            agent=self._shell.assistants.agent(assistant),
            channel=channel,
            early_agent=starts_early(assistant),
            trace=self.traces.open(info.id, WEBRTC),
        )

    def _addresses(self, reached_at: str) -> tuple[str, ...]:
        """Give where a browser can send to, the likeliest first: of the IP family by which it has
        reached us, where media goes that way."""
        ipv6 = ":" in reached_at
        if self._shell.media.ports.address(ipv6=ipv6) is None:
            ipv6 = not ipv6
        bound = self._shell.media.ports.address(ipv6=ipv6)
        assert bound is not None, "media goes by one family at least"
        local = (reached_at, reachable(bound)) if is_unspecified(bound) else (bound,)
        wanted = (self._external_address, *local)
        # One each: a browser would check a pair twice.
        return tuple(dict.fromkeys(each for each in wanted if each and (":" in each) == ipv6))

    def _add(self, call: WebRtcCall) -> None:
        info = call.info
        self._by_id[info.id] = call
        self.idle.clear()
        now = clock.wall()
        self._shell.journal.created(
            record_of(info, now, state=CallState.INITIATED, initiated_at=now)
        )
        log.info(
            "%s call %s → %s over %s",
            *(info.direction, info.caller, redact(info.called), info.provider),
            extra={"call_id": info.id},
        )

    # -- the end -------------------------------------------------------------------------------

    def look_over(self, now: float, media_timeout: float, max_call_seconds: float) -> None:
        """End calls whose browser is gone or that last too long."""
        for call in tuple(self._by_id.values()):
            call.look_over(now, media_timeout, max_call_seconds, self._ring_seconds)

    def _let_go(self, call: WebRtcCall) -> None:
        """Let go of a call that is over; called by the call itself, once."""
        del self._by_id[call.info.id]
        task = asyncio.get_running_loop().create_task(call.settled())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        self._shell.agents.outlives(call.agent_task)
        if not self._by_id:
            self.idle.set()

    async def stop(self) -> None:
        """End the calls that are left, and wait until their browsers were told."""
        for call in tuple(self._by_id.values()):
            call.hang_up("engine_stopping")
        if self._ending:
            await asyncio.wait(self._ending, timeout=STOP_S)


def _note(trace: ProviderTrace, to: str, offer: WebRtcOffer, answer: bytes) -> None:
    """Keep the request and its answer for the ladder, without what only the two may know."""
    now = clock.monotonic()
    offered = " ".join(dict.fromkeys(peers.name for peers in offer.audio.codecs))
    body = json.dumps({"to": to, "offered": offered}).encode()
    headers = {"content-type": "application/json"}
    trace.add(WebhookRequest("POST", "/v1/webrtc", headers, body), now, sent=False)
    trace.add(Reply(201, "application/sdp", answer), now, sent=True)


def _read(sdp: str, local: LocalMedia) -> WebRtcOffer:
    try:
        return read_offer(sdp.encode("utf-8", "surrogatepass"), local)
    except (NegotiationError, RemoteProtocolError) as error:
        raise Refused(422, str(error), kind="bad-offer", field="sdp") from None
