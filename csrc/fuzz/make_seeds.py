"""Write the seed inputs of the C targets: ``python make_seeds.py FOLDER``.

Called by run.sh. One function per target; what the octets mean is told in the target's source.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

RANDOM = Random(1)  # noqa: S311 — repeatable on purpose


def rtp() -> Iterator[bytes]:
    header = bytes.fromhex("80 00 0001 00000001 12345678")
    yield header + bytes(160)
    yield b"\xb2" + header[1:] + bytes(8) + bytes.fromhex("bede 0001 01020304") + b"pcm\0\0\3"
    yield b"\x80\xe5" + header[2:] + bytes.fromhex("01 8a 0320")
    yield b"\xa0" + header[1:] + b"\4" * 4


def g722() -> Iterator[bytes]:
    for size in (20, 100):
        yield bytes((7, 0)) + RANDOM.randbytes(size)
        yield bytes((0, 0)) + b"\xff\x7f" * size
        yield bytes((255, 255)) + b"\x00\x80\xff\x7f" + RANDOM.randbytes(size // 9)


def dtmf() -> Iterator[bytes]:
    pause = bytes((1, 1, 16, 120))
    for rate in range(2):
        for key in range(0, 16, 5):
            pair = bytes((2, key, 0, 60, 0, 60, 120))
            yield bytes((rate, 79)) + pair + pause
            yield bytes((rate, 6)) + pair + bytes((2, key ^ 4, 3, 50, 250, 70, 120)) + pause


def conceal() -> Iterator[bytes]:
    for rate in range(2):
        for kind in range(5):
            vowel = bytes((0x80, 3, 200, kind, 2, 70))
            gap, stall, ahead = bytes((2, 0, 160)), bytes((0x81, 9, 0)), bytes((1, 64, kind, 2, 70))
            yield bytes((rate,)) + vowel * 3 + gap + ahead + vowel + stall + vowel
            yield bytes((rate,)) + vowel + stall + gap + ahead + vowel + bytes((3, 0, 0, 5, 40, 90))


CONFIGURE, OBSERVE, START, MARK, DIGITS = (0, 0, 0), (6,), (2,), (4,), (5, 0x23, 8, 10)
TAKE, TICK, WRITE, WAIT = (7, 8, 9), (13, 15), (11, 3, 200), (17, 20)


def packet(kind: int, step: int = 0, size: int = 36) -> tuple[int, ...]:
    return 20, kind, 0, step & 255, size


def event(end: int, duration: int) -> tuple[int, ...]:
    return 20, 4, 0, 0, 4, 1, end | 10, duration >> 8, duration & 255


def stream() -> Iterator[bytes]:
    beginning = bytes((255, 254, 255, 255, 255, 0, 40, 5))
    scripts = [
        (CONFIGURE, START, *(part for _ in range(6) for part in (packet(0), WAIT, TICK, TAKE))),
        (CONFIGURE, packet(0), packet(0), packet(0, 2), packet(0, -2), WAIT, WAIT, TICK, TAKE),
        (CONFIGURE, packet(8), packet(1), packet(2), packet(3), event(0, 160), event(0x80, 800)),
        (CONFIGURE, OBSERVE, START, WRITE, MARK, DIGITS, *(WAIT, TICK) * 12, TAKE, (3,), TAKE),
        (CONFIGURE, packet(0), packet(0), packet(16), packet(16), packet(24), packet(32), TAKE),
        (CONFIGURE, (19, 0, 7), (19, 0, 40), WAIT, TICK, (19, 0, 20), (19, 8, 95), TAKE),
        (CONFIGURE, (0, 2, 0), START, WRITE, *(WAIT, TICK) * 8, (0, 3, 3), WAIT, TICK, TAKE),
    ]
    for script in scripts:
        yield beginning + bytes(octet for part in script for octet in part)


def main(folder: Path) -> None:
    for target in (rtp, g722, dtmf, conceal, stream):
        place = folder / target.__name__
        place.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(target()):
            (place / f"seed-{number}").write_bytes(seed)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
