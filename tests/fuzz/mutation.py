"""A seeded mutator: the same seed gives the same inputs on every machine and Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random


class Mutator:
    """Makes new inputs from a corpus: cuts, repeats, flips, splices, inserts tokens."""

    def __init__(self, corpus: Sequence[bytes], tokens: Sequence[bytes], seed: int) -> None:
        self._corpus = corpus
        self._tokens = tokens
        self._random = Random(seed)
        self._changes: tuple[Callable[[bytes], bytes], ...] = (
            self._flip,
            self._overwrite,
            self._remove,
            self._repeat,
            self._insert_token,
            self._insert_token,
            self._replace_word,
            self._move_line,
            self._splice,
        )

    def next_input(self) -> bytes:
        data = self._random.choice(self._corpus)
        for _ in range(self._random.choice((1, 1, 1, 2, 2, 3, 5, 8))):
            data = self._random.choice(self._changes)(data)
        return data[:65536]

    def _span(self, data: bytes) -> tuple[int, int]:
        start = self._random.randrange(len(data) + 1)
        length = min(self._random.choice((1, 1, 2, 4, 8, 32, 256)), len(data) - start)
        return start, start + length

    def _flip(self, data: bytes) -> bytes:
        if not data:
            return data
        place = self._random.randrange(len(data))
        changed = data[place] ^ 1 << self._random.randrange(8)
        return data[:place] + bytes((changed,)) + data[place + 1 :]

    def _overwrite(self, data: bytes) -> bytes:
        start, end = self._span(data)
        return data[:start] + self._random.randbytes(end - start) + data[end:]

    def _remove(self, data: bytes) -> bytes:
        start, end = self._span(data)
        return data[:start] + data[end:]

    def _repeat(self, data: bytes) -> bytes:
        start, end = self._span(data)
        times = self._random.choice((1, 1, 2, 20, 300))
        return data[:end] + data[start:end] * times + data[end:]

    def _insert_token(self, data: bytes) -> bytes:
        start, end = self._span(data)
        if self._random.random() < 0.5:
            end = start
        return data[:start] + self._random.choice(self._tokens) + data[end:]

    def _replace_word(self, data: bytes) -> bytes:
        words = data.split(b" ")
        words[self._random.randrange(len(words))] = self._random.choice(self._tokens)
        return b" ".join(words)

    def _move_line(self, data: bytes) -> bytes:
        lines = data.split(b"\r\n")
        line = self._random.choice(lines)
        if self._random.random() < 0.5:
            lines.remove(line)
        lines.insert(self._random.randrange(len(lines) + 1), line)
        return b"\r\n".join(lines)

    def _splice(self, data: bytes) -> bytes:
        other = self._random.choice(self._corpus)
        return data[: self._span(data)[0]] + other[self._span(other)[0] :]
