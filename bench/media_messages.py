"""What one Twilio media message costs to read and to write, beside what Python programs use.

    python bench/media_messages.py [--rounds 400] [--json FILE]

Three directions: message to 16 kHz PCM, 16 kHz PCM to message, 24 kHz PCM to message; speech, 20 ms
each, every candidate with its own stream state. Candidates run interleaved, in rounds of some dozen
messages, so that what else the machine does hits all alike; medians and quartiles per message,
ratios to ours. "no-op" is a loop around a C function that does nothing: what calling costs.

Packages that are not installed are listed as missing. speexdsp is the C library, called through
cffi. "text by hand" writes the message around the payload without a JSON encoder, as ours does.
"""

from __future__ import annotations

import argparse
import base64
import importlib
import json
import platform
import statistics
import time
import warnings
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rapida_media.kernels import MediaMessageDecoder, MediaMessageEncoder, Resampler

SPEECH = Path(__file__).parents[1] / "rapida_media" / "demo" / "speech.wav"
STREAM_SID = "MZ00000000000000000000000000000001"
TEMPLATE = {"event": "media", "streamSid": STREAM_SID, "media": {"payload": ""}}
FRAMES = 60

# One candidate: run over a batch of messages or frames, keeping state.
Run = Callable[[Sequence[Any]], object]
MISSING: dict[str, str] = {}


def load(name: str) -> Any:
    """Import a peer, or None and a line in the list of what is missing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return importlib.import_module(name)
    except ImportError as error:
        MISSING[name] = str(error)
        return None


# ---- the material ----


def frames(pcm: bytes, octets: int) -> list[bytes]:
    return [pcm[at : at + octets] for at in range(0, octets * FRAMES, octets)]


def incoming(pcm: bytes) -> list[str]:
    """The messages that Twilio would send for these 20 ms frames of 8 kHz."""
    encoder = MediaMessageEncoder(TEMPLATE, from_hz=8000)
    messages = []
    for number, frame in enumerate(frames(pcm, 320)):
        media = {"track": "inbound", "chunk": str(number + 1), "timestamp": str(20 * number)}
        media["payload"] = json.loads(encoder.encode(frame))["media"]["payload"]
        fields = {"sequenceNumber": str(number + 2), "streamSid": STREAM_SID, "media": media}
        messages.append(json.dumps({"event": "media", **fields}, separators=(",", ":")))
    return messages


def material() -> dict[str, list[Any]]:
    with wave.open(str(SPEECH)) as speech:
        pcm = speech.readframes(speech.getnframes())
        rate_hz = speech.getframerate()
    assert rate_hz == 8000, "the speech file is 8 kHz"
    return {
        "message to 16 kHz": incoming(pcm),
        "16 kHz to message": frames(Resampler(8000, 16000).push(pcm), 640),
        "24 kHz to message": frames(Resampler(8000, 24000).push(pcm), 960),
    }


# ---- the candidates ----


def each(function: Callable[[Any], object]) -> Run:
    def run(batch: Sequence[Any]) -> None:
        for item in batch:
            function(item)

    return run


def ours() -> dict[str, Run]:
    return {
        "message to 16 kHz": each(MediaMessageDecoder().decode),
        "16 kHz to message": each(MediaMessageEncoder(TEMPLATE).encode),
        "24 kHz to message": each(MediaMessageEncoder(TEMPLATE, from_hz=24000).encode),
    }


def no_op() -> dict[str, Run]:
    return dict.fromkeys(ours(), each(callable))


def finished(coroutine: Any) -> object:
    """Run a coroutine that never waits for anything, without an event loop."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("the coroutine waited")


def pipecat() -> dict[str, Run]:
    loguru = load("loguru")
    if loguru is not None:
        loguru.logger.remove()
    twilio, types = load("pipecat.serializers.twilio"), load("pipecat.frames.frames")
    if twilio is None or types is None:
        return {}

    def serializer() -> Any:
        params = twilio.TwilioFrameSerializer.InputParams(sample_rate=16000, auto_hang_up=False)
        made = twilio.TwilioFrameSerializer(STREAM_SID, params=params)
        finished(made.setup(None))
        return made

    async def read_all(made: Any, messages: Sequence[str]) -> None:
        for message in messages:
            await made.deserialize(message)

    async def write_all(made: Any, audio: Sequence[Any]) -> None:
        for frame in audio:
            await made.serialize(frame)

    reader = serializer()
    runs: dict[str, Run] = {"message to 16 kHz": lambda batch: finished(read_all(reader, batch))}
    for name, rate_hz in (("16 kHz to message", 16000), ("24 kHz to message", 24000)):
        # Its pipeline holds frames already; making them is not counted.
        made: dict[bytes, Any] = {
            pcm: types.OutputAudioRawFrame(pcm, rate_hz, 1) for pcm in material()[name]
        }
        writer = serializer()

        def write(batch: Sequence[bytes], writer: Any = writer, made: Any = made) -> object:
            return finished(write_all(writer, [made[pcm] for pcm in batch]))

        runs[name] = write
    return runs


def standard() -> dict[str, Run]:
    """The json, base64 and audioop modules, with soxr's stream at HQ."""
    audioop, soxr, numpy = load("audioop"), load("soxr"), load("numpy")
    if audioop is None or soxr is None:
        return {}

    def converter(from_hz: int, to_hz: int) -> Callable[[bytes], bytes]:
        stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16", quality="HQ")
        chunk, view, kind = stream.resample_chunk, numpy.frombuffer, numpy.int16
        return lambda pcm: chunk(view(pcm, dtype=kind)).tobytes()

    def reader(to_16k: Callable[[bytes], bytes]) -> Callable[[str], object]:
        loads, decode, expand = json.loads, base64.b64decode, audioop.ulaw2lin

        def read(message: str) -> object:
            fields = loads(message)
            if fields["event"] != "media":
                return None
            return to_16k(expand(decode(fields["media"]["payload"]), 2))

        return read

    def writer(to_8k: Callable[[bytes], bytes]) -> Callable[[bytes], str]:
        dumps, encode, compress = json.dumps, base64.b64encode, audioop.lin2ulaw

        def write(pcm: bytes) -> str:
            payload = encode(compress(to_8k(pcm), 2)).decode("ascii")
            return dumps({"event": "media", "streamSid": STREAM_SID, "media": {"payload": payload}})

        return write

    return {
        "message to 16 kHz": each(reader(converter(8000, 16000))),
        "16 kHz to message": each(writer(converter(16000, 8000))),
        "24 kHz to message": each(writer(converter(24000, 8000))),
    }


def speex(from_hz: int, to_hz: int) -> Callable[[bytes], bytes] | None:
    """The speexdsp resampler, quality 3, on s16le frames of 20 ms."""
    cffi = load("cffi")
    if cffi is None:
        return None
    ffi = cffi.FFI()
    ffi.cdef("""
        void *speex_resampler_init(uint32_t channels, uint32_t in, uint32_t out, int q, int *err);
        int speex_resampler_process_int(
            void *state, uint32_t channel, const char *in, uint32_t *in_samples, int16_t *out,
            uint32_t *out_samples);
    """)
    try:
        library = ffi.dlopen("libspeexdsp.so.1")
    except OSError as error:
        MISSING["speexdsp"] = str(error)
        return None
    samples, capacity = from_hz // 50, to_hz // 50 + 64
    state = library.speex_resampler_init(1, from_hz, to_hz, 3, ffi.new("int *"))
    out, taken, given = ffi.new("int16_t[]", capacity), ffi.new("uint32_t *"), ffi.new("uint32_t *")
    process, view = library.speex_resampler_process_int, ffi.buffer(out)

    def push(pcm: bytes) -> bytes:
        taken[0], given[0] = samples, capacity
        process(state, 0, pcm, taken, out, given)
        return view[: 2 * given[0]]

    return push


def best_parts() -> dict[str, Run]:
    """The fastest public parts: typed msgspec, pybase64, audioop, speexdsp at quality 3."""
    msgspec, pybase64, audioop = load("msgspec"), load("pybase64"), load("audioop")
    to_16k, from_16k, from_24k = speex(8000, 16000), speex(16000, 8000), speex(24000, 8000)
    if msgspec is None or pybase64 is None or audioop is None:
        return {}
    if to_16k is None or from_16k is None or from_24k is None:
        return {}
    media = msgspec.defstruct("Media", [("payload", str)], gc=False)
    message_type = msgspec.defstruct("Message", [("event", str), ("media", media)], gc=False)
    loads, decode, expand = (
        msgspec.json.Decoder(message_type).decode,
        pybase64.b64decode,
        audioop.ulaw2lin,
    )

    def read(message: str) -> object:
        fields = loads(message)
        if fields.event != "media":
            return None
        return to_16k(expand(decode(fields.media.payload, validate=True), 2))

    def writer(to_8k: Callable[[bytes], bytes]) -> Callable[[bytes], str]:
        encode, compress = pybase64.b64encode_as_string, audioop.lin2ulaw
        dumps = msgspec.json.Encoder().encode

        def write(pcm: bytes) -> str:
            payload = encode(compress(to_8k(pcm), 2))
            message = {"event": "media", "streamSid": STREAM_SID, "media": {"payload": payload}}
            return dumps(message).decode("ascii")

        return write

    return {
        "message to 16 kHz": each(read),
        "16 kHz to message": each(writer(from_16k)),
        "24 kHz to message": each(writer(from_24k)),
    }


def text_by_hand() -> dict[str, Run]:
    pybase64, audioop = load("pybase64"), load("audioop")
    from_16k, from_24k = speex(16000, 8000), speex(24000, 8000)
    if pybase64 is None or audioop is None or from_16k is None or from_24k is None:
        return {}
    encode, compress = pybase64.b64encode_as_string, audioop.lin2ulaw
    before = f'{{"event":"media","streamSid":"{STREAM_SID}","media":{{"payload":"'
    return {
        "16 kHz to message": each(lambda pcm: before + encode(compress(from_16k(pcm), 2)) + '"}}'),
        "24 kHz to message": each(lambda pcm: before + encode(compress(from_24k(pcm), 2)) + '"}}'),
    }


CANDIDATES: dict[str, Callable[[], dict[str, Run]]] = {
    "rapida-media": ours,
    "pipecat": pipecat,
    "json base64 audioop soxr-HQ": standard,
    "msgspec pybase64 audioop speexdsp-3": best_parts,
    "the same, text by hand": text_by_hand,
    "no-op": no_op,
}


# ---- measuring ----


def measure(runs: dict[str, Run], batch: Sequence[Any], rounds: int) -> dict[str, list[float]]:
    """Microseconds per item of each candidate, one value a round."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter_ns()
            run(batch)
            taken[name].append((time.perf_counter_ns() - start) / len(batch) / 1000)
    return taken


def table(rounds: int) -> dict[str, dict[str, tuple[float, float, float]]]:
    candidates = {name: make() for name, make in CANDIDATES.items()}
    figures: dict[str, dict[str, tuple[float, float, float]]] = {}
    for direction, batch in material().items():
        runs = {name: made[direction] for name, made in candidates.items() if direction in made}
        measure(runs, batch, 5)  # warm
        figures[direction] = {
            name: tuple(statistics.quantiles(values, n=4))  # type: ignore[misc]
            for name, values in measure(runs, batch, rounds).items()
        }
    return figures


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=400)
    arguments.add_argument("--json", type=Path, help="also write the figures there")
    given = arguments.parse_args()
    figures = table(given.rounds)
    print(f"Python {platform.python_version()}, {given.rounds} rounds, µs per 20 ms message")
    for direction, rows in figures.items():
        print(f"\n{direction:36}{'q1':>9}{'median':>9}{'q3':>9}{'ratio':>9}")
        for name, (low, median, high) in rows.items():
            ratio = median / rows["rapida-media"][1]
            print(f"  {name:34}{low:9.3f}{median:9.3f}{high:9.3f}{ratio:9.1f}")
    for name, why in MISSING.items():
        print(f"missing: {name} ({why})")
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
