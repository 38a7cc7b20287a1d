"""What a peer takes, as its Allow header fields say (RFC 3261 section 20.5)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rapida_media.sip.message import Message


class Allow(NamedTuple):
    """methods: None while the peer said nothing, which means nothing either."""

    methods: frozenset[str] | None = None

    def forbids(self, method: str) -> bool:
        """Whether others than this method were named."""
        return self.methods is not None and method not in self.methods

    def names(self, method: str) -> bool:
        """Whether the method was named."""
        return self.methods is not None and method in self.methods

    def without(self, method: str) -> Allow:
        """Give what is left where a method that was named is refused after all."""
        return Allow((self.methods or frozenset()) - {method})


def allow_of(message: Message, known: Allow) -> Allow:
    """Give what holds after a message: what it says, else what was known before."""
    return _allow(" ".join(message.allow)) if message.has("Allow") else known


@lru_cache(256)
def _allow(text: str) -> Allow:
    """Give one value for all peers that allow the same: there are few of these."""
    return Allow(frozenset(text.split()))
