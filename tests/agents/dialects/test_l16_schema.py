"""docs/l16.schema.json is what the l16 dialect says and takes, no more and no less."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from rapida_media.agents.dialects import make_dialect
from rapida_media.agents.dialects.base import Malformed, Opening
from rapida_media.agents.dialects.l16 import _READERS
from rapida_media.config import BotConfig

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads((ROOT / "docs" / "l16.schema.json").read_text())
OPENING = Opening("c" * 32, "5" * 32, caller="+1", called="+2", parameters={"n": 1, "x": [True]})


def validator(side: str) -> Any:
    return jsonschema_rs.validator_for({**SCHEMA, "$ref": f"#/$defs/{side}"})


@pytest.mark.parametrize("rate_hz", [16000, 24000])
def test_everything_the_dialect_says_is_in_the_schema(rate_hz: int) -> None:
    made = make_dialect(BotConfig(dialect="l16", sample_rate=rate_hz), OPENING)
    said = [
        *made.begin(),
        made.digit("#", 80),
        made.digit("flash", 0),
        made.marked("m", False),
        made.cleared(120),
        made.held(True),
        made.refused("why"),
        made.end("bye"),
    ]
    to_bot = validator("to_bot")
    for message in said:
        assert message is not None
        to_bot.validate(json.loads(message))
    events = {json.loads(message)["event"] for message in said if message}
    refs = [each["$ref"].rpartition("/")[2] for each in SCHEMA["$defs"]["to_bot"]["oneOf"]]
    described = {SCHEMA["$defs"][ref]["properties"]["event"]["const"] for ref in refs}
    assert events == described


MESSAGES: list[Any] = [
    {"event": "clear"},
    {"event": "mark", "name": "m"},
    {"event": "mark", "name": ""},
    {"event": "mark"},
    {"event": "mark", "name": 5},
    {"event": "mark", "name": "n" * 256},
    {"event": "mark", "name": "n" * 257},
    {"event": "dtmf", "digits": "0123456789*#ABCD"},
    {"event": "dtmf", "digits": ""},
    {"event": "dtmf", "digits": "1" * 65},
    {"event": "dtmf", "digits": "x"},
    {"event": "transfer", "target": "sip:anna@192.0.2.1"},
    {"event": "transfer"},
    {"event": "hangup"},
    {"event": "hangup", "reason": "all-said_1"},
    {"event": "hangup", "reason": "two words"},
    {"event": "hangup", "reason": ""},
    {"event": "hangup", "reason": "ü"},
    {"event": "hangup", "reason": "_"},
    {"event": "play"},
    {"action": "clear"},
    [],
    5,
]


@pytest.mark.parametrize("message", MESSAGES, ids=json.dumps)
def test_the_dialect_takes_what_the_schema_takes(message: Any) -> None:
    made = make_dialect(BotConfig(dialect="l16"), OPENING)
    (order,) = made.receive(json.dumps(message))
    assert validator("from_bot").is_valid(message) == (not isinstance(order, Malformed))


def test_every_event_of_a_bot_is_described() -> None:
    refs = [each["$ref"].rpartition("/")[2] for each in SCHEMA["$defs"]["from_bot"]["oneOf"]]
    assert set(refs) == set(_READERS)
