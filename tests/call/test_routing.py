"""The called user chooses the assistant: number, name, or the default agent."""

import pytest

from rapida_media.call.routing import Router
from rapida_media.config import Assistant

SUPPORT = Assistant("support", agent="echo", numbers=("+1 555 0100",))
SALES = Assistant("Sales", agent="silence", numbers=("+15550101", "+15550102"))
DEFAULT = Assistant("", agent="tone:440")
ROUTER = Router({"support": SUPPORT, "Sales": SALES}, DEFAULT)


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("+15550100", SUPPORT),
        ("15550100", SUPPORT),
        ("+15550102", SALES),
        ("support", SUPPORT),
        ("SALES", SALES),
        ("+15550199", DEFAULT),
        ("", DEFAULT),
        ("+1-555-0100;npdi", SUPPORT),
    ],
)
def test_a_call_goes_to(user, expected):
    assert ROUTER.route(user) == expected


def test_without_a_default_agent_unknown_numbers_go_nowhere():
    assert Router({"support": SUPPORT}, None).route("+15550199") is None
