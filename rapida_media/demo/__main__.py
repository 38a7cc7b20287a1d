"""``make demo``: start an engine, call it with recorded speech, show what happened.

Writes, into ``demo-out/`` or the directory named: ``call.wav`` (stereo: left sent, right heard),
``call.png``, ``call.json`` and ``engine.log``; then ``lossy.png``, the picture of a call over a bad
network (``lossy``).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from rapida_media.demo import SPEECH
from rapida_media.demo.engine import environment, running_engine
from rapida_media.demo.lossy import place_lossy_call
from rapida_media.demo.lossy_picture import draw_lossy
from rapida_media.demo.lossy_picture import facts_of as facts_of_lossy
from rapida_media.demo.picture import Picture, draw, marks_of, read_sides

CALL_SECONDS = 7.5
CALL_TIMEOUT = 60.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m rapida_media.demo", description=__doc__)
    parser.add_argument("out", nargs="?", type=Path, default=Path("demo-out"))
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with running_engine(out / "engine.log", "--agent", "echo") as engine:
        print(f"engine  pid {engine.pid}, answering at {engine.uri('echo')}")
        report = place_call(engine.uri("echo"), out)
    if report is None:
        return 1
    print_report(report)
    draw(picture_of(report, out / "call.wav"), out / "call.png")
    lossy = place_lossy_call(SPEECH)
    print(f"{'lossy call':<12}{facts_of_lossy(lossy)}")
    draw_lossy(lossy, out / "lossy.png")
    names = ("call.wav", "call.png", "call.json", "lossy.png")
    print("\n".join(f"written {out / name}" for name in names))
    return 0


def place_call(uri: str, out: Path) -> dict[str, Any] | None:
    """Call with the shipped speech; give the report, None when the call failed."""
    command = [sys.executable, "-m", "rapida_media", "call", uri, "--json"]
    command += ["--play", str(SPEECH), "--record", str(out / "call.wav")]
    command += ["--duration", str(CALL_SECONDS)]
    done = subprocess.run(  # noqa: S603 - our own interpreter and module
        command,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=CALL_TIMEOUT,
        check=False,
    )
    if done.returncode != 0:
        print(f"the call failed (exit {done.returncode}):\n{done.stdout}{done.stderr}")
        return None
    (out / "call.json").write_text(done.stdout)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def facts_of(report: dict[str, Any]) -> list[tuple[str, str]]:
    received, lost = report["packets_received"], report["packets_lost"]
    return [
        ("codec", report["codec"]),
        ("setup", f"{report['setup_ms']:.1f} ms"),
        ("round trip", f"{report['round_trip_ms']:.1f} ms"),
        ("loss", f"{lost} of {received + lost} packets"),
        ("jitter", f"{report['jitter_ms']:.2f} ms"),
        ("correlation", f"{report['correlation']:.5f}"),
    ]


def print_report(report: dict[str, Any]) -> None:
    for name, value in facts_of(report):
        print(f"{name:<12}{value}")
    for event in report["events"]:
        print(f"{event['at_ms']:>9.1f} ms  {event['event']}")


def picture_of(report: dict[str, Any], recording: Path) -> Picture:
    rate_hz, sent, heard = read_sides(recording)
    marks = marks_of(report)
    begins = next((mark.at for mark in marks if mark.name == "answered"), 0.0)
    return Picture(
        title="One call through the engine and back",
        facts="   ·   ".join(f"{name} {value}" for name, value in facts_of(report)),
        rate_hz=rate_hz,
        begins=begins,
        sent=sent,
        heard=heard,
        marks=marks,
    )


if __name__ == "__main__":
    sys.exit(main())
