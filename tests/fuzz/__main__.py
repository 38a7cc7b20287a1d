"""Hunt for findings: ``PYTHONPATH=tests python -m fuzz TARGET --seconds 60 --seed 1``.

With atheris installed inputs are chosen by the branches they reach, without it by a seeded mutator
that knows only seeds and tokens. A finding is written to ``--findings`` and ends the hunt with
status 1.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from hashlib import sha1
from pathlib import Path

from fuzz.mutation import Mutator

TARGETS = "sip_message", "sip_endpoint", "sdp", "rtcp", "webrtc", "stun"


def hunt_seeded(
    fuzz: Callable[[bytes], None],
    seeds: Sequence[bytes],
    tokens: Sequence[bytes],
    options: argparse.Namespace,
) -> int:
    """Run mutations until the time or the number of runs is over. Returns how many it ran."""
    mutator = Mutator(seeds, tokens, options.seed)
    end = time.monotonic() + options.seconds
    runs = 0
    while time.monotonic() < end and runs != options.runs:
        data = mutator.next_input()
        runs += 1
        try:
            fuzz(data)
        except Exception:  # whatever it is, it is a finding
            traceback.print_exc()
            path = keep(options.findings, data)
            sys.exit(f"fuzz: finding after {runs} executions, kept in {path}")
    return runs


def keep(folder: Path, data: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"crash-{sha1(data).hexdigest()}"
    path.write_bytes(data)
    return path


def hunt_guided(target: str, options: argparse.Namespace) -> None:
    """Let atheris (libFuzzer for Python) run; it prints executions and ends the process."""
    import atheris

    with atheris.instrument_imports(include=["rapida_media"]):
        module = importlib.import_module(f"fuzz.{target}")
    folder = options.findings / f"corpus-{target}"
    folder.mkdir(parents=True, exist_ok=True)
    for seed in module.SEEDS:
        (folder / sha1(seed).hexdigest()).write_bytes(seed)
    words = options.findings / f"{target}.dict"
    words.write_text(
        "".join(
            '"' + "".join(f"\\x{octet:02x}" for octet in token) + '"\n' for token in module.TOKENS
        )
    )
    arguments = [
        sys.argv[0],
        f"-max_total_time={options.seconds:.0f}",
        f"-seed={options.seed}",
        f"-dict={words}",
        f"-artifact_prefix={options.findings}/",
        "-max_len=4096",
        "-len_control=20",
        "-timeout=20",
        "-print_final_stats=1",
        "-verbosity=1",
        str(folder),
    ]
    if options.runs >= 0:
        arguments.insert(1, f"-runs={options.runs}")
    atheris.Setup(arguments, module.fuzz)
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(prog="fuzz", description="Fuzz a target.")
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--runs", type=int, default=-1, help="at most so many executions")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--findings", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--engine", choices=("auto", "atheris", "seeded"), default="auto")
    options = parser.parse_args()
    if options.engine == "auto":
        found = importlib.util.find_spec("atheris")
        options.engine = "seeded" if found is None else "atheris"
    if options.engine == "atheris":
        hunt_guided(options.target, options)
        return
    module = importlib.import_module(f"fuzz.{options.target}")
    runs = hunt_seeded(module.fuzz, module.SEEDS, module.TOKENS, options)
    print(f"fuzz {options.target}: {runs} executions, no finding")


main()
