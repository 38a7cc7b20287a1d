"""A dialog the caller has with one callee before the final response (RFC 3261 section 12.1.2).

``OutgoingSession`` keeps one for each To tag: a forked INVITE rings in several places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rapida_media.sip.dialog import Dialog

# A proxy that forks without end gets its other branches unacknowledged.
MAX_EARLY_DIALOGS = 16


class EarlyDialog:
    """answer: to our offer, from a reliable response of this callee; its 200 then needs none."""

    __slots__ = ("_rseq", "answer", "dialog")

    def __init__(self, dialog: Dialog) -> None:
        self.dialog = dialog
        self.answer = b""
        self._rseq: int | None = None

    def is_next(self, rseq: int) -> bool:
        """Tell whether a reliable response is the one to acknowledge now, and note that it came.

        "If the UAC receives another reliable provisional response to the same request, and its
        RSeq value is not one higher than the value of the sequence number, that response MUST NOT
        be acknowledged with a PRACK, and MUST NOT be processed further by the UAC" (RFC 3262
        section 4). The first may have any number.
        """
        if self._rseq is not None and rseq != self._rseq + 1:
            return False
        self._rseq = rseq
        return True
