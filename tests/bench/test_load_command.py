"""The load test's command line: what it refuses, and in which words. Nothing is measured."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.load import __main__ as command
from bench.load.engine import DEFAULT_COMMAND, attach_engine, start_engine
from bench.load.level import LevelResult
from bench.load.report import format_levels
from bench.load.setups import COMMAND as SETUPS_COMMAND


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--levels", "abc"], "--levels: expected a number from 1 on, got 'abc'"),
        (["--levels", "10,0"], "--levels: expected a number from 1 on, got '0'"),
        (["--levels", ""], "--levels: expected a number from 1 on, got ''"),
        (["--seconds", "0"], "--seconds: expected a number above 0, got '0'"),
        (["--rate", "nan"], "--rate: expected a number above 0, got 'nan'"),
        (["--churn", "-5"], "--churn: expected a number from 1 on, got '-5'"),
        (["--setups", "0"], "--setups: expected a number from 1 on, got '0'"),
        (["--churn", "5", "--twilio", "5"], "--twilio: not allowed with argument --churn"),
        (["--pid", "x", "--target", "sip:a@b"], "--pid: expected a number from 1 on, got 'x'"),
        (["--pid", "1"], "--target and --pid belong together"),
        (["--engine", '"'], "--engine: expected a command line, got '\"'"),
        (["--engine", "sleep 9"], "--engine: expected a command line with {sip} or {port}"),
        (["--label", "a/b"], "--label: expected a part of a file's name, got 'a/b'"),
        (["--twilio", "5", "--engine", "x {sip}"], "--twilio starts its own engine"),
    ],
)
def test_an_option_that_cannot_be_is_refused_by_its_name(
    options: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        command.parse_arguments(options)
    assert refused.value.code == 2
    assert why in capsys.readouterr().err


def test_the_engine_named_is_the_one_that_is_measured() -> None:
    parse = command.parse_arguments
    assert parse([]).engine == DEFAULT_COMMAND
    assert parse(["--setups", "5"]).engine == SETUPS_COMMAND
    assert parse(["--setups", "5", "--engine", "other {sip}"]).engine == "other {sip}"


def test_levels_are_numbers_of_calls() -> None:
    assert command.parse_arguments([]).levels == [100, 300, 600]
    assert command.parse_arguments(["--levels", "5,7"]).levels == [5, 7]


def test_an_engine_that_is_not_there_is_told() -> None:
    with pytest.raises(RuntimeError, match=r"the engine cannot be started: .*/no/such"):
        start_engine("/no/such {sip}")


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("nonsense", "--target nonsense: .*; expected sip:user@host:port"),
        ("sip:echo@127.0.0.1:99999", "port above 65535; expected sip:user@host:port"),
        ("sip:echo@127.0.0.1:5060", "--pid 4194305: there is no such process"),
    ],
)
def test_a_server_that_is_not_there_is_told(target: str, why: str) -> None:
    with pytest.raises(RuntimeError, match=why):
        attach_engine(target, [4194305])  # above the largest pid that Linux gives


def test_processes_that_did_nothing_are_told_of() -> None:
    generator = {"lateness_ms": {"p999": 0.0}}
    level = LevelResult(2, answered=2, core_percent=0.0, generator=generator)
    assert "the processes of --pid used no CPU" in format_levels([level])
    level.core_percent = 0.1
    assert "--pid" not in format_levels([level])


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (KeyboardInterrupt(), 130, "not measured: interrupted"),
        (RuntimeError("no call was answered"), 1, "not measured: no call was answered"),
        (OSError("no room"), 1, "not measured: no room"),
    ],
)
def test_what_ends_a_measurement_is_told_in_one_line(
    error: BaseException,
    status: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(command, "_levels", fails)
    monkeypatch.setattr(command.signal, "signal", lambda *arguments: None)
    cores = os.sched_getaffinity(0)
    assert command.main(["--levels", "1"]) == status
    assert capsys.readouterr().err.splitlines() == [line]
    assert os.sched_getaffinity(0) == cores


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(command, "RESULTS", tmp_path / "file" / "results")
    monkeypatch.setattr(command.signal, "signal", lambda *arguments: None)
    monkeypatch.setattr(command, "_levels", lambda *arguments: pytest.fail("it was measured"))
    assert command.main(["--levels", "1"]) == 1
    assert "not measured: " in capsys.readouterr().err
