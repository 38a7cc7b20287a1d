"""What is measured, one module a table; each offers `rows`, and `facts` where quality counts too.

To add a candidate, add a line to a table's candidates; docs/benchmarks.md shows one. A table is
imported only when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from bench.harness import Row
from bench.results import Fact

Facts = dict[str, dict[str, dict[str, Fact]]]


def no_facts() -> Facts:
    return {}


@dataclass(frozen=True, slots=True)
class Table:
    """facts: quality as group -> candidate -> column -> value; may take some seconds."""

    title: str
    rows: Callable[[], list[Row]]
    facts: Callable[[], Facts] = no_facts


NAMES = (
    "g711",
    "rtp",
    "resamplers",
    "messages",
    "g722",
    "srtp",
    "codecs",
    "concealment",
    "jitter",
    "sip",
    "calls",
    "bridge",
    "bots",
)


def table(name: str) -> Table:
    """Give one of NAMES."""
    made: Table = import_module(f"bench.tables.{name}").TABLE
    return made
