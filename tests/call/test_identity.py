"""Caller and called number over a trunk, and E.164."""

import pytest

from rapida_media.call.identity import called_of, caller_of, is_private, normalise
from rapida_media.config import Trunk
from rapida_media.sip.message import parse_message


def invite(*lines, uri="sip:alice@192.0.2.1", from_="<sip:anonymous@anonymous.invalid>;tag=1"):
    head = [f"INVITE {uri} SIP/2.0", f"From: {from_}", "To: <sip:+15550199@carrier.example>"]
    return parse_message(("\r\n".join([*head, *lines]) + "\r\n\r\n").encode())


@pytest.mark.parametrize(
    ("number", "country_code", "written"),
    [
        ("+1 (555) 010-0.0", None, "+155501000"),
        ("0044 20 7946 0018", None, "+442079460018"),
        ("02079460018", "44", "+442079460018"),
        ("02079460018", None, "02079460018"),
        ("2079460018", "44", "+442079460018"),
        ("442079460018", "44", "+442079460018"),
        ("15550100123", "1", "+15550100123"),
        ("5550100123", "1", "+15550100123"),
        ("011442079460018", "1", "+442079460018"),
        ("00442079460018", "1", "+442079460018"),
        ("011442079460018", None, "011442079460018"),
        ("+15550100;npdi;rn=+15550000", None, "+15550100"),
        ("%2B15550100", None, "+15550100"),
        ("110", "49", "110"),
        ("06 6982 1234", "39", "+390669821234"),  # the zero is dialled from abroad, too
        ("3 3312345678", "39", "+3933312345678"),
        ("390669821234", "39", "+390669821234"),
        ("06 1 234 5678", "36", "+3612345678"),
        ("8 (495) 123-45-67", "7", "+74951234567"),
        ("8121234567", "7", "+78121234567"),  # Saint Petersburg's own 812
        ("74951234567", "7", "+74951234567"),
        ("support", "44", "support"),
        ("+1234567890123456", "1", "+1234567890123456"),
    ],
)
def test_numbers_are_written_as_e164(number, country_code, written):
    assert normalise(number, country_code) == written


ASSERTED = 'P-Asserted-Identity: "Carol" <sip:+15550123@carrier.example>'
REMOTE = "Remote-Party-ID: <sip:15550124@carrier.example>;party=calling"
OTHERS = "Remote-Party-ID: <sip:15550130@x.example>;party=called"
FROM = '"Dave" <sip:0155-50125@carrier.example;user=phone>;tag=1'


@pytest.mark.parametrize(
    ("lines", "from_", "caller"),
    [
        ((REMOTE, ASSERTED), FROM, "+15550123"),
        (("P-Asserted-Identity: tel:+15550126",), FROM, "+15550126"),
        ((REMOTE,), FROM, "15550124"),
        ((OTHERS, REMOTE), FROM, "15550124"),
        ((OTHERS,), FROM, "015550125"),
        (("Remote-Party-ID: <sip:15550131@x.example>;screen=yes",), FROM, "15550131"),
        ((), FROM, "015550125"),
        (("P-Asserted-Identity: <nonsense",), FROM, "015550125"),
        (("P-Asserted-Identity: <urn:x:y>", REMOTE), FROM, "15550124"),
        ((), "<sip:carrier.example>;tag=1", "sip:carrier.example"),
    ],
)
def test_the_caller_is_who_the_trunk_asserts_first_of_all(lines, from_, caller):
    assert caller_of(invite(*lines, from_=from_), Trunk("t")) == caller


NOBODY = "<sip:anonymous@anonymous.invalid>;tag=1"


@pytest.mark.parametrize(
    ("lines", "from_", "private"),
    [
        ((ASSERTED,), FROM, False),
        ((ASSERTED, "Privacy: id"), FROM, True),
        (("Privacy: header;user;critical",), FROM, True),
        (("Privacy: header; ID",), FROM, True),
        (("Privacy: history",), FROM, False),  # of others, RFC 7044
        (("Privacy: ",), FROM, False),
        ((ASSERTED,), NOBODY, True),
        ((), '"Anonymous" <sip:Anonymous@carrier.example>;tag=1', True),
        ((ASSERTED, "Privacy: none"), NOBODY, False),
        ((f"{REMOTE};privacy=full;screen=yes",), FROM, True),
        ((f'{REMOTE};privacy="uri-network"',), FROM, True),
        ((f"{REMOTE};privacy=off",), FROM, False),
        ((f"{REMOTE};privacy=name",), FROM, False),
        ((f"{OTHERS};privacy=full", REMOTE), FROM, False),
    ],
)
def test_a_caller_says_whether_it_may_be_shown(lines, from_, private):
    assert is_private(invite(*lines, from_=from_)) is private


DIVERTED = (
    "Diversion: <sip:+15550102@x.example>;reason=no-answer",
    "Diversion: <sip:+15550101@x.example>;reason=user-busy",
)
HISTORY = (
    "History-Info: <sip:+15550101@x.example>;index=1, <sip:+15550102@x.example>;index=1.1",
)  # fmt: skip


@pytest.mark.parametrize(
    ("field", "lines", "called"),
    [
        ("request-uri", (), "alice"),
        ("to", (), "+15550199"),
        ("diversion", DIVERTED, "+15550101"),
        ("diversion", (), "alice"),
        ("history-info", HISTORY, "+15550101"),
        ("history-info", ("History-Info: <<",), "alice"),
    ],
)
def test_the_called_number_stands_where_the_trunk_says(field, lines, called):
    assert called_of(invite(*lines), Trunk("t", called=field)) == called


def test_a_tel_uri_calls_its_number():
    request = invite(uri="tel:020-7946-0018;phone-context=+44")
    assert called_of(request, Trunk("t", country_code="44")) == "+442079460018"


def test_a_request_uri_without_a_user_calls_nobody_in_particular():
    assert called_of(invite(uri="sip:192.0.2.1"), Trunk("t")) is None
