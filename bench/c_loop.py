"""Runs a compiled kernel from a loop in C instead of from Python: the same function, same module.

Called by the table "calls". Needs a C compiler for the loop itself; the kernels are looked up in
the extension modules that Python has loaded.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.harness import MissingPeerError, Run
from rapida_media.kernels import _media_message

HERE = Path(__file__).resolve().parent
CSRC = HERE.parent / "csrc"
BUILD = HERE.parent / "build" / "bench"
STATE_OCTETS = 1 << 16  # larger than any kernel's state
ROOM_OCTETS = 1 << 20


@cache
def _loops() -> Any:
    """Compile the loops where they are older than their source, and load them."""
    made, source = BUILD / "c_loop.so", HERE / "c_loop.c"
    if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
        compiler = shutil.which(os.environ.get("CC", "cc"))
        if compiler is None:
            raise MissingPeerError("a C compiler: cc, or the one named in CC")
        BUILD.mkdir(parents=True, exist_ok=True)
        part = BUILD / f"c_loop.{os.getpid()}"
        flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", f"-I{CSRC}"]
        flags.append(f"-I{sysconfig.get_path('include')}")
        done = subprocess.run([compiler, *flags, "-o", str(part), str(source)], check=False)
        if done.returncode:
            raise MissingPeerError(f"a C compiler and Python's headers: {compiler} failed")
        part.replace(made)
    return ctypes.CDLL(str(made))


def symbol(module: ModuleType, name: str) -> Any:
    """Give a C function of an extension module."""
    return getattr(ctypes.CDLL(str(module.__file__)), name)


def _address(function: Any) -> ctypes.c_void_p:
    return ctypes.cast(function, ctypes.c_void_p)


def blank_state() -> Any:
    return ctypes.create_string_buffer(STATE_OCTETS)


def kernel_loop(shape: str, kernel: Any, state: Any, items: Sequence[bytes], n: int) -> Run:
    """Make a Run of a kernel: shape is "plain", "length_last" or "length_third", see c_loop.c.

    items: what the harness will hand over slices of; n: the length that the kernel is told of each.
    """
    loop = getattr(_loops(), f"loop_{shape}")
    pointers = (ctypes.c_char_p * len(items))(*items)
    out = ctypes.create_string_buffer(ROOM_OCTETS)
    address, length = _address(kernel), ctypes.c_size_t(n)

    def run(batch: Sequence[Any]) -> None:
        loop(address, state, pointers, length, out, ctypes.c_size_t(len(batch)))

    return run


def message_loop(messages: Sequence[bytes], from_hz: int, to_hz: int) -> Run:
    """Make a Run of what MediaMessageDecoder does to each of these μ-law messages."""
    loop = _loops().loop_messages
    loop.restype = ctypes.c_bool
    audio = blank_state()
    symbol(_media_message, "rm_media_audio_init")(audio, 0, from_hz, to_hz)
    scan = _address(symbol(_media_message, "rm_media_message_scan"))
    decode = _address(symbol(_media_message, "rm_media_audio_decode"))
    texts = (ctypes.c_char_p * len(messages))(*messages)
    lengths = (ctypes.c_size_t * len(messages))(*map(len, messages))
    out = ctypes.create_string_buffer(ROOM_OCTETS)

    def run(batch: Sequence[Any]) -> None:
        good = loop(scan, decode, audio, texts, lengths, out, ctypes.c_size_t(len(batch)))
        assert good, "the scanner refused a message"

    return run


def fresh_octets(size: int) -> Callable[[object], bytes]:
    """Make a built-in function of one argument that gives a new bytes object of `size` octets."""
    bind = ctypes.pythonapi.PyCFunction_NewEx
    bind.restype = ctypes.py_object
    bind.argtypes = ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p
    method = ctypes.addressof(ctypes.c_char.in_dll(_loops(), "fresh_octets_method"))
    function: Callable[[object], bytes] = bind(method, size, None)
    return function
