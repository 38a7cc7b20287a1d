"""When what happened in a call: the figures of its set-up.

    initiated       the call was made, or its INVITE came
    invite trying ringing answered ack bye
                    first seen on the wire: INVITE, 100, 180 or 183, the 200 to the INVITE, ACK, BYE
    first_rtp_in    the first packet that was believed; first_rtp_out: the first that was sent
    first_media     the first audio the agent was given
    ended           all was over

The shell notes them; an agent reads ``call.milestones``.
"""

from __future__ import annotations


class Milestones:
    """The first time of each, in monotonic seconds."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: dict[str, float] = {}

    def note(self, name: str, at: float | None) -> bool:
        """Keep the first time of ``name``, and tell whether this is it; None is no time."""
        first = at is not None and name not in self._times
        if at is not None:
            self._times.setdefault(name, at)
        return first

    def at(self, name: str) -> float | None:
        return self._times.get(name)

    def since(self, name: str, earlier: str) -> float | None:
        """Give the seconds between two of them, None unless there are both."""
        start, end = self._times.get(earlier), self._times.get(name)
        return None if start is None or end is None else end - start

    def offsets(self) -> dict[str, float]:
        """Give the seconds since the earliest, in order."""
        start = min(self._times.values(), default=0.0)
        return {
            name: at - start for name, at in sorted(self._times.items(), key=lambda each: each[1])
        }
