"""The lite side of ICE: whose checks it answers, which pair is used, when the far end was heard."""

from __future__ import annotations

import pytest

from rapida_media.rtp.ice import CHECKED_MAX, IceLite
from rapida_media.rtp.stun import (
    BINDING_ERROR,
    BINDING_REQUEST,
    BINDING_SUCCESS,
    ERROR_CODE,
    ICE_CONTROLLED,
    ICE_CONTROLLING,
    PRIORITY,
    UNKNOWN_ATTRIBUTES,
    USE_CANDIDATE,
    USERNAME,
    XOR_MAPPED_ADDRESS,
    format_stun,
    parse_stun,
    xor_mapped_address,
)

HOST, OTHER = ("192.0.2.1", 40000), ("2001:db8::1", 40001)
TRANSACTION = bytes(range(12))


class Ids:
    def __init__(self) -> None:
        self.drawn = 0

    def token(self) -> str:
        self.drawn += 1
        return f"{self.drawn:032x}"

    def number(self, bits: int) -> int:
        return 0


@pytest.fixture
def ice() -> IceLite:
    made = IceLite(Ids())
    made.expect("them")
    return made


def check(ice: IceLite, *more: tuple[int, bytes], user: str = "", password: str = "") -> bytes:
    user = user or f"{ice.ufrag}:them"
    attributes = [(USERNAME, user.encode()), (PRIORITY, bytes(4)), *more]
    return format_stun(
        BINDING_REQUEST, TRANSACTION, attributes, (password or ice.password).encode()
    )


def test_a_check_is_answered_with_where_it_came_from(ice: IceLite) -> None:
    answer = parse_stun(ice.receive(check(ice, (ICE_CONTROLLING, bytes(8))), HOST, 1.0) or b"")
    assert answer is not None
    assert (answer.type, answer.transaction_id) == (BINDING_SUCCESS, TRANSACTION)
    assert answer.attributes[XOR_MAPPED_ADDRESS] == xor_mapped_address(HOST, TRANSACTION)
    assert answer.is_signed_with(ice.password.encode())
    assert (ice.selected, ice.heard_at, ice.refused) == (HOST, 1.0, 0)
    assert ice.knows(HOST)
    assert not ice.knows(OTHER)


def test_the_first_check_selects_until_one_nominates_and_later_nominations_move_it(
    ice: IceLite,
) -> None:
    ice.receive(check(ice), HOST, 1.0)
    ice.receive(check(ice), OTHER, 2.0)
    assert ice.selected == HOST
    ice.receive(check(ice, (USE_CANDIDATE, b"")), OTHER, 3.0)
    assert ice.selected == OTHER
    ice.receive(check(ice), HOST, 4.0)
    assert (ice.selected, ice.heard_at) == (OTHER, 4.0)
    ice.receive(check(ice, (USE_CANDIDATE, b"")), HOST, 5.0)
    assert ice.selected == HOST


@pytest.mark.parametrize(
    "fault",
    [{"user": "someone:them"}, {"user": "00000000:other"}, {"password": "guessed"}],
)
def test_a_check_for_somebody_else_or_under_another_password_is_dropped_and_counted(
    ice: IceLite, fault: dict[str, str]
) -> None:
    assert ice.receive(check(ice, **fault), HOST, 1.0) is None
    assert (ice.selected, ice.heard_at, ice.refused) == (None, None, 1)


def test_no_check_is_taken_before_it_is_known_whose_it_would_be() -> None:
    ice = IceLite(Ids())
    assert ice.receive(check(ice, user=f"{ice.ufrag}:"), HOST, 1.0) is None
    assert ice.selected is None


@pytest.mark.parametrize("junk", [b"", b"\0\1", bytes(20), bytes(1500)])
def test_what_is_no_stun_is_dropped_and_counted(ice: IceLite, junk: bytes) -> None:
    assert ice.receive(junk, HOST, 1.0) is None
    assert ice.refused == 1


def test_a_keep_alive_wants_no_answer(ice: IceLite) -> None:
    assert ice.receive(format_stun(0x0011, TRANSACTION, [], b""), HOST, 1.0) is None
    assert ice.refused == 0


def test_an_agent_that_thinks_it_is_controlled_is_told_to_control(ice: IceLite) -> None:
    answer = parse_stun(ice.receive(check(ice, (ICE_CONTROLLED, bytes(8))), HOST, 1.0) or b"")
    assert answer is not None
    assert (answer.type, answer.attributes[ERROR_CODE][2:4]) == (BINDING_ERROR, b"\4\x57")
    assert ice.selected is None


def test_an_attribute_that_has_to_be_known_and_is_not_is_named(ice: IceLite) -> None:
    answer = parse_stun(ice.receive(check(ice, (0x7777, b"")), HOST, 1.0) or b"")
    assert answer is not None
    assert answer.attributes[UNKNOWN_ATTRIBUTES] == b"\x77\x77"
    assert ice.receive(check(ice, (0xC057, b"1234")), HOST, 1.0) is not None
    assert ice.selected == HOST


def test_addresses_are_remembered_up_to_a_limit(ice: IceLite) -> None:
    for port in range(1, CHECKED_MAX + 2):
        ice.receive(check(ice), ("192.0.2.1", port), 1.0)
    assert not ice.knows(("192.0.2.1", 1))
    assert ice.knows(("192.0.2.1", CHECKED_MAX + 1))
