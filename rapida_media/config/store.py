"""``[store]``: where call contexts, call records and recordings are kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from rapida_media.config.table import Table

MEMORY = "memory:"
RECORDS = "rapida-calls.db"


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """``[store]``.

    contexts: ``memory:`` or the URL of a Redis, which may hold a password.  records: SQLite file.
    retention_days: how long ended calls stay in it, 0 for ever.  recordings: folder.  prompts: the
    folder of WAV files that operators may have played.
    """

    contexts: str = field(default=MEMORY, repr=False)
    records: Path = Path(RECORDS)
    retention_days: float = 90.0
    recordings: Path = Path("recordings")
    prompts: Path = Path("prompts")


def read_store(table: Table) -> StoreConfig:
    """Read ``[store]``. Raises ConfigError."""
    default = StoreConfig()
    config = StoreConfig(
        contexts=table.text("contexts", _contexts) or default.contexts,
        records=table.folder / (table.text("records", _records) or default.records),
        retention_days=table.number("retention_days", default.retention_days),
        recordings=table.path("recordings") or table.folder / default.recordings,
        prompts=table.path("prompts") or table.folder / default.prompts,
    )
    table.finish()
    return config


def _contexts(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.port != 0 and bool(parts.path if parts.scheme == "unix" else parts.hostname)
    except ValueError:
        usable = False
    if text == MEMORY or (usable and parts.scheme in ("redis", "rediss", "unix")):
        return text
    raise ValueError('expected "memory:" or a URL such as "redis://127.0.0.1:6379/0"')


def _records(text: str) -> str:
    scheme, colon, path = text.partition(":")
    if scheme != "sqlite" or not colon or not path:
        raise ValueError('expected "sqlite:FILE"')
    return path
