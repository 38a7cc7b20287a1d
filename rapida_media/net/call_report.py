"""What came of one call, for people and for machines: the report of ``rapida-media call``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rapida_media.call.call import Call
from rapida_media.media.align import measure_echo


@dataclass(slots=True)
class Report:
    """What came of the call; times in ms since the INVITE was sent."""

    uri: str
    answered: bool = False
    status: int | None = None
    reason: str = ""
    cause: str | None = None
    retry_after_s: int | None = None
    failure_class: str | None = None
    retryable: bool = False
    setup_ms: float | None = None
    duration_s: float = 0.0
    codec: str | None = None
    srtp: str | None = None
    srtp_failures: int = 0
    packets_sent: int = 0
    packets_received: int = 0
    packets_lost: int = 0
    jitter_ms: float | None = None
    round_trip_ms: float | None = None
    correlation: float | None = None
    digits: list[str] = field(default_factory=list)
    held: bool | None = None  # and taken back; None where nobody wanted that
    transfer_status: int | None = None
    events: list[dict[str, float | str]] = field(default_factory=list)
    trace: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    def to_text(self) -> str:
        """Write the report for people, one aligned line a fact."""
        facts = {
            "call": f"{self.uri}: {'answered' if self.answered else 'not answered'}"
            f" ({self.status or '-'}), ended: {self.reason}"
            + (f", {self.cause}" if self.cause else "")
            + (f", retry after {self.retry_after_s} s" if self.retry_after_s else "")
            + (f", failed: {self.failure_class}" if self.failure_class else ""),
            "set-up": _ms(self.setup_ms),
            "duration": f"{self.duration_s:.1f} s",
            "codec": self.codec or "-",
            "media": f"{self.srtp}, {self.srtp_failures} not authentic" if self.srtp else "plain",
            "packets": f"{self.packets_sent} sent, {self.packets_received} received,"
            f" {self.packets_lost} lost, jitter {_ms(self.jitter_ms)}",
            "echo": "-"
            if self.round_trip_ms is None
            else f"{_ms(self.round_trip_ms)} round trip, correlation {self.correlation:.4f}",
            "digits": "".join(self.digits) or "-",
        }
        if self.held is not None:
            facts["hold"] = "held and resumed" if self.held else "refused"
        if self.transfer_status is not None:
            facts["transfer"] = str(self.transfer_status)
        lines = [f"{name:9} {fact}" for name, fact in facts.items()]
        return "\n".join([*lines, self.trace] if self.trace else lines)

    def measure(self, recording: Path) -> None:
        """Find in the recording how soon and how faithfully the far end echoed what was sent."""
        echo = measure_echo(recording)
        if echo is not None:
            self.round_trip_ms = round(echo.delay_ms, 2)
            self.correlation = round(echo.correlation, 5)


def report_of(uri: str, call: Call) -> Report:
    """Begin the report of a call that is over. uri: what was called."""
    ended, times = call.ended, call.timeline
    assert ended is not None, "it is over"
    report = Report(uri, answered=call.answered)
    report.status, report.reason = ended.code or (200 if call.answered else None), ended.reason
    report.cause, report.retry_after_s = ended.cause, ended.retry_after_s
    report.failure_class, report.retryable = ended.failure_class, ended.retryable
    report.events = [
        {"at_ms": round(at * 1000, 1), "event": name} for name, at in times.offsets().items()
    ]
    if call.answered:
        stats = call.stats()
        report.setup_ms = round((times.since("answered", "initiated") or 0.0) * 1000, 2)
        report.duration_s = round(times.since("ended", "answered") or 0.0, 3)
        report.codec = str(stats["codec"])
        report.srtp = None if stats["srtp"] is None else str(stats["srtp"])
        report.srtp_failures = int(stats["srtp_failures"] or 0)
        report.packets_sent = int(stats["packets_sent"] or 0)
        report.packets_received = int(stats["packets_received"] or 0)
        report.packets_lost = int(stats["packets_lost"] or 0)
        report.jitter_ms = round(float(stats["jitter_ms"] or 0), 2)
    return report


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"
