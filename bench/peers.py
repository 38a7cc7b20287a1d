"""Finds the other implementations, or says how to get them: nothing is skipped in silence.

Called by the tables. Python packages come with the project's `bench` extra; C libraries are called
through cffi, which costs a call less than ctypes does. Pipecat may live in an environment of its
own: RAPIDA_BENCH_PIPECAT in the process environment names that one's site-packages.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import os
import shutil
import sys
import warnings
from functools import cache
from typing import Any

from bench.harness import MissingPeerError

PIPECAT_SITE = "RAPIDA_BENCH_PIPECAT"

# peer → the distribution or library, how to get it
PACKAGES: dict[str, tuple[str, str]] = {
    "aiortc": ("aiortc", "pip install aiortc"),
    "audioop": ("audioop-lts", "pip install audioop-lts, from Python 3.13 on"),
    "av": ("av", "pip install av"),
    "cffi": ("cffi", "pip install cffi"),
    "msgspec": ("msgspec", "pip install msgspec"),
    "numpy": ("numpy", "pip install numpy"),
    "orjson": ("orjson", "pip install orjson"),
    "pipecat": (
        "pipecat-ai",
        f"pip install pipecat-ai, or name its site-packages in {PIPECAT_SITE}",
    ),
    "pesq": ("pesq", "pip install pesq"),
    "pybase64": ("pybase64", "pip install pybase64"),
    "pylibsrtp": ("pylibsrtp", "pip install pylibsrtp"),
    "pystoi": ("pystoi", "pip install pystoi"),
    "samplerate": ("samplerate", "pip install samplerate"),
    "scipy": ("scipy", "pip install scipy"),
    "sipmessage": ("sipmessage", "pip install sipmessage"),
    "soxr": ("soxr", "pip install soxr"),
}
LIBRARIES: dict[str, tuple[str, str]] = {
    "pjmedia": (
        "libpjmedia.so.2",
        "build pjproject after ./configure --enable-shared, and name the folders of its libraries"
        " in LD_LIBRARY_PATH",
    ),
    "spandsp": ("libspandsp.so.2", "apt-get install libspandsp2"),
    "speexdsp": ("libspeexdsp.so.1", "apt-get install libspeexdsp1"),
}
# What speaks the sentences that losses are heard in; bench/losses.py does without.
PROGRAMS: dict[str, str] = {"espeak-ng": "apt-get install espeak-ng"}
DECLARATIONS = {
    "pjmedia": """
        typedef struct { const char *text; long length; } pj_str_t;
        int pj_init(void);
        void pj_log_set_level(int level);
        void *pj_pool_create_on_buf(const char *name, char *memory, size_t size);
        int pjmedia_jbuf_create(void *pool, const pj_str_t *name, unsigned frame_size,
            unsigned ptime, unsigned most, void **buffer);
        int pjmedia_jbuf_set_adaptive(void *buffer, unsigned first, unsigned least, unsigned most);
        int pjmedia_jbuf_reset(void *buffer);
        void pjmedia_jbuf_put_frame3(void *buffer, const char *frame, size_t size, uint32_t info,
            int number, uint32_t timestamp, int *discarded);
        void pjmedia_jbuf_get_frame3(void *buffer, char *frame, size_t *size, uint8_t *kind,
            uint32_t *info, uint32_t *timestamp, int *number);
        int pjmedia_plc_create(void *pool, unsigned rate_hz, unsigned samples, unsigned options,
            void **plc);
        int pjmedia_plc_save(void *plc, int16_t *frame);
        int pjmedia_plc_generate(void *plc, int16_t *frame);
    """,
    "speexdsp": """
        void *speex_resampler_init(uint32_t channels, uint32_t in, uint32_t out, int q, int *err);
        int speex_resampler_process_int(void *state, uint32_t channel, const char *in,
            uint32_t *in_samples, int16_t *out, uint32_t *out_samples);
        typedef struct {
            char *data;
            uint32_t len, timestamp, span;
            uint16_t sequence;
            uint32_t user_data;
        } JitterBufferPacket;
        void *jitter_buffer_init(int step);
        void jitter_buffer_reset(void *buffer);
        void jitter_buffer_destroy(void *buffer);
        void jitter_buffer_put(void *buffer, const JitterBufferPacket *packet);
        int jitter_buffer_get(void *buffer, JitterBufferPacket *packet, int span, int *offset);
        void jitter_buffer_tick(void *buffer);
    """,
    "spandsp": """
        void *g711_init(void *state, int mode);
        int g711_decode(void *state, int16_t *pcm, const char *codes, int octets);
        int g711_encode(void *state, uint8_t *codes, const char *pcm, int samples);
        void *g722_encode_init(void *state, int rate, int options);
        int g722_encode(void *state, uint8_t *codes, const char *pcm, int samples);
        void *g722_decode_init(void *state, int rate, int options);
        int g722_decode(void *state, int16_t *pcm, const char *codes, int octets);
        void *plc_init(void *state);
        int plc_rx(void *state, int16_t *pcm, int samples);
        int plc_fillin(void *state, int16_t *pcm, int samples);
        int plc_free(void *state);
        void *noise_init_dbov(void *state, int seed, float level, int class, int quality);
        int16_t noise(void *state);
        int noise_free(void *state);
    """,
}


def module(name: str) -> Any:
    """Import a peer's module, such as "soxr" or "pipecat.serializers.twilio".

    Raises MissingPeerError, which says how to get it.
    """
    peer = name.partition(".")[0]
    if peer == "pipecat":
        _find_pipecat()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # audioop is deprecated, pipecat deprecates a lot
            return importlib.import_module(name)
    except ImportError as error:
        missing = error.name is not None and error.name.partition(".")[0] == peer
        reason = "" if missing else f" ({error})"
        raise MissingPeerError(f"{PACKAGES[peer][1]}{reason}") from error


@cache
def _find_pipecat() -> None:
    """Make the named environment importable, behind everything of our own."""
    site = os.environ.get(PIPECAT_SITE)
    if site:
        sys.path.append(site)
    with contextlib.suppress(ImportError, ValueError):
        loguru = importlib.import_module("loguru")
        loguru.logger.remove(0)  # pipecat greets, and logs what it does


@cache
def library(name: str) -> tuple[Any, Any]:
    """Open a peer's C library; gives cffi's FFI with its declarations, and the library.

    Raises MissingPeerError, which says how to get it.
    """
    ffi = module("cffi").FFI()
    ffi.cdef(DECLARATIONS[name])
    soname, how = LIBRARIES[name]
    try:
        return ffi, ffi.dlopen(soname)
    except OSError as error:
        raise MissingPeerError(how) from error


def survey() -> tuple[dict[str, str], dict[str, str]]:
    """Give the versions of all peers that are here, and how to get those that are not."""
    versions: dict[str, str] = {}
    missing: dict[str, str] = {}
    for peer, (distribution, _) in PACKAGES.items():
        try:
            module(peer)
            versions[peer] = _version(distribution)
        except MissingPeerError as reason:
            missing[peer] = str(reason)
    for peer, (soname, _) in LIBRARIES.items():
        try:
            library(peer)
            versions[peer] = soname
        except MissingPeerError as reason:
            missing[peer] = str(reason)
    for program, how in PROGRAMS.items():
        if shutil.which(program):
            versions[program] = "of the system"
        else:
            missing[program] = how
    return versions, missing


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "of the standard library"
