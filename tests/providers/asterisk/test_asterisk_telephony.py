"""The dialplan's webhooks, and who may ask; and the shared conformance kit over AudioSocket."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import replace

import pytest
from recorded_asterisk import (
    BASIC,
    CALL_WEBHOOK,
    CHANNEL,
    CREDENTIAL,
    DTMF_5,
    HEADER_8_KHZ,
    MEDIA_START,
    PASSWORD,
    STATUSES,
    USER,
    UUID_MESSAGE,
    asked,
    event,
)

from rapida_media.config import Credential
from rapida_media.errors import ConfigError, ProviderError
from rapida_media.providers.asterisk import AUDIOSOCKET as OVER_AUDIOSOCKET
from rapida_media.providers.asterisk import SPEC
from rapida_media.providers.asterisk.telephony import AsteriskTelephony, dashed
from rapida_media.providers.asterisk.verification import verify
from rapida_media.providers.base import CallInfo
from rapida_media.providers.http import HttpReply, Reply, WebhookRequest
from rapida_media.providers.registry import check_credentials
from rapida_media.testing.providers import CHECKS, ProviderCase, RecordedHttp

CONTEXT = "0123456789abcdef0123456789abcdef"
AUDIOSOCKET_CASE = ProviderCase(
    spec=OVER_AUDIOSOCKET,
    credential=CREDENTIAL,
    call_webhook=CALL_WEBHOOK,
    call_id=CHANNEL,
    statuses=STATUSES,
    start=[UUID_MESSAGE],
    audio=HEADER_8_KHZ + bytes(320),
    stop=None,
    loop_back=lambda message: message if message[:1] in (b"\x10", b"\x12") else None,
    digit=(DTMF_5, "5"),
    created=(200, b'{"id":"rapida-cccccccccccccccccccccccccccccccc"}', f"rapida-{'c' * 32}"),
    answer_names=dashed("c" * 32),
)


def mark_processed(message: str | bytes) -> str | None:
    said = json.loads(message)
    if said["command"] != "MARK_MEDIA":
        return None
    return event("MEDIA_MARK_PROCESSED", correlation_id=said["correlation_id"])


WEBSOCKET_CASE = replace(
    AUDIOSOCKET_CASE,
    spec=SPEC,
    start=[MEDIA_START],
    audio=bytes(640),
    loop_back=lambda message: message if isinstance(message, bytes) else None,
    digit=(event("DTMF_END", digit="5"), "5"),
    mark_echo=mark_processed,
)


def telephony() -> AsteriskTelephony:
    return AsteriskTelephony(CREDENTIAL, RecordedHttp(HttpReply(204)))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_asterisk_conforms_over_audiosocket(check: object) -> None:
    assert callable(check)
    check(AUDIOSOCKET_CASE)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_asterisk_conforms_over_chan_websocket(check: object) -> None:
    assert callable(check)
    check(WEBSOCKET_CASE)


def test_the_answer_is_the_bare_id_as_a_uuid() -> None:
    reply = telephony().inbound_call(CallInfo(context_id=CONTEXT), "wss://x", "https://x")
    assert reply == Reply(200, "text/plain", b"01234567-89ab-cdef-0123-456789abcdef")


def test_a_refusal_is_no_id() -> None:
    assert telephony().refuse_call("busy") == Reply(503, "text/plain")
    assert telephony().refuse_call("rejected") == Reply(403, "text/plain")


def test_what_the_dialplan_says_of_a_call_is_understood() -> None:
    request = asked(
        **{"id": CHANNEL, "from": "+14155550100", "to": "100", "format": "slin16", "plan": "gold"}
    )
    assert telephony().receive_call(request) == CallInfo(
        CHANNEL, "+14155550100", "100", "ringing", "ringing",
        parameters={"plan": "gold"}, facts={"format": "slin16"},
    )  # fmt: skip
    with pytest.raises(ProviderError, match=r"\$\{UNIQUEID\}"):
        telephony().receive_call(asked(**{"from": "+14155550100"}))


HERE = replace(asked(authorization=""), remote="127.0.0.1")
THERE = replace(asked(authorization=""), remote="192.0.2.10")
ACCOUNT = Credential("office", "asterisk", {})
LISTED = Credential("office", "asterisk", {"addresses": "192.0.2.0/24, 2001:db8::1"})
AUDIOSOCKET = WebhookRequest("CONNECT", "audiosocket://", remote="192.0.2.10")


@pytest.mark.parametrize(
    ("request_", "credential", "genuine"),
    [
        (HERE, None, True),
        (HERE, ACCOUNT, True),
        (replace(HERE, remote="::1"), ACCOUNT, True),
        (replace(HERE, remote="::ffff:127.0.0.1"), ACCOUNT, True),
        (THERE, None, False),
        (THERE, ACCOUNT, False),
        (replace(HERE, headers={"x-forwarded-for": "203.0.113.9"}), ACCOUNT, False),
        (THERE, LISTED, True),
        (HERE, LISTED, False),
        (replace(THERE, remote="nowhere"), LISTED, False),
        (THERE, CREDENTIAL, False),
        (replace(THERE, headers={"authorization": BASIC}), CREDENTIAL, True),
        (replace(THERE, headers={"authorization": f"b{BASIC[1:]}"}), CREDENTIAL, True),
        (replace(THERE, headers={"authorization": BASIC[:-3] + "AAA"}), CREDENTIAL, False),
        (replace(THERE, headers={"authorization": BASIC, "via": "1.1 proxy"}), CREDENTIAL, True),
        (AUDIOSOCKET, CREDENTIAL, True),
        (AUDIOSOCKET, LISTED, True),
        (replace(AUDIOSOCKET, remote="198.51.100.1"), LISTED, False),
        (AUDIOSOCKET, ACCOUNT, False),
    ],
)  # fmt: skip
def test_who_asks_is_known_by_password_or_address(
    request_: WebhookRequest, credential: Credential | None, genuine: bool
) -> None:
    assert (verify(request_, credential) is None) == genuine


def test_password_and_addresses_are_both_asked_for_where_both_are_given() -> None:
    both = replace(CREDENTIAL, values={**CREDENTIAL.values, **LISTED.values})
    shown = replace(THERE, headers={"authorization": BASIC})
    assert verify(shown, both) is None
    assert verify(THERE, both) is not None
    assert verify(replace(shown, remote="198.51.100.1"), both) is not None


def test_a_password_may_have_any_letters() -> None:
    odd = Credential("office", "asterisk", {"username": USER, "password": f"ü: {PASSWORD}"})
    shown = b64encode(f"{USER}:ü: {PASSWORD}".encode()).decode()
    assert verify(replace(THERE, headers={"authorization": f"Basic {shown}"}), odd) is None


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("addresses", "192.0.2.1, pbx", "'pbx' does not appear to be an IPv4 or IPv6 network"),
        ("addresses", " ", "is empty; leave it out"),
        ("endpoint", "PJSIP/trunk", 'expected one such as "PJSIP/{to}@trunk"'),
        ("format", "opus", "expected one of ulaw, alaw, slin,"),
    ],
)
def test_what_cannot_be_worked_with_is_said_at_the_start(key: str, value: str, fault: str) -> None:
    credential = Credential("office", "asterisk", {key: value})
    with pytest.raises(ConfigError, match=re.escape(f"[credentials.office] {key}: {fault}")):
        check_credentials([credential])
