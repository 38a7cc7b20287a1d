"""One TOML table, read key by key: types are checked, indirections followed, leftovers refused.

Used by ``config`` only. Every fault is a ConfigError that names table and key. It shows texts as
they stand in the file, so an ``env:`` or ``file:`` value shows where it came from and not what it
is; of other values it shows the type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import TypeVar

from rapida_media.errors import ConfigError

T = TypeVar("T")

_TYPE_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a table",
}


class Table:
    """A table of the configuration; "" names the whole document.

    A text reader is a function that gives the value of a text or raises ValueError with the rest
    of the sentence: ``expected a port from 0 to 65535``.
    """

    def __init__(
        self,
        name: str,
        values: Mapping[str, object],
        folder: Path,
        environment: Mapping[str, str],
    ) -> None:
        self.name = name
        self.folder = folder
        self._values = values
        self._environment = environment
        self._known: list[str] = []

    def has(self, key: str) -> bool:
        """Tell whether the key is there; does not count as asking for it."""
        return key in self._values

    def text(self, key: str, read: Callable[[str], T]) -> T | None:
        """Read a text, None when the key is absent."""
        value = self._take(key)
        return None if value is None else self._read(key, value, read)

    def texts(self, key: str, read: Callable[[str], T]) -> tuple[T, ...] | None:
        """Read a list of texts, None when the key is absent."""
        values = self._take(key)
        if values is None:
            return None
        if not isinstance(values, list):
            raise self._wrong_type(key, "a list of texts", values)
        return tuple(self._read(key, value, read) for value in values)

    def path(self, key: str) -> Path | None:
        """Read a path, relative to the folder of the configuration file."""
        path = self.text(key, some_text)
        return None if path is None else self.folder / path

    def number(self, key: str, default: float, *, above: float | None = None) -> float:
        """Read a number: greater than ``above``, or at least 0 without it."""
        value = self._scalar(key, float)
        if value is None:
            return default
        expected = "a number of at least 0" if above is None else f"a number above {above}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong_type(key, expected, value)
        if not isfinite(value) or value < 0 or (above is not None and value <= above):
            raise self.fault(key, f"expected {expected}, got {value}")
        return float(value)

    def whole(self, key: str, default: int, *, least: int = 1) -> int:
        """Read a whole number of at least ``least``."""
        value = self._scalar(key, int)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong_type(key, f"a whole number of at least {least}", value)
        if value < least:
            raise self.fault(key, f"expected a whole number of at least {least}, got {value}")
        return value

    def flag(self, key: str, *, default: bool = False) -> bool:
        """Read true or false."""
        value = self._scalar(key, {"true": True, "false": False}.__getitem__)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self._wrong_type(key, "true or false", value)
        return value

    def mapping(self, key: str) -> dict[str, object]:
        """Read a table of free keys, in which there may be tables and lists; empty when the key is
        absent."""
        return {name: self._follow(key, value) for name, value in self._inner(key).items()}

    def header_fields(self, key: str) -> dict[str, str]:
        """Read a table of header fields, names and texts; empty when the key is absent."""
        values = self.mapping(key)
        for name, value in values.items():
            good = isinstance(value, str) and value.isprintable() and value.isascii()
            if not good or not name.replace("-", "").replace("_", "").isalnum():
                raise self.fault(key, f"{name}: expected a header field with a text of ASCII")
        return {name: str(value) for name, value in values.items()}

    def other_texts(self) -> dict[str, str]:
        """Read the keys nobody asked for yet as texts."""
        names = [name for name in self._values if name not in self._known]
        return {name: self.text(name, some_text) or "" for name in names}

    def table(self, key: str) -> Table:
        """Open a table inside this one; an absent one reads as empty."""
        name = f"{self.name}.{key}" if self.name else key
        return Table(name, self._inner(key), self.folder, self._environment)

    def tables(self, key: str) -> Iterator[tuple[str, Table]]:
        """Open every table of a table of tables, with its name."""
        named = self.table(key)
        for name in named._values:
            if not name.strip():
                raise named.fault(f'"{name}"', "expected a name that is not empty")
            yield name, named.table(name)

    def finish(self) -> None:
        """Refuse the keys nobody asked for."""
        for key in self._values:
            if key not in self._known:
                raise self._unknown(key)

    def fault(self, key: str, sentence: str) -> ConfigError:
        """Make the error about one key."""
        return ConfigError(
            f"[{self.name}] {key}: {sentence}" if self.name else f"{key}: {sentence}"
        )

    def _unknown(self, key: str) -> ConfigError:
        near = get_close_matches(key, self._known, n=1)
        hint = f'did you mean "{near[0]}"?' if near else f"known are {', '.join(self._known)}"
        if not self.name:
            return ConfigError(f"[{key}]: unknown table or key; {hint}")
        return self.fault(key, f"unknown key; {hint}")

    def _take(self, key: str) -> object:
        self._known.append(key)
        return self._values.get(key)

    def _inner(self, key: str) -> dict[str, object]:
        values = self._take(key)
        if values is None:
            return {}
        if not isinstance(values, dict):
            raise self._wrong_type(key, "a table", values)
        return values

    def _read(self, key: str, value: object, read: Callable[[str], T]) -> T:
        if not isinstance(value, str):
            raise self._wrong_type(key, "a text", value)
        resolved = self._resolve(key, value)
        try:
            return read(str(resolved))
        except ValueError as error:
            # Not chained: the cause may repeat a value that must not be shown.
            raise self.fault(key, f'{error}, got "{value}"') from None

    def _scalar(self, key: str, convert: Callable[[str], object]) -> object:
        """Take a value that TOML types itself; only behind an indirection it is a text."""
        value = self._take(key)
        resolved = self._resolve(key, value)
        if resolved is value:
            return value
        try:
            return convert(str(resolved))
        except (ValueError, KeyError):
            raise self.fault(key, f'"{value}" holds a value of the wrong type') from None

    def _follow(self, key: str, value: object) -> object:
        """Follow the indirections in a value of any depth."""
        if isinstance(value, dict):
            return {name: self._follow(key, inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._follow(key, inner) for inner in value]
        return self._resolve(key, value)

    def _resolve(self, key: str, value: object) -> object:
        """Follow ``env:NAME`` and ``file:PATH``; other values are given as they are."""
        if not isinstance(value, str):
            return value
        kind, _, target = value.partition(":")
        if kind == "env":
            if target not in self._environment:
                raise self.fault(key, f"the environment variable {target} is not set")
            return self._environment[target]
        if kind == "file":
            return self._read_file(key, target)
        return value

    def _read_file(self, key: str, target: str) -> str:
        try:
            return (self.folder / target).read_text("utf-8").rstrip("\r\n")
        except OSError as error:
            raise self.fault(key, f"file:{target} cannot be read: {error.strerror}") from error
        except ValueError:
            raise self.fault(key, f"file:{target} is no UTF-8 text") from None

    def _wrong_type(self, key: str, expected: str, value: object) -> ConfigError:
        got = _TYPE_NAMES.get(type(value), f"a {type(value).__name__}")
        return self.fault(key, f"expected {expected}, got {got}")


def some_text(text: str) -> str:
    """Read any text but the empty one."""
    if not text.strip():
        raise ValueError("expected a text that is not empty")
    return text


def one_of(*choices: str) -> Callable[[str], str]:
    """Make a reader of a few words."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"expected {' or '.join(choices)}")
        return text

    return read
