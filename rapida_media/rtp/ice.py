"""The lite side of ICE (RFC 8445 section 2.5): who is reachable answers checks and sends none.

Which pair is used is the full agent's choice, which it makes known with USE-CANDIDATE. Its checks
go on for as long as it lives (RFC 7675), so they also tell when it is gone.

    a check that is signed wrongly, or for somebody else    dropped and counted
    one from an agent that thinks it is controlled          487: it has to control (section 7.3.1.1)
    one with an attribute that has to be known and is not   420 (RFC 8489 section 6.3.1)
    any other                                               answered; the first of them, and then
                                                            every one that nominates, is selected
"""

from __future__ import annotations

from rapida_media.ids import IdSource
from rapida_media.rtp.path import Address
from rapida_media.rtp.stun import (
    BINDING_ERROR,
    BINDING_REQUEST,
    BINDING_SUCCESS,
    COMPREHENSION_OPTIONAL,
    ERROR_CODE,
    ICE_CONTROLLED,
    MESSAGE_INTEGRITY,
    PRIORITY,
    UNKNOWN_ATTRIBUTES,
    USE_CANDIDATE,
    USERNAME,
    XOR_MAPPED_ADDRESS,
    StunMessage,
    error_code,
    format_stun,
    parse_stun,
    xor_mapped_address,
)

# Addresses of the far end that are remembered: it has some interfaces, and NATs before them.
CHECKED_MAX = 32
_KNOWN = frozenset({USERNAME, MESSAGE_INTEGRITY, PRIORITY, USE_CANDIDATE})


class IceLite:
    """One session's. ufrag, password: ours, of 32 and 128 random bits (section 5.3).

    selected: where to send, None before the first check. heard_at: the latest check.
    """

    def __init__(self, ids: IdSource) -> None:
        self.ufrag, self.password = ids.token()[:8], ids.token()
        self.selected: Address | None = None
        self.heard_at: float | None = None
        self.refused = 0
        self._remote_ufrag = ""
        self._nominated = False
        self._checked: dict[Address, None] = {}

    def expect(self, remote_ufrag: str) -> None:
        """Take checks of who offered this; before that none is taken."""
        self._remote_ufrag = remote_ufrag

    def knows(self, address: Address) -> bool:
        """Whether a check came from there: who else sends is a stranger."""
        return address in self._checked

    def receive(self, data: bytes, source: Address, now: float) -> bytes | None:
        """Take a STUN datagram; gives what it is answered. Never raises."""
        message = parse_stun(data)
        if message is None or message.type != BINDING_REQUEST:
            self.refused += message is None  # a keep-alive is an indication, and fine
            return None
        if not self._is_for_us(message):
            self.refused += 1
            return None
        if (refusal := _refusal(message)) is not None:
            return self._answer(BINDING_ERROR, message, refusal)
        self.heard_at = now
        self._take(source, nominating=USE_CANDIDATE in message.attributes)
        mapped = xor_mapped_address(source, message.transaction_id)
        return self._answer(BINDING_SUCCESS, message, [(XOR_MAPPED_ADDRESS, mapped)])

    def _is_for_us(self, message: StunMessage) -> bool:
        expected = f"{self.ufrag}:{self._remote_ufrag}".encode()
        return (
            bool(self._remote_ufrag)
            and message.attributes.get(USERNAME) == expected
            and message.is_signed_with(self.password.encode())
        )

    def _take(self, source: Address, *, nominating: bool) -> None:
        if source not in self._checked and len(self._checked) == CHECKED_MAX:
            del self._checked[next(iter(self._checked))]
        self._checked[source] = None
        if nominating or (not self._nominated and self.selected is None):
            self.selected = source
            self._nominated |= nominating

    def _answer(
        self, kind: int, request: StunMessage, attributes: list[tuple[int, bytes]]
    ) -> bytes:
        return format_stun(kind, request.transaction_id, attributes, self.password.encode())


def _refusal(message: StunMessage) -> list[tuple[int, bytes]] | None:
    if ICE_CONTROLLED in message.attributes:
        return [(ERROR_CODE, error_code(487, "Role Conflict"))]
    unknown = [
        name for name in message.attributes if name < COMPREHENSION_OPTIONAL and name not in _KNOWN
    ]
    if unknown:
        listed = b"".join(name.to_bytes(2, "big") for name in unknown)
        named = (ERROR_CODE, error_code(420, "Unknown Attribute"))
        return [named, (UNKNOWN_ATTRIBUTES, listed)]
    return None
