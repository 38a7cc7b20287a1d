"""G.722 at 64 kbit/s against FFmpeg's (through PyAV and aiortc) and spandsp's (ITU-T G.722).

"samples unlike ours" and "octets unlike ours" count differences over ten seconds of speech: codecs
that conform answer the same, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bench import pyav
from bench.harness import Candidate, MissingPeerError, Row, each_of
from bench.material import SIZES_MS, items, octets_in, speech
from bench.peers import library
from bench.tables import Facts, Table
from rapida_media.kernels import G722Decoder, G722Encoder

Convert = Callable[[bytes], bytes]
ROOM_SAMPLES = 60 * 16000


def rows() -> list[Row]:
    made = []
    for size in SIZES_MS:
        pcm = items(16000, size)
        payloads = [G722Encoder().encode(item) for item in pcm]
        decoders = _candidates(DECODERS), pyav.aiortc_decoder("g722.G722")
        encoders = _candidates(ENCODERS), pyav.aiortc_encoder("g722.G722", 16000)
        made.append(Row(f"decode, {size}", payloads, [*decoders[0], decoders[1]]))
        made.append(Row(f"encode, {size}", pcm, [*encoders[0], encoders[1]]))
    return made


def _candidates(makers: dict[str, Callable[[], Convert]]) -> list[Candidate]:
    return [Candidate(name, each_of(make)) for name, make in makers.items()]


def facts() -> Facts:
    pcm = speech(16000)[: octets_in(16000, 10_000)]
    codes = G722Encoder().encode(pcm)
    sound = G722Decoder().decode(codes)
    found: Facts = {"decode": {}, "encode": {}}
    for verb, makers, given, ours, kind in (
        ("decode", DECODERS, codes, sound, "<i2"),
        ("encode", ENCODERS, pcm, codes, "u1"),
    ):
        column = "samples unlike ours" if verb == "decode" else "octets unlike ours"
        for name, make in makers.items():
            try:
                theirs = np.frombuffer(make()(given), kind)
            except MissingPeerError:
                continue
            mine = np.frombuffer(ours, kind)[: len(theirs)]
            found[verb][name] = {column: int(np.count_nonzero(mine != theirs))}
    return found


def spandsp_decode() -> Convert:
    ffi, spandsp = library("spandsp")
    state = spandsp.g722_decode_init(ffi.NULL, 64000, 0)
    out = ffi.new("int16_t[]", ROOM_SAMPLES)
    view, decode = ffi.buffer(out), spandsp.g722_decode
    return lambda data: view[: 2 * decode(state, out, data, len(data))]


def spandsp_encode() -> Convert:
    ffi, spandsp = library("spandsp")
    state = spandsp.g722_encode_init(ffi.NULL, 64000, 0)
    out = ffi.new("uint8_t[]", ROOM_SAMPLES // 2)
    view, encode = ffi.buffer(out), spandsp.g722_encode
    return lambda pcm: view[: encode(state, out, pcm, len(pcm) >> 1)]


DECODERS: dict[str, Callable[[], Convert]] = {
    "rapida-media": lambda: G722Decoder().decode,
    "spandsp": spandsp_decode,
    "PyAV": lambda: pyav.decoder("g722", 16000),
}
ENCODERS: dict[str, Callable[[], Convert]] = {
    "rapida-media": lambda: G722Encoder().encode,
    "spandsp": spandsp_encode,
    "PyAV": lambda: pyav.encoder("g722", 16000),
}
TABLE = Table("G.722: 64 kbit/s to s16le at 16 kHz and back", rows, facts)
