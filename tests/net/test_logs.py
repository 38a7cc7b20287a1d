"""Logs carry call ids and never a whole phone number."""

import io
import json
import logging

import pytest

from rapida_media.net.logs import redact, set_up_logging


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("sip:+15550100@carrier.example", "sip:+1…00@carrier.example"),
        ("call from 4930123456 to echo", "call from 49…56 to echo"),
        ("sip:echo@127.0.0.1:5060", "sip:echo@127.0.0.1:5060"),
    ],
)
def test_numbers_are_redacted(text, shown):
    assert redact(text) == shown


def test_a_json_line_carries_the_call_id_and_the_fields(capsys):
    set_up_logging("json", "info")
    try:
        logging.getLogger("rapida_media.test").info(
            "ended: %s", "bye", extra={"call_id": "c1", "fields": {"packets_lost": 3}}
        )
    finally:
        logging.getLogger().handlers.clear()
    line = json.load(io.StringIO(capsys.readouterr().err))
    assert (line["message"], line["call_id"], line["packets_lost"]) == ("ended: bye", "c1", 3)


def test_a_text_line_names_the_call_behind_the_message(capsys):
    set_up_logging("text", "info")
    try:
        logging.getLogger("rapida_media.test").warning("late", extra={"call_id": "c1"})
    finally:
        logging.getLogger().handlers.clear()
    assert capsys.readouterr().err.endswith("warning late [c1]\n")
