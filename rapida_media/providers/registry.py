"""The ways a call can reach the engine, and what each can do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """What one way of carrying calls can do; a row of ``rapida-media providers``."""

    name: str
    inbound: bool
    outbound: bool
    audio: str
    digits: str


SIP = ProviderSpec(
    name="sip",
    inbound=True,
    outbound=True,
    audio="RTP: PCMU, PCMA, G722, L16/16000",
    digits="RFC 4733, both directions",
)


def providers() -> tuple[ProviderSpec, ...]:
    """Give every known provider."""
    return (SIP,)


def format_table(rows: tuple[ProviderSpec, ...]) -> str:
    """Write ``rows`` as a table for people."""
    cells = [("PROVIDER", "INBOUND", "OUTBOUND", "AUDIO", "DIGITS")]
    cells += [
        (row.name, _yes(row.inbound), _yes(row.outbound), row.audio, row.digits) for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def _yes(able: bool) -> str:
    return "yes" if able else "no"
