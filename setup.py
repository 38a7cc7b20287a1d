"""The extension list; everything else about the package is in pyproject.toml."""

import os
from glob import glob

from Cython.Build import cythonize
from setuptools import Extension, setup

# Portable code: SIMD variants are chosen at run time, never with -march=native.
COMPILE = ["-std=gnu11", "-O3", "-fno-semantic-interposition", "-Wall", "-Wextra"]
if os.environ.get("RAPIDA_SANITIZE"):
    COMPILE += ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
LINK = ["-fsanitize=address,undefined"] if os.environ.get("RAPIDA_SANITIZE") else []

# C files that travel together; a kernel built on another one lists that one's group too.
G711 = ["g711.c", "g711_lanes.c", "g711_avx2.c", "g711_avx512.c"]
RESAMPLE = ["resample.c", "fir_plan.c", "fir_shuffle.c", "fir_x86.c", "fir_neon.c"]
DSP = ["dsp.c"]
G722 = ["g722.c"]
DTMF = ["dtmf.c"]
L16 = ["l16.c"]
RTP = ["rtp.c", "source.c"]
BASE64 = ["base64.c", "base64_x86.c"]
MEDIA_MESSAGE = ["media_message.c", "json_text.c", "media_audio.c"]
LPC = ["lpc.c"]
COMFORT_NOISE = [*LPC, "comfort_noise.c"]
SPEECH = [*COMFORT_NOISE, "noise_floor.c", "speech.c"]
CONCEAL = [*COMFORT_NOISE, "noise_floor.c", "gap_side.c", "conceal.c"]
ADAPTIVE = ["adaptive.c", "adjust.c", "backlog.c", "jitter.c", "stretch.c", "timeline.c"]
STREAM = [
    *ADAPTIVE,
    *CONCEAL,
    *G711,
    *RESAMPLE,
    *DSP,
    *RTP,
    *G722,
    "address.c",
    "burst.c",
    "dtx.c",
    "frame_line.c",
    "ingress.c",
    "stragglers.c",
    "latch.c",
    "lateness.c",
    "listener.c",
    "meter.c",
    "monitor.c",
    "packer.c",
    "payload.c",
    "playout.c",
    "relay.c",
    "rtcp_queue.c",
    "sender.c",
    "skew.c",
    "srtp.c",
    "stream.c",
    "telephone_event.c",
]

# extension → the C files behind it
EXTENSIONS: dict[str, list[str]] = {
    "_g711": G711,
    "_resample": RESAMPLE,
    "_dsp": DSP,
    "_g722": G722,
    "_dtmf": DTMF,
    "_l16": L16,
    "_conceal": CONCEAL,
    "_rtp": RTP,
    "_speech": SPEECH,
    "_stream": STREAM,
    "_media_io": [*STREAM, "media_io.c"],
    "_base64": BASE64,
    "_media_message": [*MEDIA_MESSAGE, *BASE64, *G711, *RESAMPLE],
}

setup(
    ext_modules=cythonize(
        [
            Extension(
                f"rapida_media.kernels.{name}",
                [f"csrc/{name}.pyx", *(f"csrc/{source}" for source in sources)],
                include_dirs=["csrc"],
                depends=sorted([*glob("csrc/*.h"), *glob("csrc/*.pxi")]),
                extra_compile_args=COMPILE,
                extra_link_args=LINK,
                libraries=["m"],
            )
            for name, sources in EXTENSIONS.items()
        ],
        build_dir="build/cython",
        include_path=["csrc", "."],
        language_level=3,
    )
)
