"""Loss concealment: what 20 ms cost, and how calls with losses sound (PESQ, narrow band).

PESQ (ITU-T P.862, 4.5 is the best) compares the recording with what is played; both the coding as
μ-law and the losses count. "nothing lost" is the most that any method could reach. Two minutes;
docs/media-quality.md says how to add recordings.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any
from zlib import crc32

import numpy as np

from bench.concealers import FILLS, PACKET, Fill, Lost, Samples
from bench.harness import Candidate, MissingPeerError, Row, Run
from bench.losses import PATTERNS, RATE_HZ, coded, recordings
from bench.material import items
from bench.peers import library, module
from bench.results import Fact
from bench.tables import Facts, Table
from rapida_media.kernels import Concealer

SEEDS = (1, 2)


def rows() -> list[Row]:
    made = []
    for rate_hz in (8000, 16000):
        frames = items(rate_hz, "20 ms")
        candidates = [
            Candidate("rapida-media, nothing ahead", lambda hz=rate_hz: _ours(hz, 0)),
            Candidate("rapida-media, one packet ahead", lambda hz=rate_hz: _ours(hz, 1)),
            Candidate("rapida-media, heard only", lambda hz=rate_hz: _ours_heard(hz)),
        ]
        if rate_hz == RATE_HZ:
            candidates.append(Candidate("spandsp", _spandsp))
        made.append(Row(f"{rate_hz // 1000} kHz: hear a packet, conceal one", frames, candidates))
    return made


def _ours(rate_hz: int, ahead: int) -> Run:
    concealer, samples = Concealer(rate_hz), rate_hz // 50
    heard, bridge, extrapolate = concealer.heard, concealer.bridge, concealer.extrapolate

    def run(batch: Any) -> None:
        for item in batch:
            heard(item)
            if ahead:
                bridge(samples, item)
            else:
                extrapolate(samples)

    return run


def _ours_heard(rate_hz: int) -> Run:
    heard = Concealer(rate_hz).heard

    def run(batch: Any) -> None:
        for item in batch:
            heard(item)

    return run


def _spandsp() -> Run:
    ffi, lib = library("spandsp")
    state, made = lib.plc_init(ffi.NULL), ffi.new("int16_t[]", PACKET)
    rx, fillin, move = lib.plc_rx, lib.plc_fillin, ffi.memmove

    def run(batch: Any) -> None:
        for item in batch:
            move(made, item, 2 * PACKET)
            rx(state, made, PACKET)
            fillin(state, made, PACKET)

    return run


def facts() -> Facts:
    try:
        pesq: Callable[..., float] = module("pesq").pesq
    except MissingPeerError:
        return {}
    calls = [
        (name, original, pattern) for pattern in PATTERNS for name, original in recordings().items()
    ]
    scores: dict[str, dict[str, list[float]]] = {}
    for name, original, pattern in calls:
        line = coded(original)
        for seed in SEEDS:
            lost = _lost(pattern, name, seed, len(line) // PACKET)
            for method, fill in FILLS.items():
                score = _score(pesq, original, line, lost, fill)
                if score is not None:
                    scores.setdefault(method, {}).setdefault(pattern, []).append(score)
        clean = pesq(RATE_HZ, original, line, "nb")
        scores.setdefault("nothing lost", {}).setdefault(pattern, []).append(clean)
    group = f"PESQ of {len(SEEDS) * len(recordings())} calls"  # others are not to be compared with
    return {group: {method: _means(patterns) for method, patterns in scores.items()}}


def _lost(pattern: str, recording: str, seed: int, packets: int) -> Lost:
    random = np.random.default_rng(crc32(f"{pattern} {recording} {seed}".encode()))
    return PATTERNS[pattern](packets, random)


def _score(
    pesq: Callable[..., float], original: Samples, line: Samples, lost: Lost, fill: Fill
) -> float | None:
    try:
        return pesq(RATE_HZ, original, fill(line, lost), "nb")
    except MissingPeerError:
        return None


def _means(patterns: dict[str, list[float]]) -> dict[str, Fact]:
    return {pattern: statistics.fmean(scores) for pattern, scores in patterns.items()}


TABLE = Table("Concealment of lost packets at 8 and 16 kHz", rows, facts)
