"""`python -m bench [NAME …]`: measure, print, write bench/results/, compare, check.

docs/benchmarks.md is the guide. Exit status 1 when --compare finds something worse or --check
something that is not met, 2 for a name, an option or a file that is none, 130 when interrupted:
the tables that were finished by then are written.
"""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from functools import partial
from pathlib import Path

from bench import machine, peers, report, results, targets
from bench.harness import SECONDS, Plan, measure
from bench.options import positive
from bench.results import Results, TableResult
from bench.tables import NAMES, table

OUT = Path(__file__).resolve().parent / "results"
QUICK_SECONDS = 0.04
WORSE, USAGE_ERROR, INTERRUPTED = 1, 2, 130


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark's command line; gives the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return _act(options)
    except (OSError, ValueError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return INTERRUPTED


def _act(options: argparse.Namespace) -> int:
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        raise ValueError(f"no table {unknown[0]!r}; there are {', '.join(NAMES)}")
    if options.read and options.names:
        raise ValueError(f"--read prints all of {options.read}; name no tables beside it")
    old = results.load(options.compare) if options.compare else None
    run = results.load(options.read) if options.read else _run(options)
    if options.read:
        print(report.format_results(run))
    status = 0
    if old is not None:
        changes = results.compare(old, run)
        if (other := results.other_machine(old, run)) is not None:
            print(f"Compared with care, measured otherwise: {other}.")
        print(report.format_changes(changes, str(options.compare)), end="\n\n")
        status = WORSE if changes else status
    if options.check:
        verdicts = targets.judge(run)
        print(targets.format_verdicts(verdicts))
        status = WORSE if any(verdict.met is False for verdict in verdicts) else status
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure rapida-media's kernels against their peers."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (all)")
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--quick",
        action="store_const",
        const=QUICK_SECONDS,
        default=SECONDS,
        dest="seconds",
        help="an eighth of the time, rough figures",
    )
    length.add_argument(
        "--seconds",
        type=partial(positive, what="seconds"),
        default=SECONDS,
        metavar="S",
        help="per candidate and row (%(default)s)",
    )
    parser.add_argument("--compare", type=Path, metavar="OLD.json", help="print what got worse")
    parser.add_argument(
        "--check", action="store_true", help="print each target, what was measured, met or not"
    )
    parser.add_argument("--read", type=Path, metavar="FILE.json", help="measure nothing, read this")
    parser.add_argument("--out", type=Path, default=OUT, metavar="DIR", help="default: %(default)s")
    parser.add_argument("--no-plots", action="store_true", help="no pictures")
    return parser


def _run(options: argparse.Namespace) -> Results:
    """Measure the tables that were named, printing each; write the files; give the results."""
    results.try_to_write(options.out)
    versions, missing = peers.survey()
    run: Results = {
        "format": results.FORMAT,
        "machine": machine.describe(),
        "versions": versions,
        "missing": missing,
        "seconds": options.seconds,
        "tables": {},
    }
    print(report.format_head(run), end="\n\n", flush=True)
    try:
        for name in options.names or (targets.TABLES if options.check else NAMES):
            run["tables"][name] = _measure_table(name, Plan(options.seconds), missing)
            print(report.format_table(name, run["tables"][name]), end="\n\n", flush=True)
        print(report.format_missing(run), end="\n\n")
    finally:  # after an interruption, too: what is finished took its time
        if run["tables"]:
            _write(run, options)
    return run


def _measure_table(name: str, plan: Plan, missing: dict[str, str]) -> TableResult:
    made = table(name)
    rows = {}
    for row in made.rows():
        if sys.stderr.isatty():
            print(f"\r\033[K{name}: {row.name} …", end="", file=sys.stderr, flush=True)
        rows[row.name] = measure(row, plan)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    try:
        facts = made.facts()
    except (OSError, RuntimeError) as error:  # an engine that did not start
        facts = {}
        missing[f"{name}: quality"] = str(error).partition("\n")[0]
    return {"title": made.title, "rows": rows, "facts": facts}


def _write(run: Results, options: argparse.Namespace) -> None:
    when = datetime.fromisoformat(run["machine"]["when"]).strftime("%Y%m%d-%H%M%S")
    stem = options.out / f"{when}-{run['machine']['commit']}"
    results.save(run, stem.with_suffix(".json"))
    stem.with_suffix(".txt").write_text(report.format_results(run))
    written = [stem.with_suffix(".json"), stem.with_suffix(".txt")]
    if not options.no_plots:
        try:
            from bench import plots  # only this needs matplotlib
        except ImportError as error:
            print(f"No pictures: {error}; pip install matplotlib")
        else:
            written += plots.draw(run, options.out)
    print("Written: " + ", ".join(str(path) for path in written), end="\n\n")


if __name__ == "__main__":
    sys.exit(main())
