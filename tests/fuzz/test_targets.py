"""The fuzz targets on what is known: seeds, earlier findings, and a few seeded mutations."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from fuzz.mutation import Mutator

FINDINGS = Path(__file__).parent / "findings"
NAMES = "sip_message", "sip_endpoint", "sdp", "rtcp", "webrtc", "stun"
TARGETS = {name: importlib.import_module(f"fuzz.{name}") for name in NAMES}
KNOWN = [path for name in TARGETS for path in sorted((FINDINGS / name).glob("*"))]
EACH_TARGET = pytest.mark.parametrize("name", TARGETS)


@pytest.fixture(autouse=True)
def _always_thorough(monkeypatch: pytest.MonkeyPatch) -> None:
    for target in TARGETS.values():
        monkeypatch.setattr(target, "thorough", lambda data: True, raising=False)


@EACH_TARGET
def test_no_seed_is_a_finding(name: str) -> None:
    for seed in TARGETS[name].SEEDS:
        TARGETS[name].fuzz(seed)


@pytest.mark.parametrize("path", KNOWN, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_no_earlier_finding_is_one_again(path: Path) -> None:
    TARGETS[path.parent.name].fuzz(path.read_bytes())


@EACH_TARGET
def test_a_few_hundred_mutations_are_no_finding(name: str) -> None:
    target = TARGETS[name]
    mutator = Mutator(target.SEEDS, target.TOKENS, seed=1)
    for _ in range(300):
        data = mutator.next_input()
        try:
            target.fuzz(data)
        except Exception as error:
            raise AssertionError(f"finding: {data!r}") from error


def test_the_same_seed_gives_the_same_inputs() -> None:
    target = TARGETS["sip_message"]
    first, second = (Mutator(target.SEEDS, target.TOKENS, seed=7) for _ in range(2))
    assert [first.next_input() for _ in range(50)] == [second.next_input() for _ in range(50)]
