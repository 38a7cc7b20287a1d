"""docs/agents.md tells the truth: what it shows about speech and about tests is run."""

from __future__ import annotations

import inspect
import re
import wave
from pathlib import Path
from typing import Any

import pytest

import rapida_media
from rapida_media.media.wav import read_wav
from rapida_media.testing import agent_under_test

ROOT = Path(rapida_media.__file__).parent.parent
SPEECH = read_wav(ROOT / "rapida_media" / "demo" / "speech.wav")
SECOND = 2 * 16_000
WORDS = SPEECH[SECOND // 4 : 3 * SECOND]


def shown(heading: str) -> dict[str, Any]:
    """Run the first Python block under a heading; gives what it defines."""
    text = (ROOT / "docs" / "agents.md").read_text()
    _, _, section = text.partition(f"# {heading}\n")
    found = re.search(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert found is not None, heading
    defined: dict[str, Any] = {}
    exec(compile(found[1], heading, "exec"), defined)
    return defined


@pytest.fixture(autouse=True)
def prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sounds = {
        "menu.wav": WORDS,
        "nobody-is-there.wav": SPEECH[3 * SECOND : 5 * SECOND],
        "a-long-story.wav": SPEECH * 3,
    }
    for name, pcm in sounds.items():
        with wave.open(name, "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(pcm)


TESTS = {
    name: each
    for name, each in shown("Testing an agent").items()
    if name.startswith("test_") and inspect.iscoroutinefunction(each)
}


@pytest.mark.parametrize("name", TESTS)
async def test_the_tests_it_shows_pass(name):
    await TESTS[name]()


def test_it_shows_tests():
    assert len(TESTS) == 2


async def test_the_interrupted_agent_falls_silent(capsys):
    async with agent_under_test(shown("Barge-in")["agent"]) as line:
        await line.wait(2)
        line.say(WORDS)
        await line.wait(0.5)
        await line.hears_nothing(4)
    said = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"interrupted after 2[0-4]\d\d ms", said[0])
    assert re.fullmatch(r"the caller spoke for 2\d\d\d ms", said[-1])


async def test_the_other_detector_finds_speech(capsys):
    async with agent_under_test(shown("Another detector")["agent"]) as line:
        await line.wait(2)
        line.say(WORDS)
        await line.wait(4)
    assert re.search(r"^speech at 2\.[01]\d s$", capsys.readouterr().out, re.MULTILINE)
