"""What RTCP needs to know of the media it reports on. ``MediaStream`` has it."""

from __future__ import annotations

from typing import Protocol

from rapida_media.kernels import ReceptionReport
from rapida_media.rtp.path import Address


class ReportedStream(Protocol):
    """One stream, both directions."""

    @property
    def ssrc(self) -> int: ...
    @property
    def source_ssrc(self) -> int | None: ...
    @property
    def source_heard_at(self) -> float:
        """When the newest packet of the current source came."""
        ...

    @property
    def remote(self) -> Address | None: ...
    @property
    def send_rate_hz(self) -> int: ...
    @property
    def sender_counts(self) -> tuple[int, int]:
        """Packets and octets sent under the current SSRC."""
        ...

    def timestamp_at(self, now: float) -> int:
        """Give the RTP timestamp of that instant, on the clock of what we send."""
        ...

    def reception_report(self) -> ReceptionReport | None:
        """Give the report on the current source; its fraction covers the time since the last."""
        ...

    def change_ssrc(self, ssrc: int) -> None: ...
