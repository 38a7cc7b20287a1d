"""Key presses in INFO requests: ``application/dtmf-relay`` and ``application/dtmf``.

No standard describes them; gateways have written them this way since 1999. Read from the far end
by the call layer, written where telephone-event (RFC 4733) was not negotiated.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from rapida_media.errors import LocalProtocolError

RELAY = "application/dtmf-relay"
PLAIN = "application/dtmf"
KEYS = frozenset("0123456789*#ABCD")
# A gateway may name a key by its number in RFC 4733 section 3.2.
_NUMBERED = {"10": "*", "11": "#", "12": "A", "13": "B", "14": "C", "15": "D", "16": "flash"}
_NUMBERED |= {"!": "flash"}
_FIELD = re.compile(r"^[ \t]*(signal|duration)[ \t]*=[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)
# What a press lasts that does not say, and the longest one worth believing.
USUAL_MS = 100
LONGEST_MS = 60_000


class KeyPress(NamedTuple):
    """key: one of 0-9 * # A-D, or "flash"."""

    key: str
    duration_ms: int


def parse_key_press(content_type: str, body: bytes) -> KeyPress | None:
    """Read the body of an INFO; None where it names no key."""
    text = body.decode("ascii", "replace").strip()
    fields = {name.lower(): value for name, value in _FIELD.findall(text)}
    signal = fields.get("signal", text if content_type == PLAIN else "").upper()
    key = signal if signal in KEYS else _NUMBERED.get(signal)
    if key is None:
        return None
    duration = fields.get("duration", "")
    usable = duration.isascii() and duration.isdigit() and len(duration) <= 9
    return KeyPress(key, min(int(duration), LONGEST_MS) if usable else USUAL_MS)


def format_key_press(key: str, duration_ms: int = USUAL_MS) -> bytes:
    """Write a dtmf-relay body. Raises LocalProtocolError for what is no key."""
    if key not in KEYS:
        raise LocalProtocolError(f"not a DTMF digit: {key!r}")
    return f"Signal={key}\r\nDuration={duration_ms}\r\n".encode()
