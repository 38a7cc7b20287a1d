"""How long a sound is on its way from the phone through the engine to a bot and back.

Several calls at once send a burst now and then; the time counts from the packet that carries it to
the first packet that brings it back. Engine and bot are processes of their own.
"""

from __future__ import annotations

import select
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.load.caller import Caller, SipCall
from rapida_media.demo.engine import HOST, RunningEngine, environment, running_engine
from rapida_media.kernels import ulaw_decode, ulaw_encode

PACKET_S, PACKET_SAMPLES = 0.020, 160
EVERY = 15  # packets from one burst to the next
CALLS, SECONDS = 6, 4.0
LOUD_RMS = 1500.0
QUIET = b"\xff" * PACKET_SAMPLES

BOTS: Mapping[str, tuple[str, ...]] = {
    "no bot": (),
    "twilio": ('dialect = "twilio"',),
    "vonage": ('dialect = "vonage"',),
    "exotel, 20 ms": ('dialect = "exotel"', "chunk_ms = 20"),
    "exotel, 100 ms": ('dialect = "exotel"',),
    "l16": ('dialect = "l16"',),
}


@dataclass(slots=True)
class Line:
    """One call's media. waiting: when the burst left that has not come back."""

    socket: socket.socket
    remote: tuple[str, int]
    due: float
    number: int = 0
    waiting: float | None = None
    latencies: list[float] = field(default_factory=list)

    def send(self, burst: bytes) -> None:
        loud = self.number % EVERY == EVERY - 1
        ssrc = self.remote[1]
        header = struct.pack("!BBHII", 0x80, 0, self.number, self.number * PACKET_SAMPLES, ssrc)
        self.socket.sendto(header + (burst if loud else QUIET), self.remote)
        if loud:
            self.waiting = time.monotonic()
        self.number += 1
        self.due += PACKET_S

    def receive(self) -> None:
        payload = self.socket.recv(2048)[12:]
        now = time.monotonic()
        if self.waiting is None or payload == QUIET:
            return
        pcm = np.frombuffer(ulaw_decode(payload), "<i2").astype(float)
        if np.sqrt(np.mean(pcm**2)) > LOUD_RMS:
            self.latencies.append(now - self.waiting)
            self.waiting = None


def measure(
    engine: RunningEngine, user: str, calls: int = CALLS, seconds: float = SECONDS
) -> list[float]:
    """Give the latencies in ms of the bursts of some calls, placed at different moments."""
    caller = Caller(engine.uri(user), (HOST, engine.port), HOST)
    lines: dict[str, Line] = {}
    with ExitStack() as stack:
        stack.callback(caller.close)
        for index in range(calls):
            media = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            media.bind((HOST, 0))
            call = caller.invite(index, media.getsockname()[1])
            _until(caller, call, "answered")
            assert call.media is not None
            # Each call's packets come at another time of the engine's own schedule.
            due = time.monotonic() + 0.1 + index * PACKET_S / calls
            lines[call.call_id] = Line(media, call.media, due)
        _talk(list(lines.values()), seconds)
        for call in list(caller.calls.values()):
            caller.bye(call)
            _until(caller, call, "ended")
    return [1000 * latency for line in lines.values() for latency in line.latencies]


def _until(caller: Caller, call: SipCall, state: str) -> None:
    if not caller.pump(time.monotonic() + 5, lambda: call.state == state):
        raise RuntimeError(f"the call is {call.state} ({call.status}), not {state}")


def _talk(lines: list[Line], seconds: float) -> None:
    noise = np.random.default_rng(1).normal(0, 6000, PACKET_SAMPLES).clip(-20000, 20000)
    burst = ulaw_encode(noise.astype("<i2").tobytes())
    by_fd = {line.socket.fileno(): line for line in lines}
    end = time.monotonic() + seconds
    while (now := time.monotonic()) < end:
        for line in lines:
            if line.due <= now:
                line.send(burst)
        wait = max(0.0, min(line.due for line in lines) - time.monotonic())
        for fd in select.select(list(by_fd), [], [], wait)[0]:
            by_fd[fd].receive()


@contextmanager
def engine_with_bots(bots: Mapping[str, tuple[str, ...]] = BOTS) -> Iterator[RunningEngine]:
    """Run an engine with an assistant for each of these, a0, a1 …, and the bot they all lead to."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bot = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "bench.echo_bot"],
                stdout=subprocess.PIPE,
                env=environment(),
                text=True,
            )
        )
        stack.callback(bot.kill)
        assert bot.stdout is not None
        port = int(bot.stdout.readline())
        tables = []
        for number, (name, lines) in enumerate(bots.items()):
            url = f"ws://{HOST}:{port}/{name.partition(',')[0]}"
            agent = f"websocket:{url}" if lines else "python:bench.echo_bot:echo_sounds"
            tables += [f"[assistants.a{number}]", f'agent = "{agent}"', *lines]
        (folder / "rapida.toml").write_text("\n".join(tables) + "\n")
        yield stack.enter_context(running_engine(folder / "engine.log", cwd=folder))


def latencies() -> dict[str, dict[str, float]]:
    """Give percentiles in ms by bot: of the whole way, and of what is above one packet."""
    found: dict[str, dict[str, float]] = {}
    with engine_with_bots() as engine:
        for number, name in enumerate(BOTS):
            figures = sorted(measure(engine, f"a{number}"))
            cuts = statistics.quantiles(figures, n=20, method="inclusive")
            p50, p95 = cuts[9], cuts[18]
            found[name] = {
                "p50 ms": p50,
                "p95 ms": p95,
                "above packet p50": p50 - 1000 * PACKET_S,
                "above packet p95": p95 - 1000 * PACKET_S,
                "bursts": len(figures),
            }
    return found
