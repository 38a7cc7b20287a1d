"""Measure an engine under echo calls: `python -m bench.load` (that is `make load`).

    python -m bench.load                                   100, 300 and 600 calls, fresh engine each
    python -m bench.load --levels 50 --seconds 5           one short level
    python -m bench.load --target sip:echo@127.0.0.1:5060 --pid PID --label asterisk-22
    python -m bench.load --churn 10000                     short calls in a row
    python -m bench.load --setups 3000 --rate 200          calls without media, ended at once
    python -m bench.load --twilio 200                      media streams over WebSockets

Another server is set beside it with --target and --pid (its CPU and memory are read, it is never
started or ended), or with --engine and a command line that holds {sip} or {port}.
Exit status: 0 measured; 1 a call was not answered or the engine could not be reached; 2 an option
was wrong; 3 a level was refused because the generator itself was starved; 130 interrupted.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from bench.options import positive
from bench.results import try_to_write

from .churn import measure_churn
from .engine import DEFAULT_COMMAND, Engine, attach_engine, start_engine
from .level import LevelResult, Plan, measure_level
from .process import split_cores
from .report import (
    RESULTS,
    format_churn,
    format_levels,
    format_setups,
    machine_facts,
    write_json,
)
from .setups import COMMAND as SETUPS_COMMAND
from .setups import measure_setups
from .twilio import format_twilio, measure_twilio

UNANSWERED, USAGE_ERROR, REFUSED, INTERRUPTED = 1, 2, 3, 130


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.load", description=__doc__, add_help=True
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--levels", type=_counts, default="100,300,600", help="calls at once (%(default)s)"
    )
    parser.add_argument("--seconds", type=positive, default=10.0, help="measured window (10)")
    parser.add_argument("--rate", type=positive, default=60.0, help="set-ups a second (60)")
    parser.add_argument("--engine", type=_command, help="command line with {sip} or {port}")
    parser.add_argument("--target", help="a running server, sip:user@host:port")
    parser.add_argument("--pid", type=_counts, help="its process, or several with commas")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--churn", type=_count, metavar="N", help="N short calls instead of levels")
    kind.add_argument("--setups", type=_count, metavar="N", help="N calls without media")
    kind.add_argument("--twilio", type=_count, metavar="N", help="N calls of Twilio's")
    parser.add_argument("--parallel", type=_count, default=20, help="short calls at once (20)")
    parser.add_argument(
        "--settle", type=_not_negative, default=2.0, help="wait after the last, s (2)"
    )
    parser.add_argument(
        "--label", type=_file_name, default="rapida-media", help="names the JSON file"
    )
    options = parser.parse_args(arguments)
    if bool(options.target) != bool(options.pid):
        parser.error("--target and --pid belong together")
    if options.target and options.engine:
        parser.error("--target is a running server, --engine starts one: give one of them")
    if options.twilio and (options.target or options.engine):
        parser.error("--twilio starts its own engine: leave out --target and --engine")
    options.engine = options.engine or (SETUPS_COMMAND if options.setups else DEFAULT_COMMAND)
    return options


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a number from 1 on, got {text!r}")
    return int(text)


def _counts(text: str) -> list[int]:
    return [_count(part) for part in text.split(",")]


def _not_negative(text: str) -> float:
    return 0.0 if text in ("0", "0.0") else positive(text)


def _command(text: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"expected a command line, got {text!r}: {error}"
        ) from None
    if not words or not ("{sip}" in text or "{port}" in text):
        raise argparse.ArgumentTypeError(
            f"expected a command line with {{sip}} or {{port}}: {text!r}"
        )
    return text


def _file_name(text: str) -> str:
    if not text or "/" in text:
        raise argparse.ArgumentTypeError(f"expected a part of a file's name, got {text!r}")
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked; print the table; write the JSON."""
    options = parse_arguments(arguments)
    signal.signal(signal.SIGTERM, _leave)
    try:
        try_to_write(RESULTS)
        return _measure(options)
    except (OSError, RuntimeError) as error:
        print(f"not measured: {error}", file=sys.stderr)
        return UNANSWERED
    except KeyboardInterrupt:
        print("not measured: interrupted", file=sys.stderr)
        return INTERRUPTED


def _measure(options: argparse.Namespace) -> int:
    generator, engine_cores = split_cores()
    facts = machine_facts()
    document: dict[str, Any] = {
        "engine": options.target or options.engine,
        "machine": facts,
        "generator_core": generator,
        "engine_cores": sorted(engine_cores),
    }
    print(f"{facts['cpu']}, {facts['cores']} cores, Linux {facts['kernel']}", flush=True)
    if generator is None:
        print("one core only: generator and engine share it, figures are rough", flush=True)
    kind, measure = "", _levels
    for asked, its_kind, its_measure in (
        (options.churn, "churn-", _churn),
        (options.setups, "setups-", _setups),
        (options.twilio, "twilio-", _twilio),
    ):
        if asked:
            kind, measure = its_kind, its_measure
    status = measure(options, document)
    print(f"written: {write_json(kind + options.label, document)}")
    return status


def _leave(number: int, frame: object) -> None:
    """A terminated load test ends the engine it started, by way of the with statements."""
    sys.exit(128 + number)


def _levels(options: argparse.Namespace, document: dict[str, Any]) -> int:
    plan = Plan(options.seconds, options.rate)
    results: list[LevelResult] = []
    shared = _attached(options)
    try:
        for count in options.levels:
            with _engine(options, shared) as engine:
                results.append(measure_level(engine, count, plan))
            print(f"  {count} calls measured", flush=True)
    finally:
        if shared is not None:
            shared.stop()
    document["window_s"], document["setups_per_second"] = plan.window_s, plan.setups_per_second
    document["levels"] = [result.to_json() for result in results]
    print(format_levels(results))
    if any(result.refused for result in results):
        return REFUSED
    return UNANSWERED if any(result.answered < result.calls for result in results) else 0


def _churn(options: argparse.Namespace, document: dict[str, Any]) -> int:
    with _attached(options) or start_engine(options.engine) as engine:
        result = measure_churn(engine, options.churn, options.parallel, options.settle)
    document["churn"] = result.to_json()
    print(format_churn(result))
    return 0 if result.answered == result.calls else UNANSWERED


def _setups(options: argparse.Namespace, document: dict[str, Any]) -> int:
    with _attached(options) or start_engine(options.engine) as engine:
        result = measure_setups(engine, options.setups, options.rate)
    document["setups"] = result.to_json()
    print(format_setups(result))
    return 0 if result.answered == result.calls else UNANSWERED


def _twilio(options: argparse.Namespace, document: dict[str, Any]) -> int:
    results = measure_twilio(options.twilio, options.seconds)
    document["twilio"] = [result.to_json() for result in results]
    print(format_twilio(results))
    return UNANSWERED if any(result.lost for result in results) else 0


def _attached(options: argparse.Namespace) -> Engine | None:
    if not options.target:
        return None
    return attach_engine(options.target, options.pid)


def _engine(options: argparse.Namespace, shared: Engine | None) -> AbstractContextManager[Engine]:
    """A fresh engine for every level, so that memory of one is not counted at the next."""
    return start_engine(options.engine) if shared is None else nullcontext(shared)


if __name__ == "__main__":
    sys.exit(main())
