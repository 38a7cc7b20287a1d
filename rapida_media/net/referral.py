"""A transfer that our agent ordered: the REFER, and telling the agent what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rapida_media.call.transfer import TransferOutcome
from rapida_media.errors import LocalProtocolError
from rapida_media.sip import events
from rapida_media.sip.refer import Replaces
from rapida_media.sip.referring_session import ReferringSession
from rapida_media.sip.uri import parse_uri

Done = Callable[[TransferOutcome], None]


class Referral:
    """The transfer of one call, of which one at a time is under way."""

    def __init__(self) -> None:
        self._done: Done | None = None
        self._accepted = False

    def order(
        self,
        session: ReferringSession,
        target: str,
        replaces: Replaces | None,
        done: Done,
        now: float,
    ) -> None:
        """Ask the far end to call target. LocalProtocolError while another order is under way."""
        if self._done is not None:
            raise LocalProtocolError("a transfer is under way")
        session.refer(target, now, replaces)
        self._done, self._accepted = done, False

    def handle(self, event: events.Event) -> bool:
        """Follow the session; True when the transfer succeeded and the call may be hung up."""
        match event:
            case events.ReferAccepted():
                self._accepted = True
            case events.ReferDone(status=status, reason=reason):
                outcome = TransferOutcome(status, reason)
                self._tell(outcome)
                return outcome.succeeded
        return False

    def call_ended(self) -> None:
        """The call is over, whoever ended it: who took the order before has followed it."""
        accepted = TransferOutcome(202, "Accepted")
        self._tell(accepted if self._accepted else TransferOutcome(487, "Request Terminated"))

    def _tell(self, outcome: TransferOutcome) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(outcome)


def party_of(session: ReferringSession) -> tuple[str, Replaces]:
    """Give the URI of a session's far end, and the call there that is to be replaced (RFC 3891)."""
    replaces = session.replaces
    assert session.dialog is not None, "it has a name"
    uri = parse_uri(session.dialog.remote_target)
    return str(replace(uri, headers="")), replaces
