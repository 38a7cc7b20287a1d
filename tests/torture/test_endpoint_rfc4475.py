"""The RFC 4475 messages sent to an endpoint: each gets an answer the RFC allows, or none."""

from __future__ import annotations

import pytest
from corpus import BY_NAME, CORPUS, Torture

from rapida_media.sip.address import Address
from rapida_media.sip.endpoint import EndpointConfig, SipEndpoint
from rapida_media.sip.events import IncomingInvite
from rapida_media.sip.message import Response, parse_message
from rapida_media.stats import Counters
from rapida_media.testing.clock import SeededIds
from rapida_media.testing.sip import SipPeer
from rapida_media.testing.world import World

SOURCE = Address("192.0.2.9", 5060)
# Its request line has no version and it has no Via: there is no request that could be answered.
DROPPED = {"test.dat"}


class Uas:
    """An endpoint that rejects every call it is told of with 404, as an unknown user would get."""

    def __init__(self) -> None:
        config = EndpointConfig({"udp": ("192.0.2.2", 5060)})
        self.endpoint = SipEndpoint(config, SeededIds(0), Counters())

    def answers(self, data: bytes) -> list[Response]:
        self.endpoint.receive_datagram(data, SOURCE, None, 0.0)
        while (event := self.endpoint.next_event()) is not None:
            if isinstance(event, IncomingInvite):
                event.session.reject(404, 0.0)
        responses = []
        for datagram in self.endpoint.datagrams_to_send():
            message = parse_message(datagram.data)
            assert isinstance(message, Response)
            assert datagram.destination.host == SOURCE.host
            responses.append(message)
        return responses


def allowed(torture: Torture, status: int) -> bool:
    return str(status) in torture.allowed or f"{status // 100}xx" in torture.allowed


@pytest.mark.parametrize("torture", CORPUS, ids=str)
def test_every_torture_message_gets_an_allowed_answer(torture: Torture) -> None:
    uas = Uas()
    answers = uas.answers(torture.data)
    if not torture.allowed or torture.file in DROPPED:
        assert answers == []
    else:
        assert answers
        finals = [answer.status for answer in answers if answer.status >= 200]
        assert len(finals) == 1
        assert all(allowed(torture, status) for status in finals), finals
        if torture.preferred is not None:
            assert str(finals[0]) in (torture.preferred, "404"), finals
    options = SipPeer(World(), "192.0.2.9").request("OPTIONS")
    assert [answer.status for answer in uas.answers(options)] == [200]
    uas.endpoint.handle_timeout(1000.0)
    uas.endpoint.datagrams_to_send()
    assert uas.endpoint.transaction_count == uas.endpoint.timer_count == 0


def test_unknown_options_of_require_are_named_those_of_proxy_require_are_not() -> None:
    (answer,) = Uas().answers(BY_NAME["bext01"].data)
    assert answer.unsupported == ["nothingSupportsThis", "nothingSupportsThisEither"]


def test_an_unknown_media_type_is_told_what_would_be_accepted() -> None:
    (answer,) = Uas().answers(BY_NAME["invut"].data)
    assert answer.header("Accept") == "application/sdp"


def test_what_follows_the_first_message_of_a_datagram_is_not_answered() -> None:
    (answer,) = Uas().answers(BY_NAME["dblreq"].data)
    assert answer.cseq.method == "REGISTER"


def test_all_vias_are_echoed_in_order() -> None:
    request = parse_message(BY_NAME["longreq"].data)
    answer = Uas().answers(BY_NAME["longreq"].data)[-1]
    assert [via.branch for via in answer.vias] == [via.branch for via in request.vias]
    assert len(answer.vias) == 34
