"""The RFC 4475 messages and the answers they ask for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent / "rfc4475"


@dataclass(frozen=True)
class Torture:
    file: str
    data: bytes
    is_request: bool
    kind: str
    preferred: str | None
    allowed: tuple[str, ...]

    def __str__(self) -> str:
        return self.file


def _load() -> list[Torture]:
    return [
        Torture(
            row["file"],
            (_FOLDER / row["file"]).read_bytes(),
            row["start"] == "request",
            row["class"],
            row["preferred"],
            tuple(row["uas_ok"]),
        )
        for row in json.loads((_FOLDER / "index.json").read_text())
    ]


CORPUS = _load()
BY_NAME = {torture.file.removesuffix(".dat"): torture for torture in CORPUS}
