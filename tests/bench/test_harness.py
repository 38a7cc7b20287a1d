"""The benchmark's harness: its arithmetic, comparisons, what it says is missing. No timings."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from bench import __main__ as command
from bench import peers, report, results, tables, targets
from bench.harness import NO_OP, Candidate, MissingPeerError, Plan, Row, each, measure, quartiles
from bench.results import Figure, Results, RowResult
from rapida_media import cli


class Clock:
    """Nanoseconds that pass only when a candidate says so."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        self.now += 1  # reading a clock is never free, and a zero would hide a division
        return self.now

    def taking(self, nanoseconds: int) -> Any:
        def spend(item: object) -> None:
            self.now += nanoseconds

        return each(spend)


def plan_of(clock: Clock) -> Plan:
    return Plan(seconds=0.001, slot_ns=10_000, least_samples=5, clock_ns=clock)


def missing_peer() -> Any:
    raise MissingPeerError("pip install nothing-of-the-kind")


def test_a_candidate_that_takes_twice_as_long_has_a_ratio_of_two() -> None:
    clock = Clock()
    candidates = [
        Candidate("ours", lambda: clock.taking(1000)),
        Candidate("theirs", lambda: clock.taking(2000)),
    ]

    result = measure(Row("job", range(4), candidates), plan_of(clock))

    assert result["figures"]["ours"]["ratio"] == 1.0
    assert result["figures"]["theirs"]["ratio"] == pytest.approx(2.0, rel=0.01)
    assert result["figures"]["theirs"]["median_ns"] == pytest.approx(2000, rel=0.01)


def test_the_no_op_call_is_measured_as_the_floor() -> None:
    clock = Clock()
    result = measure(
        Row("job", [b""], [Candidate("ours", lambda: clock.taking(9))]), plan_of(clock)
    )

    assert result["floor_ns"] == result["figures"][NO_OP]["median_ns"]


def test_slow_candidates_sit_out_rounds_but_are_heard_often_enough() -> None:
    clock = Clock()
    plan = plan_of(clock)
    candidates = [
        Candidate("fast", lambda: clock.taking(10)),
        Candidate("slow", lambda: clock.taking(1_000_000)),
    ]

    figures = measure(Row("job", [b""], candidates), plan)["figures"]

    assert figures["fast"]["samples"] == plan.rounds
    assert plan.least_samples <= figures["slow"]["samples"] < plan.rounds


def test_ratios_are_taken_within_a_round_so_drift_cancels() -> None:
    clock = Clock()
    speed = [1]

    def drifting(nanoseconds: int) -> Any:
        def spend(item: object) -> None:
            speed[0] += 1
            clock.now += nanoseconds * speed[0]

        return each(spend)

    candidates = [
        Candidate("ours", lambda: drifting(1000)),
        Candidate("theirs", lambda: drifting(3000)),
    ]
    figures = measure(Row("job", [b""], candidates), plan_of(clock))["figures"]

    assert figures["theirs"]["ratio"] == pytest.approx(3.0, rel=0.1)
    assert figures["ours"]["upper_ns"] > 1.4 * figures["ours"]["lower_ns"]


def test_what_a_candidates_users_already_hold_is_prepared_outside_the_timed_part() -> None:
    clock = Clock()
    seen: list[object] = []

    def prepare(item: int) -> str:
        clock.now += 10**9
        return str(item)

    def make() -> Any:
        return each(seen.append)

    result = measure(Row("job", [1, 2], [Candidate("ours", make, prepare)]), plan_of(clock))

    assert set(seen) == {"1", "2"}
    assert result["figures"]["ours"]["upper_ns"] < 10**6


def test_every_item_of_a_slow_row_gets_its_turn() -> None:
    clock = Clock()
    seen: set[object] = set()

    def make() -> Any:
        def spend(item: object) -> None:
            clock.now += 9_000  # about one slot
            seen.add(item)

        return each(spend)

    measure(Row("job", range(7), [Candidate("ours", make)]), plan_of(clock))

    assert seen == set(range(7))


def test_a_missing_peer_is_listed_and_the_others_are_measured() -> None:
    clock = Clock()
    row = Row(
        "job",
        [b""],
        [Candidate("ours", lambda: clock.taking(50)), Candidate("theirs", missing_peer)],
    )

    result = measure(row, plan_of(clock))

    assert result["missing"] == {"theirs": "pip install nothing-of-the-kind"}
    assert set(result["figures"]) == {"ours", NO_OP}
    assert "theirs" in report.format_row("job", result)
    assert "missing: pip install nothing-of-the-kind" in report.format_row("job", result)


def test_without_the_reference_there_are_times_but_no_ratios() -> None:
    clock = Clock()
    row = Row(
        "job",
        [b""],
        [Candidate("ours", missing_peer), Candidate("theirs", lambda: clock.taking(50))],
    )

    result = measure(row, plan_of(clock))

    assert result["figures"]["theirs"]["ratio"] == 0.0
    assert report.format_row("job", result).splitlines()[1].endswith("-")


def test_quartiles_of_one_value_are_that_value() -> None:
    assert quartiles([7.0]) == (7.0, 7.0, 7.0)
    assert quartiles([1.0, 2.0, 3.0, 4.0, 5.0]) == (2.0, 3.0, 4.0)


def test_a_package_that_is_not_installed_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(peers.PACKAGES, "rapida_no_such", ("no-such", "pip install no-such"))
    with pytest.raises(MissingPeerError, match=r"^pip install no-such$"):
        peers.module("rapida_no_such")


def test_a_library_that_is_not_installed_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(peers.LIBRARIES, "nothing", ("libno-such.so.9", "apt-get install nothing"))
    monkeypatch.setitem(peers.DECLARATIONS, "nothing", "int nothing(void);")
    with pytest.raises(MissingPeerError, match=r"^apt-get install nothing$"):
        peers.library("nothing")


def test_every_package_that_a_table_asks_for_says_how_to_get_it() -> None:
    sources = "".join(path.read_text() for path in Path(peers.__file__).parent.rglob("*.py"))
    asked = {name.partition(".")[0] for name in re.findall(r'\bmodule\(f?"([\w.]+)', sources)}
    assert asked >= {"soxr", "pesq", "pystoi", "aiortc"}
    assert asked <= set(peers.PACKAGES)


def test_a_program_that_is_not_installed_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert peers.survey()[1]["espeak-ng"] == "apt-get install espeak-ng"


def test_the_survey_names_every_peer_once() -> None:
    versions, missing = peers.survey()
    known = set(peers.PACKAGES) | set(peers.LIBRARIES) | set(peers.PROGRAMS)
    assert set(versions) | set(missing) == known
    assert not set(versions) & set(missing)


def test_a_long_value_stands_apart_from_its_neighbours() -> None:
    columns: dict[str, results.Fact] = {"CPU ms": 1.675, "answered": "553 of 1000", "p50": 7064.0}
    text = report.format_facts("calls", {"rapida-media": columns})
    assert text.splitlines()[-1].split() == ["rapida-media", "1.68", "553", "of", "1000", "7064"]


# ---- two runs compared ----


def figure(median_ns: float, ratio: float = 1.0) -> Figure:
    return {
        "lower_ns": median_ns * 0.98,
        "median_ns": median_ns,
        "upper_ns": median_ns * 1.02,
        "samples": 100,
        "ratio": ratio,
        "ratio_lower": ratio * 0.98,
        "ratio_upper": ratio * 1.02,
    }


def row_of(**medians: float) -> RowResult:
    names = {"ours": "rapida-media", "theirs": "soxr HQ", "no_op": NO_OP}
    figures = {
        names[key]: figure(value, value / medians.get("ours", value))
        for key, value in medians.items()
    }
    return {"floor_ns": 20.0, "figures": figures, "missing": {}}


def run_of(**medians: float) -> Results:
    return {
        "format": results.FORMAT,
        "machine": {
            "when": "2024-05-01T12:00:00+00:00",
            "commit": "abc",
            "cpu": "one",
            "cores": 2,
            "flags": [],
            "load_average": 0.0,
            "system": "here",
            "python": "CPython 3.11",
            "python_compiler": "",
            "compiler_flags": "",
            "variants": {},
        },
        "versions": {},
        "missing": {},
        "tables": {
            "resamplers": {
                "title": "Streaming resamplers",
                "rows": {"8→16 kHz, 20 ms": row_of(**medians)},
                "facts": {
                    "8→16 kHz": {
                        "rapida-media": {"rejection dB": 98.0, "any chunking": True},
                        "soxr HQ": {"rejection dB": 110.0, "any chunking": False},
                    }
                },
            }
        },
    }


def test_a_run_compared_with_itself_has_nothing_worse() -> None:
    run = run_of(ours=100, theirs=1000)
    assert results.compare(run, run) == []
    assert "Nothing of ours got worse" in report.format_changes([], "old.json")


def test_what_takes_longer_while_the_peers_do_not_is_a_regression() -> None:
    changes = results.compare(run_of(ours=100, theirs=1000), run_of(ours=150, theirs=1000))

    assert [change.where for change in changes] == ["resamplers: 8→16 kHz, 20 ms: rapida-media"]
    assert changes[0].factor == pytest.approx(1.5)
    assert "100 → 150 ns" in report.format_changes(changes, "old.json")


def test_a_slower_machine_is_no_regression() -> None:
    assert results.compare(run_of(ours=100, theirs=1000), run_of(ours=150, theirs=1500)) == []


def test_a_difference_within_the_quartiles_is_no_regression() -> None:
    old, new = run_of(ours=100, theirs=1000), run_of(ours=112, theirs=1000)
    assert results.compare(old, new) != []
    for run in (old, new):
        theirs = run["tables"]["resamplers"]["rows"]["8→16 kHz, 20 ms"]["figures"]["soxr HQ"]
        theirs["ratio_lower"], theirs["ratio_upper"] = 7.0, 12.0
    assert results.compare(old, new) == []


def test_our_second_candidate_is_compared_beside_the_same_peers() -> None:
    old, new = run_of(ours=100, theirs=1000), run_of(ours=100, theirs=1000)
    for run, median_ns in ((old, 200.0), (new, 260.0)):
        figures = run["tables"]["resamplers"]["rows"]["8→16 kHz, 20 ms"]["figures"]
        figures["rapida-media low_delay"] = figure(median_ns, median_ns / 100)

    changes = results.compare(old, new)

    assert [change.where.rpartition(": ")[2] for change in changes] == ["rapida-media low_delay"]
    assert changes[0].factor == pytest.approx(1.3)


def test_a_run_without_the_reference_has_no_ratios_to_compare() -> None:
    old, new = run_of(ours=100, theirs=1000), run_of(ours=200, theirs=1000)
    for values in new["tables"]["resamplers"]["rows"]["8→16 kHz, 20 ms"]["figures"].values():
        values["ratio"] = values["ratio_lower"] = values["ratio_upper"] = 0.0
    assert results.compare(old, new) == []


@pytest.mark.parametrize(
    ("column", "value", "worse"),
    [
        ("rejection dB", 97.0, True),
        ("rejection dB", 97.8, False),
        ("rejection dB", 120.0, False),
        ("any chunking", False, True),
    ],
)
def test_worse_quality_is_a_regression(column: str, value: float | bool, worse: bool) -> None:
    old = run_of(ours=100, theirs=1000)
    new = copy.deepcopy(old)
    new["tables"]["resamplers"]["facts"]["8→16 kHz"]["rapida-media"][column] = value
    assert bool(results.compare(old, new)) is worse


def test_a_peers_worse_quality_is_not_ours_to_report() -> None:
    old = run_of(ours=100, theirs=1000)
    new = copy.deepcopy(old)
    new["tables"]["resamplers"]["facts"]["8→16 kHz"]["soxr HQ"]["rejection dB"] = 20.0
    assert results.compare(old, new) == []


def test_rows_of_one_run_only_are_passed_over() -> None:
    old = run_of(ours=100, theirs=1000)
    new = copy.deepcopy(old)
    new["tables"]["resamplers"]["rows"]["new one"] = row_of(ours=9000, theirs=1)
    assert results.compare(old, new) == []


def test_runs_on_two_processors_are_compared_with_a_word_of_care() -> None:
    old, new = run_of(ours=100), run_of(ours=100)
    assert results.other_machine(old, new) is None
    new["machine"]["cpu"] = "another"
    assert results.other_machine(old, new) == "cpu: then one, now another"


def test_results_come_back_from_their_file_as_they_were(tmp_path: Path) -> None:
    run = run_of(ours=100, theirs=1000)
    results.save(run, tmp_path / "deeper" / "run.json")
    assert results.load(tmp_path / "deeper" / "run.json") == run


@pytest.mark.parametrize(
    "text",
    ["[]", "{}", '{"format": 99}', '{"format": 1}', '{"format": 1, "tables": []}', "no json", ""],
)
def test_a_file_that_is_no_result_is_refused_by_its_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(
        ValueError, match=r"run\.json: expected the benchmark's results in format 1"
    ):
        results.load(tmp_path / "run.json")


def test_runs_measured_for_two_lengths_are_compared_with_a_word_of_care() -> None:
    old, new = run_of(ours=100), run_of(ours=100)
    old["seconds"], new["seconds"] = 0.3, 0.04
    assert results.other_machine(old, new) == "seconds per candidate: then 0.3, now 0.04"
    del old["seconds"]
    assert results.other_machine(old, new) is None


def test_quality_is_ours_by_the_name_of_its_group_as_well() -> None:
    old, new = run_of(ours=100, theirs=1000), run_of(ours=100, theirs=1000)
    for run, mos in ((old, 4.2), (new, 4.1)):
        run["tables"]["jitter"] = {
            "title": "Jitter buffers",
            "rows": {},
            "facts": {
                "rapida-media, adaptive": {"wifi": {"MOS": mos}},
                "aiortc": {"wifi": {"MOS": mos}},
            },
        }

    changes = results.compare(old, new)

    assert [change.where for change in changes] == ["jitter: rapida-media, adaptive: wifi"]


@pytest.mark.parametrize(("name", "peers_there"), [("bridge", 2), ("bots", 0), ("srtp", 0)])
def test_what_is_ours_has_our_name_and_is_compared(name: str, peers_there: int) -> None:
    others = {
        candidate.name
        for row in tables.table(name).rows()
        for candidate in row.candidates
        if not candidate.name.startswith(("rapida-media", "pylibsrtp"))
    }
    assert others == ({"the far end's sendto alone"} if peers_there else set())


# ---- targets ----


def test_a_target_is_met_missed_or_not_measured() -> None:
    run = run_of(ours=100, theirs=1500)
    verdicts = {verdict.target: verdict for verdict in targets.judge(run)}

    assert verdicts["8→16 kHz, 20 ms: soxr HQ"].met is True
    assert verdicts["8→16 kHz, 20 ms: soxr HQ"].measured == pytest.approx(15.0)
    assert verdicts["16→8 kHz, 20 ms: soxr HQ"].met is None
    slower = {verdict.target: verdict for verdict in targets.judge(run_of(ours=200, theirs=1500))}
    assert slower["8→16 kHz, 20 ms: soxr HQ"].met is False


def test_every_point_is_in_the_list_even_of_an_empty_run() -> None:
    run = run_of(ours=100)
    run["tables"] = {}
    verdicts = targets.judge(run)
    assert {verdict.point for verdict in verdicts} == {1, 2, 3, 4, 5, 6, 8, 9}
    assert all(verdict.met is None for verdict in verdicts)
    assert f"0 met, 0 not met, {len(verdicts)} not measured" in targets.format_verdicts(verdicts)


def test_calls_from_python_are_judged_above_a_call_that_only_makes_its_result() -> None:
    run = run_of(ours=100)
    figures = {
        "the same in a C loop": figure(100, 1.0),
        "rapida-media": figure(140, 1.4),
        targets.NEW_BYTES: figure(25, 0.25),
    }
    row: RowResult = {"floor_ns": 15.0, "figures": figures, "missing": {}}
    run["tables"]["calls"] = {"title": "", "rows": {"resample": row}, "facts": {}}

    verdict = next(v for v in targets.judge(run) if v.target.startswith("resample:"))

    assert verdict.measured == pytest.approx(1.15)
    assert verdict.met is True
    assert "with them 1.40" in verdict.note


# ---- the command ----


def test_an_unknown_table_is_refused_with_the_names_of_all(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.main(["g712"]) == 2
    assert "no table 'g712'; there are g711, rtp, resamplers" in capsys.readouterr().err


def test_a_run_can_be_read_and_checked_without_measuring(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(ours=200, theirs=1500)
    path = tmp_path / "run.json"
    path.write_text(json.dumps(run))

    assert command.main(["--read", str(path), "--check"]) == 1
    out = capsys.readouterr().out
    assert "8→16 kHz, 20 ms: soxr HQ" in out
    assert "NOT MET" in out


@pytest.mark.parametrize("seconds", ["-1", "0", "nan", "inf", "soon"])
def test_a_time_that_is_none_is_refused(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        command.main(["g711", "--seconds", seconds])
    assert refused.value.code == 2
    assert f"--seconds: expected seconds above 0, got '{seconds}'" in capsys.readouterr().err


def test_names_beside_a_file_to_read_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["g711", "--read", str(tmp_path / "run.json")]) == 2
    assert "name no tables beside it" in capsys.readouterr().err


def measured(name: str, plan: Plan, missing: dict[str, str]) -> results.TableResult:
    return {"title": name, "rows": {"a row": row_of(ours=100)}, "facts": {}}


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(*arguments: object) -> None:
        pytest.fail("it was measured")

    monkeypatch.setattr(command, "_measure_table", never)
    (tmp_path / "file").touch()
    assert command.main(["g711", "--out", str(tmp_path / "file" / "deeper")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bench: ")
    assert "file" in line


def test_an_interrupted_run_keeps_the_tables_that_were_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(name: str, plan: Plan, missing: dict[str, str]) -> results.TableResult:
        if name == "rtp":
            raise KeyboardInterrupt
        return measured(name, plan, missing)

    monkeypatch.setattr(command, "_measure_table", interrupted)
    options = ["--no-plots", "--out", str(tmp_path)]
    assert command.main(["g711", "rtp", "srtp", *options]) == 130
    assert set(results.load(next(tmp_path.glob("*.json")))["tables"]) == {"g711"}
    assert capsys.readouterr().err.splitlines()[-1] == "bench: interrupted"


def test_a_table_whose_quality_cannot_be_measured_keeps_its_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def facts() -> tables.Facts:
        raise RuntimeError("the engine did not answer SIP\nits last words")

    row = Row("job", [b""], [Candidate("ours", lambda: each(len))])
    monkeypatch.setattr(command, "table", lambda name: tables.Table("calls", lambda: [row], facts))
    missing: dict[str, str] = {}
    made = command._measure_table("sip", Plan(0.001), missing)

    assert set(made["rows"]["job"]["figures"]) == {"ours", NO_OP}
    assert made["facts"] == {}
    assert missing == {"sip: quality": "the engine did not answer SIP"}


def test_the_length_of_a_run_is_told_in_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_measure_table", measured)
    for options, seconds, rough in ((["--quick"], 0.04, True), ([], 0.3, False)):
        out = tmp_path / f"{seconds}"
        assert command.main(["g711", "--no-plots", "--out", str(out), *options]) == 0
        assert results.load(next(out.glob("*.json")))["seconds"] == seconds
        text = next(out.glob("*.txt")).read_text()
        assert f"each candidate measured for {seconds} s a row" in text
        assert ("rough figures" in text) is rough


def test_a_picture_says_which_run_it_is_of(tmp_path: Path) -> None:
    plots = pytest.importorskip("bench.plots")
    figure = plots.times(
        "One job", {"title": "", "rows": {"a": row_of(ours=1, theirs=2)}, "facts": {}}, None, "here"
    )
    plots._sign(figure, run_of(ours=1)["machine"])
    assert "abc, 2024-05-01T12:00:00+00:00" in [text.get_text() for text in figure.texts]


def test_a_table_is_measured_printed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["rtp", "--seconds", "0.001", "--no-plots", "--out", str(tmp_path)]) == 0

    written = sorted(path.suffix for path in tmp_path.iterdir())
    assert written == [".json", ".txt"]
    run = results.load(next(tmp_path.glob("*.json")))
    measured = run["tables"]["rtp"]["rows"]["μ-law payload to 16 kHz, 20 ms"]
    assert measured["figures"]["rapida-media"]["ratio"] == 1.0
    listed = set(measured["figures"]) | set(measured["missing"])
    assert {"audioop + soxr HQ", "audioop + speexdsp q3"} <= listed
    assert "rtp · RTP payload to 16 kHz PCM and back" in capsys.readouterr().out


def test_the_products_command_runs_the_checkouts_benchmark(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["bench", "g712"]) == 2
    assert "no table 'g712'" in capsys.readouterr().err


def test_the_products_command_says_where_the_benchmark_is_when_it_is_not_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "__file__", str(tmp_path / "rapida_media" / "cli.py"))
    assert cli.main(["bench"]) == 2
    message = capsys.readouterr().err
    assert "source tree" in message
    assert "make bench" in message
