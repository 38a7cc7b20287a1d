"""Twilio calls at once: what does one cost, and is the engine's clock late under them?

Called by `__main__.py` for `--twilio N`. Each call is a signed webhook, its TwiML, and a media
stream over a WebSocket with messages of 20 ms, which the echo agent says back. In the same run the
same streams go to `common_path.py`: what the usual parts, put together, cost for the same.

What the figures are
  echoed        octets of audio that came back in the window over those sent in it
  round trip    from a loud chunk (one a second) leaving to the first loud message back
  gaps          between messages with audio of one call
  core a call   CPU of all threads over the window's length and the calls
  late ticks    of the engine's 5 ms ticker in the window: more than 20 ms late, of all
  gen. late     how late the generator itself sent: its p99.9 enters the round trip
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlencode

from bench.peers import PACKAGES
from rapida_media.demo.ports import free_port
from rapida_media.providers.twilio.signature import SIGNATURE, sign

from .engine import BUILD, DEFAULT_COMMAND, HERE, Engine, start_engine
from .level import percentile
from .process import split_cores
from .report import aligned
from .streams import CHUNK, Stream, Streams, begin, open_stream

ACCOUNT, TOKEN = f"AC{'0' * 31}1", "0" * 32
WARM_UP_S = 2.0
SETUPS_PER_SECOND = 50.0
LATE_MS = 20
COMMON_PATH = "json + base64 + audioop + soxr"
START_LIMIT_S = 15.0
CONFIGURATION = """
[http]
listen = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"
[limits]
max_calls = 4000
calls_per_second = 1000
[store]
records = "sqlite:calls.db"
[credentials.twilio]
provider = "twilio"
account_sid = "{account}"
auth_token = "{token}"
[assistants.echo]
agent = "python:echo_agent:agent"
credential = "twilio"
"""


@dataclass(slots=True)
class TwilioResult:
    """One row of the table. late_ticks: (late, all); None of a server without such a clock."""

    server: str
    calls: int
    echoed_share: float = 0.0
    round_trip_ms: dict[str, float] = field(default_factory=dict)
    gap_ms: dict[str, float] = field(default_factory=dict)
    core_percent: float = 0.0
    memory_bytes_per_call: float = 0.0
    waited_share: float = 0.0
    late_ticks: tuple[int, int] | None = None
    generator_late_ms: float = 0.0
    lost: int = 0

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        return asdict(self)


def measure_twilio(count: int, window_s: float) -> list[TwilioResult]:
    """Measure the engine and the common path. RuntimeError when either does not work."""
    results = []
    with _engine() as (engine, port):
        opened = _opener(port)
        ticks = _Ticks(port)
        results.append(_measure("rapida-media", engine, count, window_s, opened, ticks))
    if lacking := [part for part in ("soxr", "audioop") if find_spec(part) is None]:
        how = " && ".join(PACKAGES[part][1] for part in lacking)
        print(f"missing, and therefore not measured: {COMMON_PATH} ({how})")
        return results
    with _common_path() as (server, port):
        plain = _plain_opener(port)
        results.append(_measure(COMMON_PATH, server, count, window_s, plain, None))
    return results


def format_twilio(results: list[TwilioResult]) -> str:
    """The table."""
    rows = [("server", "calls", "echoed %", "round trip p50 p95 ms", "gaps p50 p99 p99.9 ms",
             "core a call %", "core %", "kB a call", "late ticks", "waited %",
             "gen. late p99.9 ms")]  # fmt: skip
    for each in results:
        trip, gap, late = each.round_trip_ms, each.gap_ms, each.late_ticks
        rows.append((
            each.server,
            str(each.calls),
            f"{100 * each.echoed_share:.2f}",
            f"{trip['p50']:.1f} {trip['p95']:.1f}",
            f"{gap['p50']:.1f} {gap['p99']:.1f} {gap['p999']:.1f}",
            f"{each.core_percent / each.calls:.3f}",
            f"{each.core_percent:.1f}",
            f"{each.memory_bytes_per_call / 1000:.0f}",
            "–" if late is None else f"{late[0]} of {late[1]}",
            f"{100 * each.waited_share:.1f}",
            f"{each.generator_late_ms:.1f}",
        ))  # fmt: skip
    lines = aligned(rows)
    lines += [f"  {each.server}: {each.lost} streams were lost" for each in results if each.lost]
    return "\n".join(lines)


class _Ticks:
    """The lateness of the engine's ticker, as its metrics tell."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/metrics"

    def read(self) -> tuple[int, int]:
        """(more than LATE_MS late, all) since the start."""
        with urllib.request.urlopen(self._url, timeout=5) as reply:
            text = reply.read().decode()
        name = "rapida_tick_lateness_seconds"
        within = re.search(rf'{name}_bucket{{le="{LATE_MS / 1000}"}} (\S+)', text)
        every = re.search(rf"{name}_count (\S+)", text)
        if within is None or every is None:
            raise RuntimeError("the engine's metrics tell no lateness of its ticker")
        return int(float(every[1]) - float(within[1])), int(float(every[1]))


@contextlib.contextmanager
def _on_a_core_of_our_own() -> Iterator[None]:
    """The servers were started, and have the other cores; a child would inherit this one."""
    core, others = split_cores()
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, others if core is None else others | {core})


@_on_a_core_of_our_own()
def _measure(
    name: str,
    server: Engine,
    count: int,
    window_s: float,
    opened: Callable[[int], Stream],
    ticks: _Ticks | None,
) -> TwilioResult:
    before = server.usage()
    streams = []
    for index in range(count):
        streams.append(opened(index))
        time.sleep(1 / SETUPS_PER_SECOND)
    load = Streams(streams)
    try:
        load.run(WARM_UP_S)
        load.forget()
        late = ticks.read() if ticks is not None else (0, 0)
        began = server.usage()
        load.run(window_s)
        ended = server.usage()
        if ticks is not None:
            after = ticks.read()
            late = (after[0] - late[0], after[1] - late[1])
    finally:
        load.close()
    trips = [trip * 1000 for stream in streams for trip in stream.trips_s]
    gaps = [gap * 1000 for stream in streams for gap in stream.gaps_s]
    length = ended.at - began.at
    return TwilioResult(
        name,
        count,
        echoed_share=sum(each.heard for each in streams)
        / max(1, CHUNK * sum(each.sent for each in streams)),
        round_trip_ms={"p50": percentile(trips, 0.5), "p95": percentile(trips, 0.95)},
        gap_ms={
            "p50": percentile(gaps, 0.5),
            "p99": percentile(gaps, 0.99),
            "p999": percentile(gaps, 0.999),
        },
        core_percent=100 * (ended.cpu_s - began.cpu_s) / length,
        memory_bytes_per_call=(ended.rss_bytes - before.rss_bytes) / count,
        waited_share=(ended.waited_s - began.waited_s) / length,
        late_ticks=late if ticks is not None else None,
        generator_late_ms=1000 * percentile(load.late_s, 0.999),
        lost=sum(each.lost for each in streams),
    )


def _opener(port: int) -> Callable[[int], Stream]:
    """Make what calls the engine as Twilio does: webhook, TwiML, media stream."""
    webhook = f"http://127.0.0.1:{port}/v1/talk/twilio/call/echo"

    def opened(index: int) -> Stream:
        call_id = f"CA{secrets.token_hex(16)}"
        fields = (
            ("AccountSid", ACCOUNT),
            ("CallSid", call_id),
            ("CallStatus", "ringing"),
            ("From", f"+1415555{index:04d}"),
            ("To", "+15005550006"),
        )
        asked = urllib.request.Request(
            webhook,
            urlencode(fields).encode(),
            {SIGNATURE: sign(webhook, fields, TOKEN)},
        )
        with urllib.request.urlopen(asked, timeout=5) as reply:
            noun = ET.fromstring(reply.read()).find("./Connect/Stream")
        assert noun is not None, "the answer opens a stream"
        parameters = {each.attrib["name"]: each.attrib["value"] for each in noun}
        url = noun.attrib["url"]
        stream = Stream(
            open_stream(url, {SIGNATURE: sign(url, (), TOKEN)}), f"MZ{secrets.token_hex(16)}"
        )
        begin(stream, call_id, ACCOUNT, parameters)
        return stream

    return opened


def _plain_opener(port: int) -> Callable[[int], Stream]:
    def opened(index: int) -> Stream:
        stream = Stream(
            open_stream(f"http://127.0.0.1:{port}/stream", {}), f"MZ{secrets.token_hex(16)}"
        )
        begin(stream, f"CA{secrets.token_hex(16)}", ACCOUNT, {})
        return stream

    return opened


@contextlib.contextmanager
def _engine() -> Iterator[tuple[Engine, int]]:
    port = free_port()
    BUILD.mkdir(parents=True, exist_ok=True)
    configuration = BUILD / "twilio.toml"
    configuration.write_text(CONFIGURATION.format(port=port, account=ACCOUNT, token=TOKEN))
    command = DEFAULT_COMMAND.replace(
        shlex.quote(str(HERE / "load.toml")), shlex.quote(str(configuration))
    ).replace("127.0.0.1:0", f"127.0.0.1:{port}")
    with start_engine(command) as engine:
        yield engine, port


@contextlib.contextmanager
def _common_path() -> Iterator[tuple[Engine, int]]:
    port = free_port()
    log = BUILD / "common_path.log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, str(HERE / "common_path.py"), str(port)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    with Engine("", ("127.0.0.1", port), [child.pid], child=child, log=log) as server:
        _wait_until_open(server, port)
        yield server, port


def _wait_until_open(server: Engine, port: int) -> None:
    until = time.monotonic() + START_LIMIT_S
    while True:
        server.usage()  # RuntimeError when it has ended
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        if time.monotonic() > until:
            raise RuntimeError(f"the common path does not listen\n{server.last_words()}")
        time.sleep(0.05)
