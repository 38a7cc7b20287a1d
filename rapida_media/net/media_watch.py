"""For how long nothing was received on a call: a far end that vanished says no BYE."""

from __future__ import annotations

from rapida_media.kernels import MediaStream


class MediaWatch:
    """Asked once a second; each answer compares with the one before."""

    def __init__(self, stream: MediaStream) -> None:
        self._stream = stream
        self._packets = 0
        self._seen_at = 0.0

    def silent_for(self, now: float, answered: float, on_purpose: bool) -> float:
        """Give the seconds since the last packet, or since the answer.

        on_purpose: one side holds, or the far end only listens: that counts as a packet.
        """
        received = self._stream.packets_received
        if received != self._packets or on_purpose:
            self._packets, self._seen_at = received, now
        return now - max(self._seen_at, answered)
