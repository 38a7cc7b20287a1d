"""G.711 against everybody's: octets of one law <-> s16le, without resampling (ITU-T G.711).

Encoders differ in where negative thresholds lie, so "codes unlike ITU's" counts, over all 65536
inputs (decoders: all 256 octets), what a candidate answers differently from our encoder, whose
answers the tests hold against the Recommendation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench import pyav
from bench.harness import Candidate, MissingPeerError, Row, Run, each, each_of
from bench.material import SIZES_MS, items
from bench.peers import library, module
from bench.tables import Facts, Table
from rapida_media.kernels import _g711

LAWS = {"μ": "ulaw", "A": "alaw"}
EVERY_OCTET = bytes(range(256))
EVERY_SAMPLE = np.arange(-32768, 32768).astype("<i2").tobytes()

Convert = Callable[[bytes], bytes]


def rows() -> list[Row]:
    made = []
    for size in SIZES_MS:
        pcm = items(8000, size)
        for sign, law in LAWS.items():
            payloads = [getattr(_g711, f"{law}_encode")(item) for item in pcm]
            made.append(Row(f"{sign}-law decode, {size}", payloads, decoders(law)))
            made.append(Row(f"{sign}-law encode, {size}", pcm, encoders(law)))
        made.append(Row(f"μ- to A-law, {size}", payloads, transcoders()))
    return made


def facts() -> Facts:
    """Count each candidate's codes that are not the Recommendation's."""
    found: Facts = {}
    for sign, law in LAWS.items():
        for verb, everything in (("decode", EVERY_OCTET), ("encode", EVERY_SAMPLE)):
            group = found.setdefault(f"{sign}-law {verb}", {})
            for name, make in _converters(law, verb).items():
                try:
                    group[name] = {"codes unlike ITU's": _unlike(make(), law, verb, everything)}
                except MissingPeerError:
                    continue
    return found


def _unlike(convert: Convert, law: str, verb: str, everything: bytes) -> int:
    kind = "<i2" if verb == "decode" else np.uint8
    ours = np.frombuffer(getattr(_g711, f"{law}_{verb}")(everything), kind)
    return int(np.count_nonzero(ours != np.frombuffer(convert(everything), kind)))


def _converters(law: str, verb: str) -> dict[str, Callable[[], Convert]]:
    """Give the candidates that take octets and give octets."""
    decoding = verb == "decode"
    codec = {"ulaw": "pcm_mulaw", "alaw": "pcm_alaw"}[law]
    return {
        "rapida-media": lambda: getattr(_g711, f"{law}_{verb}"),
        "audioop": lambda: audioop(f"{law}2lin" if decoding else f"lin2{law}"),
        "numpy table": lambda: numpy_table(law, verb),
        "spandsp": lambda: (spandsp_decode if decoding else spandsp_encode)(law),
        "PyAV": lambda: (pyav.decoder if decoding else pyav.encoder)(codec, 8000),
    }


def _candidates(law: str, verb: str) -> list[Candidate]:
    candidates = [Candidate(name, each_of(make)) for name, make in _converters(law, verb).items()]
    into = getattr(_g711, f"{law}_{verb}_into")
    buffered = Candidate("rapida-media into a buffer", lambda: into_buffer(into))
    return [candidates[0], buffered, *candidates[1:]]


def decoders(law: str) -> list[Candidate]:
    return [
        *_candidates(law, "decode"),
        Candidate("numpy table, arrays", lambda: numpy_take(law, "decode"), octet_array),
        pyav.aiortc_decoder({"ulaw": "g711.Pcmu", "alaw": "g711.Pcma"}[law]),
    ]


def encoders(law: str) -> list[Candidate]:
    return [
        *_candidates(law, "encode"),
        Candidate("numpy table, arrays", lambda: numpy_take(law, "encode"), sample_array),
        pyav.aiortc_encoder({"ulaw": "g711.Pcmu", "alaw": "g711.Pcma"}[law], 8000),
    ]


def transcoders() -> list[Candidate]:
    def audioop_both() -> Run:
        expand, compress = module("audioop").ulaw2lin, module("audioop").lin2alaw
        return each(lambda data: compress(expand(data, 2), 2))

    return [
        Candidate("rapida-media", lambda: each(_g711.ulaw_to_alaw)),
        Candidate("audioop", audioop_both),
        Candidate("bytes.translate", lambda: translate(_g711.ulaw_to_alaw(EVERY_OCTET))),
    ]


def into_buffer(function: Callable[[Any, Any], int]) -> Run:
    buffer = bytearray(2 * 60 * 8000)
    return each(lambda data: function(data, buffer))


def audioop(name: str) -> Convert:
    function = getattr(module("audioop"), name)
    return lambda data: function(data, 2)


def translate(octets: bytes) -> Run:
    return each(lambda data: data.translate(octets))


def numpy_table(law: str, verb: str) -> Convert:
    """Look every code up in a table of numpy's, octets to octets."""
    table, kind = _table(law, verb)
    view = np.frombuffer
    return lambda data: table[view(data, kind)].tobytes()


def numpy_take(law: str, verb: str) -> Run:
    table, _ = _table(law, verb)
    return each(table.take)


def _table(law: str, verb: str) -> tuple[Any, Any]:
    if verb == "decode":
        return np.frombuffer(getattr(_g711, f"{law}_decode")(EVERY_OCTET), "<i2"), np.uint8
    every = np.arange(65536).astype("<u2").tobytes()
    return np.frombuffer(getattr(_g711, f"{law}_encode")(every), np.uint8), np.uint16


def octet_array(data: bytes) -> Any:
    return np.frombuffer(data, np.uint8)


def sample_array(data: bytes) -> Any:
    return np.frombuffer(data, np.uint16)


def spandsp_decode(law: str) -> Convert:
    ffi, spandsp = library("spandsp")
    state = spandsp.g711_init(ffi.NULL, int(law == "ulaw"))
    out = ffi.new("int16_t[]", 60 * 8000)
    view, decode = ffi.buffer(out), spandsp.g711_decode
    return lambda data: view[: 2 * decode(state, out, data, len(data))]


def spandsp_encode(law: str) -> Convert:
    ffi, spandsp = library("spandsp")
    state = spandsp.g711_init(ffi.NULL, int(law == "ulaw"))
    out = ffi.new("uint8_t[]", 60 * 8000)
    view, encode = ffi.buffer(out), spandsp.g711_encode
    return lambda pcm: view[: encode(state, out, pcm, len(pcm) >> 1)]


TABLE = Table("G.711: octets of one law to s16le and back", rows, facts)
