"""What a ``Call`` needs from the shell around it: futures, and the protocol of its signalling."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

from rapida_media.call.second_leg import DialOrder, OnRinging
from rapida_media.call.transfer import TransferOutcome
from rapida_media.errors import LocalProtocolError

if TYPE_CHECKING:
    from rapida_media.agents.base import Agent
    from rapida_media.call.call import Call


class Future(Protocol):
    """The part of ``asyncio.Future`` that a call needs."""

    def done(self) -> bool: ...
    def set_result(self, result: Any, /) -> None: ...
    def __await__(self) -> Any: ...


class Signalling(Protocol):
    """What a call needs from the protocol that carries its signalling.

    takes_digits: whether ``send_digits`` reaches the far end.
    """

    @property
    def takes_digits(self) -> bool: ...
    def ring(self) -> None: ...
    def progress(self) -> bool: ...
    def answer(self) -> None: ...
    def reject(
        self, status: int, cause: str | None = None, retry_after_s: int | None = None
    ) -> None: ...
    def redirect(self, uri: str) -> None: ...
    def send_digits(self, digits: str, done: Callable[[bool], None]) -> None: ...
    def transfer(
        self, target: str | Signalling, done: Callable[[TransferOutcome], None]
    ) -> None: ...
    def hold(self, held: bool, done: Callable[[bool], None]) -> None: ...
    def dial(self, order: DialOrder, ringing: OnRinging) -> Awaitable[Call]: ...
    def hand_over(self, agent: Agent) -> None: ...
    def hang_up(self, reason: str, cause: str | None = None) -> None: ...


class Over:
    """The signalling of a call that is over: nobody is there, so every verb comes to nothing."""

    takes_digits = False

    def ring(self) -> None: ...
    def progress(self) -> bool:
        return False

    def answer(self) -> None: ...
    def reject(
        self, status: int, cause: str | None = None, retry_after_s: int | None = None
    ) -> None: ...
    def redirect(self, uri: str) -> None: ...
    def hand_over(self, agent: Agent) -> None: ...
    def hang_up(self, reason: str, cause: str | None = None) -> None: ...

    def send_digits(self, digits: str, done: Callable[[bool], None]) -> None:
        done(False)

    def hold(self, held: bool, done: Callable[[bool], None]) -> None:
        done(False)

    def transfer(self, target: str | Signalling, done: Callable[[TransferOutcome], None]) -> None:
        done(TransferOutcome(487, "Request Terminated"))

    def dial(self, order: DialOrder, ringing: OnRinging) -> Awaitable[Call]:
        raise LocalProtocolError("cannot dial: the call is ended")


OVER = Over()
