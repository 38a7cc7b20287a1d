"""The Warning header of a response (RFC 3261 section 20.43): why it is not what was asked for."""

from __future__ import annotations

import re

# "the name or pseudonym of the server adding the Warning header, for use in debugging"
WARN_AGENT = "rapida-media"
_QUOTED = re.compile(r'["\\]')


def warning(code: int, text: str) -> tuple[str, str]:
    """Write one. code: 300 to 399, text: for people, without line breaks."""
    return "Warning", f'{code} {WARN_AGENT} "{_QUOTED.sub(_escaped, text)}"'


def _escaped(match: re.Match[str]) -> str:
    return f"\\{match[0]}"
