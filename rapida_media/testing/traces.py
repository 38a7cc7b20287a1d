"""Arrival times of RTP packets over the kinds of network a call meets, seeded and repeatable.

Made for the jitter-buffer harness (``rapida_media.testing.jitter``), the quality bench and the
scenario tests. Every model gives one ``Arrival`` per packet that arrives, and the times when all
were sent; ``vary`` draws the model's parameters around their usual values, so that a buffer is
tuned for the kind of trouble and not for one set of numbers.

Delivery is first in, first out except in ``reorder`` and at the steps of ``step``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

LINK_MS = 0.3  # packets that were held together leave at least this far apart


class Arrival(NamedTuple):
    """Packet ``number`` reached the receiver at ``at_ms``."""

    at_ms: float
    number: int


@dataclass(frozen=True, slots=True)
class Trace:
    """What a network made of one stream.

    sent_ms: by packet number; each carries the ``ptime_ms`` of sound before it. arrivals: in order
    of arrival; a number that is missing was lost, one that is there twice was duplicated.
    """

    name: str
    ptime_ms: int
    drift_ppm: float
    sent_ms: Sequence[float]
    arrivals: Sequence[Arrival]

    @property
    def least_delay_ms(self) -> float:
        """The delay that no buffer can remove."""
        return min(at - self.sent_ms[number] for at, number in self.arrivals)


@dataclass(slots=True)
class Path:
    """A network being built: transit times by packet, then what happens to all that pass."""

    random: Random
    packets: int
    ptime_ms: int = 20
    drift_ppm: float = 0.0
    vary: float = 0.0
    fifo: bool = True
    transit_ms: list[float] = field(default_factory=list)
    lost: set[int] = field(default_factory=set)
    twice: set[int] = field(default_factory=set)
    stalls: list[tuple[float, float]] = field(default_factory=list)

    def about(self, value: float) -> float:
        """Give a parameter near its usual value."""
        return value * self.random.uniform(1 - self.vary, 1 + self.vary)

    def sent_ms(self, number: int) -> float:
        return number * self.ptime_ms * (1 - self.drift_ppm * 1e-6)

    @property
    def length_ms(self) -> float:
        return self.packets * self.ptime_ms

    def lose(self, share: float, burst: float = 1.0) -> None:
        """Gilbert's two states: ``share`` of the packets, in runs of ``burst`` on average."""
        leave = 1 / burst
        enter = share * leave / (1 - share)
        bad = False
        for number in range(self.packets):
            bad = self.random.random() < (1 - leave if bad else enter)
            if bad:
                self.lost.add(number)

    def stall_every(self, mean_ms: float, height: Callable[[], float], first_ms: float = 0) -> None:
        """Hold all packets now and then and release them together."""
        at = first_ms + self.random.expovariate(1 / mean_ms)
        while at < self.length_ms:
            self.stalls.append((at, at + height()))
            at = self.stalls[-1][1] + self.random.expovariate(1 / mean_ms)

    def trace(self, name: str) -> Trace:
        sent = [self.sent_ms(number) for number in range(self.packets)]
        arrivals: list[Arrival] = []
        last = float("-inf")
        for number, transit in enumerate(self.transit_ms):
            if number in self.lost:
                continue
            at = sent[number] + transit
            for begin, end in self.stalls:
                if begin <= at < end:
                    at = end
            if self.fifo:
                last = at = max(at, last + LINK_MS)
            arrivals.append(Arrival(at, number))
            if number in self.twice:
                arrivals.append(Arrival(at + self.random.uniform(0.1, 15), number))
        arrivals.sort()
        return Trace(name, self.ptime_ms, self.drift_ppm, sent, arrivals)


def _gamma(path: Path, shape: float, mean_ms: float, base_ms: float = 15) -> None:
    mean_ms = path.about(mean_ms)
    path.transit_ms = [
        base_ms + path.random.gammavariate(shape, mean_ms / shape) for _ in range(path.packets)
    ]


def _lan(path: Path) -> None:
    sigma = path.about(0.3)
    path.transit_ms = [1 + abs(path.random.gauss(0, sigma)) for _ in range(path.packets)]


def _trunk(path: Path) -> None:
    _gamma(path, 2, 2.5)
    path.stall_every(path.about(20_000), lambda: path.random.uniform(10, 30))
    path.lose(path.about(0.0008))


def _drift(path: Path) -> None:
    path.drift_ppm = path.random.choice((-1, 1)) * path.about(200)
    _gamma(path, 2, 2.5)


def _internet(path: Path) -> None:
    _gamma(path, 1.6, 7, 40)
    height = path.about(30)
    path.stall_every(path.about(5000), lambda: min(180.0, height * path.random.paretovariate(2.2)))
    path.lose(path.about(0.005), 1.5)


def _wifi_like(path: Path, every_ms: float, low: float, high: float, scan: float) -> None:
    mean = path.about(4)
    path.transit_ms = [8 + path.random.expovariate(1 / mean) for _ in range(path.packets)]
    low, high = path.about(low), path.about(high)
    path.stall_every(path.about(every_ms), lambda: path.random.uniform(low, high))
    path.stall_every(15_000, lambda: path.random.uniform(scan, scan + 150))
    path.lose(path.about(0.007), 1.6)


def _wifi(path: Path) -> None:
    _wifi_like(path, 1400, 20, 100, 80)


def _wifi_bad(path: Path) -> None:
    _wifi_like(path, 800, 40, 160, 140)


def _lte(path: Path) -> None:
    phase = path.random.uniform(0, 10)
    for number in range(path.packets):
        wait = (phase - path.sent_ms(number)) % 10 + path.random.uniform(0, 1)
        while path.random.random() < 0.10:
            wait += 8
        path.transit_ms.append(25 + wait)
    path.stall_every(path.about(4000), lambda: path.random.uniform(35, 80))
    path.lose(path.about(0.0015))


def _lte_handover(path: Path) -> None:
    _lte(path)
    at = path.random.expovariate(1 / 8000)
    while at < path.length_ms:
        clean = path.random.random() < 0.6
        length = path.random.uniform(40, 110) if clean else path.random.uniform(120, 320)
        path.stalls.append((at, at + length))
        if not clean:
            first, last = at - 25, at - 25 + 0.6 * length
            path.lost.update(
                number for number in range(path.packets) if first <= path.sent_ms(number) < last
            )
        at += length + path.random.expovariate(1 / path.about(8000))


def _leo(path: Path) -> None:
    level, until = path.random.uniform(0, 12), 0.0
    for number in range(path.packets):
        sent = path.sent_ms(number)
        if sent >= until:
            until += 15_000
            level = max(0.0, level + path.random.choice((-1, 1)) * path.about(8))
            if sent > 0 and path.random.random() < 0.5:
                path.stalls.append((sent + 30, sent + 30 + path.random.uniform(40, 200)))
        path.transit_ms.append(30 + level + path.random.gammavariate(3, path.about(2)))
    path.lose(path.about(0.006), 1.3)


def _bloat(path: Path) -> None:
    path.transit_ms = [20 + path.random.expovariate(1 / 3.5) for _ in range(path.packets)]
    at = path.random.uniform(1000, 4000)
    while at < path.length_ms:
        ramp, top = path.random.uniform(2000, 4500), path.about(130)
        for number in range(path.packets):
            into = path.sent_ms(number) - at
            if 0 <= into < ramp:
                path.transit_ms[number] += top * (into / ramp) ** 0.6
            elif ramp <= into < ramp + 300:
                path.transit_ms[number] += top * (1 - (into - ramp) / 300)
        edge = int((at + ramp) / path.ptime_ms)
        path.lost.update(edge + k for k in range(4) if path.random.random() < 0.5)
        at += ramp + 300 + path.random.expovariate(1 / 700)


def _loss(path: Path, share: float, burst: float) -> None:
    _gamma(path, 2, 2)
    path.lose(path.about(share), burst)


def _reorder(path: Path) -> None:
    _gamma(path, 2, 2)
    path.fifo = False
    share = path.about(0.05)
    for number in range(path.packets):
        if path.random.random() < share:
            path.transit_ms[number] += path.random.uniform(18, 45)
        if path.random.random() < 0.01:
            path.twice.add(number)
    path.lose(0.001)


def _step(path: Path) -> None:
    _gamma(path, 2, 4, 30)
    path.fifo = False
    first, last = path.packets // 3, 2 * path.packets // 3
    height = path.about(60)
    for number in range(first, last):
        path.transit_ms[number] += height
    path.lost.update(range(first, first + 3))


def _start_burst(path: Path) -> None:
    _trunk(path)
    path.stalls.append((0, path.random.uniform(120, 260)))


def _g1050(path: Path) -> None:
    """Five segments in the manner of ITU-T G.1050: two local ones, two accesses and the core."""
    core = path.about(70)
    level = 0.0
    for _ in range(path.packets):
        local = sum(path.random.random() * 4 for _ in range(4))
        level = 0.4 * level + path.random.random() * core * 0.6
        path.transit_ms.append(20 + local + min(level, core))
    path.lose(path.about(0.003), 1.2)


MODELS: dict[str, Callable[[Path], None]] = {
    "lan": _lan,
    "trunk": _trunk,
    "internet": _internet,
    "wifi": _wifi,
    "wifi-bad": _wifi_bad,
    "lte": _lte,
    "lte-handover": _lte_handover,
    "leo": _leo,
    "bloat": _bloat,
    "loss2": lambda path: _loss(path, 0.02, 1.3),
    "loss6": lambda path: _loss(path, 0.06, 2.0),
    "reorder": _reorder,
    "step": _step,
    "start-burst": _start_burst,
    "g1050-e": _g1050,
    "drift": _drift,
}


def make_trace(
    name: str, seed: int, seconds: float = 60, ptime_ms: int = 20, vary: float = 0.0
) -> Trace:
    """Draw a trace of a model. vary: how far its parameters may be off, as a share (0.3)."""
    random = Random(f"{name} {seed}")  # noqa: S311 — repeatable on purpose
    path = Path(random, int(seconds * 1000 / ptime_ms), ptime_ms, vary=vary)
    MODELS[name](path)
    return path.trace(name)


def read_trace(text: str) -> Trace:
    """Read a CSV trace: ``# name=… ptime_ms=… drift_ppm=…``, then send_ms,arrive_ms or lost."""
    lines = text.splitlines()
    facts = dict(word.split("=", 1) for word in lines[0].lstrip("# ").split() if "=" in word)
    sent: list[float] = []
    arrivals: list[Arrival] = []
    for line in lines[1:]:
        send_text, _, arrive_text = line.partition(",")
        if not send_text or not (send_text[0].isdigit() or send_text[0] == "-"):
            continue
        if not sent or float(send_text) != sent[-1]:
            sent.append(float(send_text))
        if arrive_text.strip() != "lost":
            arrivals.append(Arrival(float(arrive_text), len(sent) - 1))
    arrivals.sort()
    return Trace(
        facts.get("name", ""),
        int(float(facts.get("ptime_ms", "20"))),
        float(facts.get("drift_ppm", "0")),
        sent,
        arrivals,
    )
