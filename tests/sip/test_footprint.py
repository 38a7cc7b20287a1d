"""What a call costs in memory: little while it lasts, nothing afterwards."""

from __future__ import annotations

import gc
import tracemalloc
from weakref import ref

from rapida_media.sip.address import Address
from rapida_media.sip.endpoint import EndpointConfig, SipEndpoint
from rapida_media.sip.events import IncomingInvite
from rapida_media.sip.incoming_session import IncomingSession
from rapida_media.stats import Counters
from rapida_media.testing.clock import SeededIds
from rapida_media.testing.sip import OFFER, SipPeer
from rapida_media.testing.world import World

SOURCE = Address("192.0.2.9", 5060)
PEER = SipPeer(World(), SOURCE.host)
CALLS = 200
PADDING = [("X-Padding", "p" * 4000)]  # makes a message that is kept stand out


def bob() -> SipEndpoint:
    config = EndpointConfig({"udp": ("192.0.2.2", 5060)})
    return SipEndpoint(config, SeededIds(1), Counters())


def establish(endpoint: SipEndpoint, number: int, now: float) -> IncomingSession:
    call_id = f"call-{number}"
    invite = PEER.request("INVITE", call_id=call_id, headers=PADDING, body=OFFER)
    endpoint.receive_datagram(invite, SOURCE, None, now)
    event = endpoint.next_event()
    assert isinstance(event, IncomingInvite)
    event.session.ring(now)
    event.session.accept(OFFER, now)
    ack = PEER.request("ACK", call_id=call_id, to_tag=event.session.id, headers=PADDING)
    endpoint.receive_datagram(ack, SOURCE, None, now)
    endpoint.next_event()
    endpoint.datagrams_to_send()
    return event.session


def hang_up(endpoint: SipEndpoint, number: int, tag: str, now: float) -> None:
    bye = PEER.request("BYE", call_id=f"call-{number}", to_tag=tag, cseq=2)
    endpoint.receive_datagram(bye, SOURCE, None, now)
    endpoint.next_event()
    endpoint.datagrams_to_send()


def test_an_established_call_keeps_less_than_4_kb() -> None:
    endpoint = bob()
    establish(endpoint, -1, 0.0)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(CALLS):
            establish(endpoint, number, 0.0)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(endpoint.sessions) == CALLS + 1
    assert (after - before) / CALLS < 4000


def test_an_ended_call_is_freed_once_its_timers_have_run_out() -> None:
    endpoint = bob()
    session = establish(endpoint, 1, 0.0)
    tag, held = session.id, ref(session)
    del session
    hang_up(endpoint, 1, tag, 1.0)
    assert not endpoint.sessions
    endpoint.handle_timeout(34.0)
    assert endpoint.transaction_count == endpoint.timer_count == 0
    gc.collect()
    assert held() is None


def test_a_thousand_calls_leave_the_memory_as_it_was() -> None:
    endpoint = bob()
    now = 0.0

    def run(calls: int) -> None:
        nonlocal now
        for number in range(calls):
            session = establish(endpoint, number, now)
            hang_up(endpoint, number, session.id, now)
            now += 0.5
            endpoint.handle_timeout(now)
        now += 100.0
        endpoint.handle_timeout(now)
        gc.collect()

    tracemalloc.start()
    try:
        run(300)
        before, _ = tracemalloc.get_traced_memory()
        run(700)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert endpoint.transaction_count == endpoint.timer_count == 0
    assert after - before < 20_000
