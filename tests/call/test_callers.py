"""Only trunks may call, once there are trunks."""

from ipaddress import ip_network

import pytest

from rapida_media.call.callers import Callers
from rapida_media.config import Trunk

CARRIER = Trunk(
    "carrier",
    networks=(ip_network("198.51.100.0/24"), ip_network("2001:db8::/32")),
    names=("sip.carrier.example",),
)


@pytest.mark.parametrize(
    ("host", "welcome"),
    [
        ("198.51.100.7", True),
        ("198.51.101.7", False),
        ("2001:db8::5", True),
        ("2001:db9::5", False),
        ("127.0.0.1", True),
        ("203.0.113.9", False),
    ],
)
def test_a_call_comes_from_a_trunk_or_from_this_machine(host, welcome):
    assert Callers([CARRIER]).admit(host) is welcome


def test_a_trunk_named_by_its_host_is_admitted_once_resolved():
    callers = Callers([CARRIER])
    assert callers.names == ["sip.carrier.example"]
    callers.resolved(["203.0.113.9"])
    assert callers.admit("203.0.113.9")


def test_without_trunks_the_engine_is_on_loopback_and_takes_every_call():
    assert Callers([]).admit("203.0.113.9")
