"""Imports go down only: each module may use its own row and the rows below it.

    5  control/  cli.py  __main__.py
    4  net/                                  the asyncio shell
    3  call/     (and the package's facade, ``rapida_media`` itself)
    2  legs/  providers/  agents/
    1  sip/  sdp/  rtp/  media/              siblings do not import each other
    0  kernels/  errors  clock  ids  config  stats
    side: testing/ demo/                     imported by no other module

Rows 0-3 get time as ``now`` and randomness from an ``IdSource``: they import no event loop, no
socket and no clock, so that the whole stack runs on a virtual one. What stands under
``if TYPE_CHECKING:`` loads nothing and may name any row.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "rapida_media"

ROWS: tuple[frozenset[str], ...] = (
    frozenset({"kernels", "errors", "clock", "ids", "config", "stats"}),
    frozenset({"sip", "sdp", "rtp", "media"}),
    frozenset({"legs", "providers", "agents"}),
    frozenset({"call", ""}),
    frozenset({"net"}),
    frozenset({"control", "cli", "__main__"}),
)
SIDE = frozenset({"testing", "demo"})
ROW_OF = {part: number for number, row in enumerate(ROWS) for part in row}
SIBLINGS_APART = 1
PURE_ROWS = 3

IMPURE = frozenset({
    "aiohttp", "asyncio", "multiprocessing", "random", "secrets", "select", "selectors",
    "socket", "ssl", "subprocess", "threading", "time", "uuid",
})  # fmt: skip
ALLOWED_IMPURE = {"clock": {"time"}}


def part_of(module: str) -> str:
    """Name the part of the package a dotted module belongs to: "" is the facade."""
    return [*module.split("."), ""][1]


def module_name(path: Path, root: Path) -> str:
    names = list(path.relative_to(root).with_suffix("").parts)
    if names[-1] == "__init__":
        names.pop()
    return ".".join(names)


def imported_modules(node: ast.AST, module: str, is_package: bool, root: Path) -> Iterator[str]:
    """Give every module one import statement brings in, by its absolute name."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if not isinstance(node, ast.ImportFrom):
        return
    base = node.module or ""
    if node.level:
        above = module.split(".")[: len(module.split(".")) - node.level + is_package]
        base = ".".join(above + ([base] if base else []))
    if base != PACKAGE:
        yield base
        return
    for alias in node.names:  # "from rapida_media import x": a module, or a name of the facade
        is_module = (root / PACKAGE / alias.name).is_dir() or (
            root / PACKAGE / f"{alias.name}.py"
        ).exists()
        yield f"{PACKAGE}.{alias.name}" if is_module else PACKAGE


def fault_of(importer: str, imported: str) -> str | None:
    """Say what is wrong with one part importing one module; None when it may."""
    row = ROW_OF.get(importer)
    if imported.split(".")[0] != PACKAGE:
        outside = imported.split(".")[0]
        if row is None or row > PURE_ROWS or outside not in IMPURE:
            return None
        if outside in ALLOWED_IMPURE.get(importer, ()):
            return None
        return f"row {row} imports {outside}: time comes in as `now`, input as bytes"
    target = part_of(imported)
    if target == importer:
        return None
    if target in SIDE:
        return f"{target} is imported by no other module"
    if row is None:
        return None
    if target not in ROW_OF:
        return f"{target} stands in no row of the architecture"
    if ROW_OF[target] > row:
        return f"row {row} ({importer}) imports row {ROW_OF[target]} ({target or 'the facade'})"
    if row == SIBLINGS_APART == ROW_OF[target]:
        return f"{importer} imports its sibling {target}"
    return None


def reads_urandom(node: ast.AST, part: str) -> bool:
    pure = ROW_OF.get(part, PURE_ROWS + 1) <= PURE_ROWS
    return pure and part != "ids" and isinstance(node, ast.Attribute) and node.attr == "urandom"


def loading_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk everything that runs; leave out the bodies of ``if TYPE_CHECKING:``."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            for other in child.orelse:
                yield from loading_nodes(other)
        else:
            yield from loading_nodes(child)


def module_faults(path: Path, root: Path) -> Iterator[tuple[int, str]]:
    """Give (line, what is wrong) for each fault of one module."""
    module = module_name(path, root)
    part = part_of(module)
    if part not in ROW_OF and part not in SIDE:
        yield 1, f"{part} stands in no row of the architecture"
        return
    for node in loading_nodes(ast.parse(path.read_text(), filename=str(path))):
        for imported in imported_modules(node, module, path.name == "__init__.py", root):
            if fault := fault_of(part, imported):
                yield node.lineno, fault
        if reads_urandom(node, part):
            yield node.lineno, "only ids.py reads os.urandom"


def layering_faults(root: Path) -> list[str]:
    """Walk every module of the package under root; give "file:line: what is wrong" lines."""
    return [
        f"{path.relative_to(root)}:{line}: {fault}"
        for path in sorted((root / PACKAGE).rglob("*.py"))
        for line, fault in module_faults(path, root)
    ]


def test_imports_go_down_only() -> None:
    faults = layering_faults(ROOT)
    assert not faults, "\n" + "\n".join(faults)


@pytest.mark.parametrize(
    ("file", "line", "fault"),
    [
        ("sip/x.py", "import asyncio", "row 1 imports asyncio"),
        ("sip/x.py", "from time import monotonic", "row 1 imports time"),
        ("call/x.py", "import concurrent.futures, socket", "row 3 imports socket"),
        ("errors.py", "import random", "row 0 imports random"),
        ("ids.py", "import time", "row 0 imports time"),
        ("sip/x.py", "from rapida_media.sdp import y", "sip imports its sibling sdp"),
        ("sip/x.py", "from ..rtp import y", "sip imports its sibling rtp"),
        ("media/__init__.py", "from .. import sip", "media imports its sibling sip"),
        ("sip/x.py", "from rapida_media import net", "row 1 (sip) imports row 4 (net)"),
        ("agents/x.py", "from rapida_media import Call", "row 2 (agents) imports row 3"),
        ("call/x.py", "import rapida_media.control.app", "row 3 (call) imports row 5 (control)"),
        ("cli.py", "from rapida_media.testing import clock", "testing is imported by no other"),
        ("net/x.py", "from rapida_media import demo", "demo is imported by no other module"),
        ("sip/x.py", "if not TYPE_CHECKING: import time", "row 1 imports time"),
        ("surprise/x.py", "pass", "surprise stands in no row"),
        ("sip/x.py", "import os; os.urandom(4)", "only ids.py reads os.urandom"),
    ],
)
def test_a_forbidden_import_is_named_by_file_and_line(
    tmp_path: Path, file: str, line: str, fault: str
) -> None:
    for part in ("net", "sip", "demo"):
        (tmp_path / PACKAGE / part).mkdir(parents=True)
    offender = tmp_path / PACKAGE / file
    offender.parent.mkdir(exist_ok=True)
    offender.write_text(f"def late() -> None:\n    {line}\n")
    (found,) = layering_faults(tmp_path)
    expected_line = 1 if file.startswith("surprise") else 2
    assert found.startswith(f"{PACKAGE}/{file}:{expected_line}: {fault}")


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("clock.py", "import time"),
        ("ids.py", "import os; os.urandom(4)"),
        ("sip/x.py", "from . import y"),
        ("sip/x.py", "from rapida_media import errors; from rapida_media.sip import y"),
        ("__init__.py", "from rapida_media.call import Call"),
        ("agents/x.py", "if TYPE_CHECKING: from rapida_media.call import Call"),
        ("net/x.py", "import asyncio, socket, time; from rapida_media import Call"),
        ("testing/x.py", "import asyncio, random; from rapida_media.sip import y"),
        ("demo/__main__.py", "import time; from rapida_media import cli, net"),
    ],
)
def test_an_allowed_import_passes(tmp_path: Path, file: str, line: str) -> None:
    offender = tmp_path / PACKAGE / file
    offender.parent.mkdir(parents=True, exist_ok=True)
    for name in ("errors.py", "cli.py"):
        (tmp_path / PACKAGE / name).touch()
    (tmp_path / PACKAGE / "net").mkdir(exist_ok=True)
    offender.write_text(line + "\n")
    assert layering_faults(tmp_path) == []
