"""Agents from modules beside the configuration, written or mended while the process runs."""

from __future__ import annotations

import importlib
import os
import posix
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from rapida_media.agents.base import AgentContext, make_agent
from rapida_media.errors import ConfigError

TALK = "async def talk(call):\n    pass\n"


@pytest.fixture(autouse=True)
def imports_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave no module behind, and no place to look for some."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def context(tmp_path: Path) -> AgentContext:
    return AgentContext(tmp_path, tmp_path)


def write(path: Path, text: str, second: int = 1000) -> None:
    """Write a file at a tick of the file system's clock, which its folder has then, too: by that
    Python tells whether to look again."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    for each in (path, path.parent):
        os.utime(each, (second, second))


def test_a_module_that_failed_is_read_again_though_length_and_second_are_the_same(
    tmp_path: Path, context: AgentContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By these two Python tells whether what it keeps compiled is of the same source."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    file = tmp_path / "mended_agent.py"
    write(file, "raise ImportError('not yet')\n".ljust(60))
    with pytest.raises(ConfigError, match="not yet"):
        make_agent("python:mended_agent:talk", context)
    write(file, TALK.ljust(60))
    assert make_agent("python:mended_agent:talk", context).__name__ == "talk"


@pytest.mark.parametrize("package", ["", "bots."])
def test_a_module_written_since_the_last_look_is_found(
    tmp_path: Path, context: AgentContext, package: str
) -> None:
    folder = tmp_path / package.rstrip(".")
    write(folder / "early_agent.py", TALK)
    make_agent(f"python:{package}early_agent:talk", context)
    write(folder / "late_agent.py", TALK)
    assert make_agent(f"python:{package}late_agent:talk", context).__name__ == "talk"


def test_a_module_is_found_though_another_thread_has_just_looked_without_finding_it(
    tmp_path: Path, context: AgentContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an import of the calls' thread may, while the configuration is reloaded in another."""
    write(tmp_path / "early_agent.py", TALK)
    make_agent("python:early_agent:talk", context)
    looking, may_end = threading.Event(), threading.Event()
    listdir, import_module = posix.listdir, importlib.import_module

    def look() -> None:
        with pytest.raises(ImportError):
            __import__("module_of_nobody")

    other = threading.Thread(target=look)

    def list_slowly(path: str) -> list[str]:
        names = listdir(path)
        if threading.current_thread() is other and path == str(tmp_path):
            looking.set()
            assert may_end.wait(5)
        return names

    def import_after_the_other(name: str) -> ModuleType:
        may_end.set()
        other.join()
        return import_module(name)

    monkeypatch.setattr(posix, "listdir", list_slowly)
    monkeypatch.setattr(importlib, "import_module", import_after_the_other)
    os.utime(tmp_path, (1001, 1001))
    other.start()
    assert looking.wait(5)
    write(tmp_path / "raced_agent.py", TALK, second=1001)
    assert make_agent("python:raced_agent:talk", context).__name__ == "talk"


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (
            "def agent(:\n    pass\n",
            r"cannot import it: SyntaxError: .*\(faulty_agent.py, line 1\)",
        ),
        (
            'x = 1\nkey = {}["API_KEY"]\n',
            r"cannot import it: KeyError: 'API_KEY', in faulty_agent.py, line 2",
        ),
        ("raise SystemExit(4)\n", r"cannot import it: SystemExit: 4, in faulty_agent.py, line 1"),
        ("def agent(call):\n    pass\n", "it is no async function; write async def agent"),
        ("async def agent(call):\n    yield\n", "it yields, and would never run; write async def"),
        ("async def agent():\n    pass\n", "it does not take one argument, the call; write"),
        ("async def agent(call, name):\n    pass\n", "it does not take one argument, the call"),
    ],
)
def test_a_module_that_holds_no_agent_is_told_of_in_one_sentence(
    tmp_path: Path, context: AgentContext, source: str, sentence: str
) -> None:
    (tmp_path / "faulty_agent.py").write_text(source)
    with pytest.raises(ConfigError) as fault:
        make_agent("python:faulty_agent:agent", context)
    assert re.search(rf"^agent python:faulty_agent:agent: {sentence}", str(fault.value))
    assert "\n" not in str(fault.value)


def test_an_agent_may_be_anything_that_gives_something_to_await(
    tmp_path: Path, context: AgentContext
) -> None:
    (tmp_path / "odd_agents.py").write_text(
        "import functools\n"
        "async def plain(call, greeting='hello'): pass\n"
        "partial = functools.partial(plain, greeting='bye')\n"
        "@functools.wraps(plain)\n"
        "def wrapped(call): return plain(call)\n"
        "class Agent:\n"
        "    async def __call__(self, call): pass\n"
        "called = Agent()\n"
        "method = called.__call__\n"
    )
    for name in ("plain", "partial", "wrapped", "called", "method"):
        make_agent(f"python:odd_agents:{name}", context)
