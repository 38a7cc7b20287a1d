"""What calling from Python costs: each kernel from Python, and the same function from a loop in C.

The Python call makes a new bytes object for its result, the loop writes to one buffer. "new bytes
alone" is a call that makes such an object and leaves it empty, which Python asks of any function
that gives back bytes. Beyond it, the two should be nearly the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.c_loop import blank_state, fresh_octets, kernel_loop, message_loop, symbol
from bench.harness import Candidate, Row, Run, each
from bench.material import items
from bench.results import Fact
from bench.tables import Facts, Table
from bench.tables.messages import incoming
from bench.targets import NEW_BYTES
from rapida_media.kernels import (
    G722Decoder,
    G722Encoder,
    MediaMessageDecoder,
    PayloadDecoder,
    PayloadEncoder,
    Resampler,
    _g711,
    _g722,
    _resample,
    _stream,
)
from rapida_media.kernels._g711 import ulaw_decode, ulaw_encode

PYTHON, C_LOOP = "rapida-media", "the same in a C loop"
TIMES = 40  # one call of a C loop from Python goes through as many batches
PCMU = 1  # rm_encoding in payload.h
RATES_HZ = 8000, 16000, 24000, 32000, 48000
PROFILES = {"telephony": 0, "wideband": 1}


def rows() -> list[Row]:
    at_8k, at_16k, at_24k = (items(rate_hz, "20 ms") * TIMES for rate_hz in (8000, 16000, 24000))
    payloads = [ulaw_encode(frame) for frame in at_8k]
    g722_payloads = [G722Encoder().encode(frame) for frame in at_16k]
    messages = incoming() * TIMES
    octets = [message.encode() for message in messages]
    return [
        _row("μ-law decode", payloads, ulaw_decode, lambda: g711_loop("ulaw_decode", payloads)),
        _row("μ-law encode", at_8k, ulaw_encode, lambda: g711_loop("ulaw_encode", at_8k)),
        _resampler(8000, 16000, at_8k),
        _resampler(16000, 8000, at_16k),
        _resampler(24000, 8000, at_24k),
        _resampler(24000, 16000, at_24k),
        _row(
            "μ-law payload to 16 kHz",
            payloads,
            PayloadDecoder("PCMU").decode,
            lambda: payload_loop("decode", payloads, 160),
        ),
        _row(
            "16 kHz to μ-law payload",
            at_16k,
            PayloadEncoder("PCMU").encode,
            lambda: payload_loop("encode", at_16k, 320),
        ),
        _row(
            "Twilio message to 16 kHz",
            messages,
            MediaMessageDecoder().decode,
            lambda: message_loop(octets, 8000, 16000),
        ),
        _row(
            "G.722 decode",
            g722_payloads,
            G722Decoder().decode,
            lambda: g722_loop("decode", g722_payloads),
        ),
        _row("G.722 encode", at_16k, G722Encoder().encode, lambda: g722_loop("encode", at_16k)),
    ]


def _row(
    name: str, given: Sequence[Any], function: Callable[[Any], object], loop: Callable[[], Run]
) -> Row:
    candidates = [
        Candidate(C_LOOP, loop),
        Candidate(PYTHON, lambda: each(function)),
        Candidate(NEW_BYTES, lambda: each(fresh_octets(octets_given(function(given[0]))))),
    ]
    return Row(f"{name}, 20 ms", given, candidates)


def octets_given(result: Any) -> int:
    """Give the size of the bytes that a kernel returned, alone or within a message."""
    return len(result if isinstance(result, bytes) else result.pcm)


def _resampler(from_hz: int, to_hz: int, pcm: Sequence[bytes]) -> Row:
    converter = Resampler(from_hz, to_hz)

    def loop() -> Run:
        state = blank_state()
        profile = PROFILES[str(converter.profile)]
        assert symbol(_resample, "rm_resampler_init")(state, from_hz, to_hz, profile)
        push = symbol(_resample, "rm_resampler_push")
        return kernel_loop("length_third", push, state, pcm, from_hz // 50)

    name = f"resample {from_hz // 1000}→{to_hz // 1000} kHz"
    return _row(name, pcm, converter.push, loop)


def g711_loop(name: str, data: Sequence[bytes]) -> Run:
    return kernel_loop("plain", symbol(_g711, f"rm_{name}"), None, data, 160)


def payload_loop(verb: str, data: Sequence[bytes], n: int) -> Run:
    state = blank_state()
    symbol(_stream, f"rm_payload_{verb}r_use")(state, PCMU)
    return kernel_loop("length_third", symbol(_stream, f"rm_payload_{verb}"), state, data, n)


def g722_loop(verb: str, data: Sequence[bytes]) -> Run:
    state = blank_state()
    symbol(_g722, f"rm_g722_{verb}r_reset")(state)
    return kernel_loop("length_last", symbol(_g722, f"rm_g722_{verb}"), state, data, 160)


# ---- every vector variant must give the same samples ----


def facts() -> Facts:
    """Give how far each variant's output is from the scalar one's, over speech and all octets."""
    return {
        "G.711 variants": _differences(_g711, _g711_output),
        "resampler variants": _differences(_resample, _resampled),
    }


def _differences(
    kernels: ModuleType, run: Callable[[], NDArray[np.int64]]
) -> dict[str, dict[str, Fact]]:
    outputs: dict[str, NDArray[np.int64]] = {}
    for variant in kernels.variants():
        kernels._force_variant(variant)
        try:
            outputs[variant] = run()
        finally:
            kernels._force_variant(None)
    scalar = outputs["scalar"]
    return {
        f"rapida-media {variant}": {"largest difference": int(np.abs(output - scalar).max())}
        for variant, output in outputs.items()
    }


def _g711_output() -> NDArray[np.int64]:
    every = bytes(range(256)) + items(8000, "1 s")[0]
    encoders = _g711.ulaw_encode, _g711.alaw_encode
    decoders = _g711.ulaw_decode, _g711.alaw_decode
    codes = [np.frombuffer(encode(every), np.uint8) for encode in encoders]
    samples = [np.frombuffer(decode(every), "<i2") for decode in decoders]
    return np.concatenate(codes + samples, dtype=np.int64)


def _resampled() -> NDArray[np.int64]:
    pairs = list(permutations(RATES_HZ, 2))
    made = [Resampler(*pair).push(items(pair[0], "1 s")[0]) for pair in pairs]
    return np.concatenate([np.frombuffer(pcm, "<i2") for pcm in made], dtype=np.int64)


TABLE = Table("From Python, and the same kernel in a C loop", rows, facts)
