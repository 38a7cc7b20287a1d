"""What may be called, how many at once, and for how much."""

from __future__ import annotations

import tomllib

import pytest

from rapida_media.call.guard import DAY_S, TollGuard
from rapida_media.call.records import CallRecord
from rapida_media.call.state import CallState
from rapida_media.config import parse_config

CONFIG = """
[sip]
dial_hosts = ["pbx.example", "192.0.2.0/24", "2001:db8::/32"]
[trunks.open]
hosts = ["198.51.100.1"]
allow = ["*"]
[trunks.german]
hosts = ["198.51.100.2"]
allow = ["+49", "110"]
price_per_minute = 0.5
[trunks.silent]
hosts = ["198.51.100.3"]
caller_id = "+15550111"
[credentials.main]
provider = "x"
allow = ["+1"]
price_per_minute = 1
[assistants.support]
agent = "echo"
numbers = ["+1 555 0100"]
max_outbound_calls = 2
spend_per_day = 3
[assistants.free]
agent = "echo"
"""
RECORD = CallRecord("c", "sip", "outbound", "", "+49", 0.0, assistant="support", trunk="german")


def guard(live: dict[str, CallRecord] | None = None) -> TollGuard:
    return TollGuard(parse_config(tomllib.loads(CONFIG)), {} if live is None else live)


@pytest.mark.parametrize(
    ("trunk", "number", "allowed"),
    [
        ("open", "+442079460018", True),
        ("open", "*100#", True),
        ("german", "+4930123456", True),
        ("german", "+49 (30) 123-456", True),
        ("german", "110", True),
        ("german", "4930123456", False),
        ("german", "004930123456", False),
        ("german", "+4", False),
        ("german", "+48221234567", False),
        ("german", "+49*21*9005550100#", False),
        ("silent", "+4930123456", False),
        ("silent", "+15550100", True),
        ("silent", "+15550111", True),
        ("silent", "+155501001", False),
    ],
)
def test_only_what_is_allowed_may_be_called(trunk: str, number: str, allowed: bool) -> None:
    why = guard().check_number(number, trunk=trunk, credential=None)
    assert (why is None) is allowed
    if why is not None:
        assert f"[trunks.{trunk}] allow" in why


def test_an_account_has_prefixes_of_its_own() -> None:
    assert guard().check_number("+1900", trunk=None, credential="main") is None
    assert guard().check_number("+4930", trunk=None, credential="main") is not None
    assert guard().check_number("+1900", trunk=None, credential=None) is not None


@pytest.mark.parametrize(
    ("uri", "allowed"),
    [
        ("sip:a@pbx.example", True),
        ("sip:a@PBX.example:5070;transport=tcp", True),
        ("sip:a@192.0.2.77", True),
        ("sips:a@[2001:db8::7]", True),
        ("sip:a@192.0.3.1", False),
        ("sip:a@pbx.example.evil.example", False),
        ("sip:pbx.example@evil.example", False),
        ("sip:a@evil.example?Route=pbx.example", False),
        ("sip:", False),
        ("tel:+1900", False),
    ],
)
def test_only_named_hosts_may_be_called(uri: str, allowed: bool) -> None:
    assert (guard().check_uri(uri) is None) is allowed


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("sip:+4930123456@198.51.100.2", None),
        ("sip:+49%33%30123456@198.51.100.2:5066", None),
        ("sip:+19005550100@198.51.100.2", "[trunks.german] allow"),
        ("sip:+4930;ext=1@198.51.100.2", "[trunks.german] allow"),
        ("sip:198.51.100.2", "[trunks.german] allow"),
        ("sip:anybody@198.51.100.1", None),
        ("sip:anybody@198.51.100.9", "dial_hosts"),
    ],
)
def test_a_uri_of_a_trunk_passes_where_its_number_does(uri: str, why: str | None) -> None:
    told = guard().check_uri(uri)
    assert told is None if why is None else why in (told or "")


def test_whom_an_agent_of_the_configuration_bridges_to_may_be_called() -> None:
    config = parse_config(
        tomllib.loads(CONFIG + '[assistants.b]\nagent = "bridge:sip:b@b.example"')
    )
    watched = TollGuard(config, {}, "bridge:sip:c@c.example")
    assert watched.check_uri("sip:b@b.example") is None
    assert watched.check_uri("sip:c@c.example") is None
    assert watched.check_uri("sip:other@b.example") is not None
    watched.use(parse_config(tomllib.loads(CONFIG)))
    assert watched.check_uri("sip:b@b.example") is not None
    assert watched.check_uri("sip:c@c.example") is None


@pytest.mark.parametrize(
    ("uri", "is_free"),
    [
        ("sip:bob@anywhere.example", True),
        ("sip:+19005550100@anywhere.example", True),
        ("sip:bob@198.51.100.2", True),
        ("sip:200@198.51.100.2", True),
        ("sip:+4930123456@198.51.100.2", True),
        ("sip:+19005550100@198.51.100.2", False),
        ("sip:1%39005550100@198.51.100.2", False),
        ("sip:1-900-555-0100;ext=3@198.51.100.2", False),
    ],
)
def test_an_agent_may_call_all_but_the_numbers_of_trunks_where_no_hosts_are_named(
    uri: str, is_free: bool
) -> None:
    config = tomllib.loads(CONFIG)
    del config["sip"]["dial_hosts"]
    unnamed = TollGuard(parse_config(config), {})
    assert (unnamed.check_target(uri) is None) is is_free
    assert (unnamed.check_target(uri, ordered=True) is None) is ("+4930" in uri)


def test_a_star_allows_every_host() -> None:
    every = parse_config(tomllib.loads('[sip]\ndial_hosts = ["*"]'))
    assert TollGuard(every, {}).check_uri("sip:a@anywhere.example") is None
    assert TollGuard(every, {}).check_uri("tel:+1900") is not None


def test_what_an_agent_dials_has_to_keep_the_limits_of_its_assistant_as_well() -> None:
    live = {"c": RECORD, "d": RECORD._replace(id="d")}
    watched = guard(live)
    target = "sip:a@pbx.example"
    assert "max_outbound_calls" in (watched.check(target, 0.0, assistant="support") or "")
    assert watched.check(target, 0.0, assistant="free") is None
    assert watched.check(target, 0.0, assistant=None) is None
    assert "dial_hosts" in (watched.check("sip:a@b", 0.0, assistant="free") or "")
    assert watched.check("+4930", 0.0, assistant="free", trunk="german") is None
    assert watched.check("+1900", 0.0, assistant="free", trunk="german") is not None


def test_calls_at_once_are_counted_by_assistant() -> None:
    live: dict[str, CallRecord] = {}
    watched = guard(live)
    assistants = parse_config(tomllib.loads(CONFIG)).assistants
    for number in range(5):
        record = RECORD._replace(id=str(number), assistant="free")
        live[record.id] = record
    assert watched.check_limits(assistants["support"], 0.0) is None
    for number in range(2):
        live[f"s{number}"] = RECORD._replace(id=f"s{number}")
    live["in"] = RECORD._replace(id="in", direction="inbound")
    denial = watched.check_limits(assistants["support"], 0.0)
    assert denial is not None
    assert denial.kind == "too-many-calls"
    assert watched.check_limits(assistants["free"], 0.0) is None


def test_a_day_costs_no_more_than_it_may() -> None:
    live: dict[str, CallRecord] = {}
    watched = guard(live)
    support = parse_config(tomllib.loads(CONFIG)).assistants["support"]
    over = RECORD._replace(answered_at=100.0, ended_at=100.0 + 61, state=CallState.COMPLETED)
    watched.ledger.record_changed(over)  # two minutes of half a unit each
    watched.ledger.record_changed(over._replace(answered_at=None))
    watched.ledger.record_changed(over._replace(direction="inbound"))
    assert watched.ledger.spent("support", 200.0) == 1.0
    live["c"] = RECORD._replace(answered_at=200.0)
    assert watched.ledger.spent("support", 200.0 + 170) == 1.0 + 1.5
    assert watched.check_limits(support, 200.0 + 170) is None
    denial = watched.check_limits(support, 200.0 + 190)
    assert denial is not None
    assert "3.00 of 3.00" in denial.detail
    live.clear()
    assert watched.ledger.spent("support", 161.0 + DAY_S + 1) == 0.0


def test_a_credential_has_its_price() -> None:
    watched = guard()
    watched.ledger.record_changed(
        RECORD._replace(trunk=None, credential="main", answered_at=0.0, ended_at=1.0,
                state=CallState.COMPLETED)
    )  # fmt: skip
    assert watched.ledger.spent("support", 2.0) == 1.0
