"""Run sipp with its built-in scenarios or those beside this file; read what it counted."""

from __future__ import annotations

import csv
import re
import signal
import struct
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from rapida_media.demo.engine import HOST
from rapida_media.demo.ports import free_port

# sipp's cumulative counters that stand at zero when every message came as the scenario says.
MUST_BE_ZERO = (
    "FailedCall(C)",
    "FailedUnexpectedMessage(C)",
    "FailedMaxUDPRetrans(C)",
    "FailedCannotSendMessage(C)",
    "OutOfCallMsgs(C)",
    "DeadCallMsgs(C)",
    "Retransmissions(C)",
    "FatalErrors(C)",
)
LINK_HEADER_BYTES, UDP_HEADER_BYTES, RTP_HEADER_BYTES = 14, 8, 12
SCENARIOS = Path(__file__).with_name("sipp")
ECHOED = re.compile(r"(\d+) Total echo RTP pckts 1st stream")


@dataclass(frozen=True)
class SippResult:
    """What one sipp run ended with. troubles: the counters that should be zero and are not."""

    exit_code: int
    successful: int
    troubles: dict[str, int]
    errors: str


class Sipp:
    """One sipp process in its own directory, ended by its own pid."""

    def __init__(self, program: str, directory: Path, scenario: str, *options: str) -> None:
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.sip_port = free_port()
        self.media_port = free_port()
        own = SCENARIOS / f"{scenario}.xml"
        chosen = ("-sf", str(own)) if own.exists() else ("-sn", scenario)
        command = [
            *(program, *chosen, "-nostdin", "-i", HOST, "-p", str(self.sip_port)),
            *("-mi", HOST, "-mp", str(self.media_port)),
            *("-trace_stat", "-stf", "stat.csv", "-fd", "1", "-trace_err"),
            *("-error_file", "errors.log", "-trace_screen", "-screen_file", "screen.log"),
            *options,
        ]
        with (directory / "stdout.log").open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def statistics(self) -> dict[str, str]:
        """Give the newest line of sipp's statistics file, by column; {} before there is one."""
        path = self.directory / "stat.csv"
        if not path.exists():
            return {}
        with path.open(newline="") as file:
            lines = list(csv.DictReader(file, delimiter=";"))
        return lines[-1] if lines else {}

    def echoed_when(self, successful: int, timeout: float) -> int:
        """Wait for so many successful calls, then ask how many RTP packets were echoed."""
        deadline = time.monotonic() + timeout
        while int(self.statistics().get("SuccessfulCall(C)") or 0) < successful:
            assert self._process.poll() is None, self._output()
            assert time.monotonic() < deadline, self._output()
            time.sleep(0.2)  # another program's progress: nothing to wait on but its file
        self._process.send_signal(signal.SIGUSR2)  # sipp writes its screen to screen.log
        screen = self.directory / "screen.log"
        while not screen.exists() or not ECHOED.search(screen.read_text()):
            assert time.monotonic() < deadline, self._output()
            time.sleep(0.05)
        return max(int(count) for count in ECHOED.findall(screen.read_text()))

    def wait(self, timeout: float) -> SippResult:
        """Wait for the scenario's end; give what it counted."""
        exit_code = self._process.wait(timeout)
        last = self.statistics()
        errors = self.directory / "errors.log"
        return SippResult(
            exit_code=exit_code,
            successful=int(last.get("SuccessfulCall(C)") or 0),
            troubles={name: int(last[name]) for name in MUST_BE_ZERO if last.get(name) != "0"},
            errors=errors.read_text() if errors.exists() else "",
        )

    def end(self) -> None:
        """End sipp if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _output(self) -> str:
        return (self.directory / "stdout.log").read_text(errors="replace")


def payloads_of(capture: Path) -> bytes:
    """Join the RTP payloads of a packet capture of one plain stream (Ethernet, IPv4, UDP)."""
    data = capture.read_bytes()
    payloads, at = [], 24
    while at < len(data):
        (length,) = struct.unpack_from("<8xI", data, at)
        packet = data[at + 16 : at + 16 + length]
        ip_header_bytes = 4 * (packet[LINK_HEADER_BYTES] & 15)
        skipped = LINK_HEADER_BYTES + ip_header_bytes + UDP_HEADER_BYTES + RTP_HEADER_BYTES
        payloads.append(packet[skipped:])
        at += 16 + length
    return b"".join(payloads)
