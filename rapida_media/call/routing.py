"""Which assistant takes a call: by called number, by assistant name, else the default agent."""

from __future__ import annotations

from collections.abc import Mapping

from rapida_media.config import Assistant
from rapida_media.config.numbers import bare_number


class Router:
    """``sip:+15550100@host`` by number, ``sip:support@host`` by name, everything else by default.

    default: the assistant for calls that match none; None refuses them (404).
    """

    def __init__(self, assistants: Mapping[str, Assistant], default: Assistant | None) -> None:
        self._default = default
        self._by_user = {name.lower(): each for name, each in assistants.items()}
        self._by_user |= {
            bare_number(number): each for each in assistants.values() for number in each.numbers
        }

    def route(self, user: str) -> Assistant | None:
        """Give the assistant that takes a call to ``user`` (unescaped), None when nobody does."""
        # RFC 3261 section 19.1.6: a telephone number's parameters stand in the user part.
        user, _, _ = user.partition(";")
        return self._by_user.get(bare_number(user)) or self._by_user.get(
            user.lower(), self._default
        )
