"""Offers within a call, at the level of session descriptions: hold, glare, refresh."""

from __future__ import annotations

import pytest

from rapida_media.call.negotiation import Negotiation
from rapida_media.errors import NegotiationError
from rapida_media.legs.rtp_leg import RtpLeg
from rapida_media.sdp.offer_answer import LocalMedia, OfferAnswer
from rapida_media.testing.clock import SeededIds

OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 0\r\n"
)


class Session:
    """Notes our re-INVITEs and says whether one may be sent."""

    can_offer = True

    def __init__(self) -> None:
        self.offers: list[bytes] = []

    def reinvite(self, body: bytes, now: float) -> None:
        self.offers.append(body)


class Table:
    """A negotiation that answered an offer, and what became of it."""

    def __init__(self, leg: RtpLeg) -> None:
        self.holds: list[bool] = []
        self.outcomes: list[bool] = []
        self.answers: list[bytes | int] = []
        self.leg = leg
        self.session = Session()
        self.negotiation = Negotiation(
            OfferAnswer(SeededIds(1)),
            LocalMedia("192.0.2.2", 6000),
            self.leg,
            self.holds.append,
        )
        self.negotiation.session = self.session
        self.negotiation.take(OFFER)

    def far_end_offers(self, body: bytes) -> None:
        self.negotiation.answer_change(
            body,
            lambda answer, now: self.answers.append(answer),
            lambda status, now, headers: self.answers.append(status),
            0.0,
        )

    def far_end_answers(self, *lines: str) -> None:
        self.negotiation.change_answered(
            OFFER.replace(b"m=audio 4000 RTP/AVP 0\r\n", "\r\n".join([*lines, ""]).encode()), 0.0
        )

    def hold(self, held: bool) -> None:
        self.negotiation.hold(held, self.outcomes.append, 0.0)


def direction(body: bytes) -> str:
    lines = body.decode().split("\r\n")
    return next(line[2:] for line in lines if line in {f"a={d}" for d in DIRECTIONS})


DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")


def version(body: bytes) -> int:
    return int(body.split(b"o=")[1].split()[2])


def far(direction: str, version: int = 2) -> bytes:
    return OFFER.replace(b"o=- 1 1", f"o=- 1 {version}".encode()) + f"a={direction}\r\n".encode()


@pytest.fixture
def table(spare_leg: RtpLeg) -> Table:
    return Table(spare_leg)


def test_hold_offers_sendonly_and_the_leg_stops_listening(table: Table) -> None:
    table.hold(True)
    (offer,) = table.session.offers
    assert direction(offer) == "sendonly"
    assert table.outcomes == []
    table.negotiation.change_answered(far("recvonly"), 0.0)
    assert table.outcomes == [True]
    assert table.leg.negotiated.direction == "sendonly"
    assert table.negotiation.silent
    assert table.holds == []  # we hold; nobody holds us
    table.hold(False)
    table.negotiation.change_answered(far("sendrecv"), 0.0)
    assert direction(table.session.offers[-1]) == "sendrecv"
    assert table.leg.negotiated.direction == "sendrecv"
    assert table.outcomes == [True, True]


def test_a_far_end_that_holds_too_makes_it_inactive_and_its_own_hold_stays(table: Table) -> None:
    table.far_end_offers(far("sendonly"))
    assert table.holds == [True]
    table.hold(True)
    table.negotiation.change_answered(far("inactive", 3), 0.0)
    assert table.leg.negotiated.direction == "inactive"
    table.hold(False)
    table.negotiation.change_answered(far("sendonly", 4), 0.0)
    assert table.leg.negotiated.direction == "recvonly"
    assert table.holds == [True]
    table.far_end_offers(far("sendrecv", 5))
    assert table.holds == [True, False]


def test_an_offer_of_the_far_end_does_not_undo_our_hold(table: Table) -> None:
    table.hold(True)
    table.negotiation.change_answered(far("recvonly"), 0.0)
    table.far_end_offers(far("sendrecv", 3))
    assert direction(table.answers[-1]) == "sendonly"


def test_a_change_waits_until_the_session_is_free(table: Table) -> None:
    table.session.can_offer = False
    table.hold(True)
    assert table.session.offers == []
    table.negotiation.go_on(0.0)
    assert table.session.offers == []
    table.session.can_offer = True
    table.negotiation.go_on(0.0)
    table.negotiation.go_on(0.0)
    assert len(table.session.offers) == 1


def test_after_glare_the_offer_is_made_anew_with_the_next_version(table: Table) -> None:
    table.hold(True)
    table.negotiation.change_refused(True)
    table.far_end_offers(OFFER.replace(b"RTP/AVP 0", b"RTP/AVP 8").replace(b"1 1 IN", b"1 2 IN"))
    table.negotiation.offer_again(0.0)
    first, second = table.session.offers
    answer = table.answers[-1]
    assert version(first) < version(answer) < version(second)
    assert table.outcomes == []
    table.negotiation.change_answered(far("recvonly", 3), 0.0)
    assert table.outcomes == [True]


def test_a_refused_hold_leaves_the_call_as_it_was(table: Table) -> None:
    table.hold(True)
    table.negotiation.change_refused(False)
    assert table.outcomes == [False]
    assert table.leg.negotiated.direction == "sendrecv"
    table.negotiation.offer_again(0.0)  # the session timer
    assert table.session.offers[-1] == table.negotiation.description
    table.negotiation.change_answered(far("sendrecv"), 0.0)
    table.far_end_offers(far("sendrecv"))
    assert direction(table.answers[-1]) == "sendrecv"


def test_who_changes_his_mind_meanwhile_is_told_when_the_last_wish_is_agreed(table: Table) -> None:
    table.hold(True)
    table.hold(False)
    assert len(table.session.offers) == 1
    table.session.can_offer = False
    table.negotiation.change_answered(far("recvonly"), 0.0)
    assert table.outcomes == []
    table.session.can_offer = True
    table.negotiation.go_on(0.0)
    assert [direction(offer) for offer in table.session.offers] == ["sendonly", "sendrecv"]
    table.negotiation.change_answered(far("sendrecv", 3), 0.0)
    assert table.outcomes == [True, True]


def test_a_refresh_repeats_what_was_described_last_to_the_letter(table: Table) -> None:
    table.negotiation.offer_again(0.0)
    assert table.session.offers == [table.negotiation.description]
    table.negotiation.change_answered(far("sendrecv"), 0.0)
    assert table.leg.negotiated.direction == "sendrecv"
    assert table.outcomes == []


def test_an_answer_to_a_change_without_a_common_codec_is_an_error(table: Table) -> None:
    table.hold(True)
    with pytest.raises(NegotiationError):
        table.negotiation.change_answered(OFFER.replace(b"AVP 0", b"AVP 18"), 0.0)


CLOSED = OFFER.replace(b"m=audio 4000 ", b"m=audio 0 ")


def test_a_call_whose_stream_is_closed_is_held_until_there_is_one_again(table: Table) -> None:
    """RFC 3264 section 8.2: a stream is removed by offering it with port zero."""
    table.far_end_offers(CLOSED)
    (answer,) = table.answers
    assert isinstance(answer, bytes)
    assert b"m=audio 0 RTP/AVP 0\r\n" in answer
    assert table.holds == [True]
    assert table.negotiation.silent
    assert table.leg.negotiated is not None
    assert not table.leg.negotiated.sending
    assert table.leg.negotiated.remote_rtcp is None
    table.negotiation.offer_again(0.0)  # to refresh the session: the same again
    assert b"m=audio 0 RTP/AVP 0\r\n" in table.session.offers[-1]
    table.far_end_answers("m=audio 0 RTP/AVP 0")
    table.far_end_offers(OFFER)
    assert table.holds == [True, False]
    assert not table.negotiation.silent
    assert table.leg.negotiated.remote_rtcp == ("192.0.2.9", 4001)


def test_a_change_of_ours_may_be_answered_without_the_stream(table: Table) -> None:
    table.hold(True)
    table.far_end_answers("m=audio 0 RTP/AVP 0")
    assert table.outcomes == [True]
    assert table.negotiation.silent
    assert table.holds == [True]


def test_an_answer_without_the_stream_is_no_call(spare_leg: RtpLeg) -> None:
    negotiation = Negotiation(
        OfferAnswer(SeededIds(1)), LocalMedia("192.0.2.2", 6000), spare_leg, [].append
    )
    negotiation.offer()
    for hear in (negotiation.hear_early, negotiation.receive_answer):
        with pytest.raises(NegotiationError, match="port 0"):
            hear(CLOSED)
