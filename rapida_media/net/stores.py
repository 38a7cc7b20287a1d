"""The stores of ``[store]``, opened and closed together by ``serve``."""

from __future__ import annotations

from pathlib import Path

from rapida_media.call.contexts import ContextStore, MemoryContexts
from rapida_media.call.journal import Journal
from rapida_media.config.store import MEMORY, StoreConfig
from rapida_media.ids import SystemIds
from rapida_media.net.record_store import RecordStore
from rapida_media.net.redis_contexts import RedisContexts


class Stores:
    """records: of every call.  contexts: for the media of calls over providers.

    redis: the contexts' store where it is a Redis, else None.
    """

    def __init__(self, config: StoreConfig) -> None:
        self.redis = None if config.contexts == MEMORY else RedisContexts(config.contexts)
        self.contexts: ContextStore = self.redis or MemoryContexts()
        self.records = RecordStore(
            Path(config.records), run=SystemIds().token(), retention_days=config.retention_days
        )

    async def open(self, journal: Journal) -> None:
        """Begin to keep what the journal says. ConfigError when the records' file is unusable."""
        await self.records.open()
        journal.add_sink(self.records)
        journal.keep_by(self.records)
        if self.redis is not None:
            await self.redis.start()

    async def close(self) -> None:
        """Write what is left."""
        await self.contexts.close()
        await self.records.close()

    def problems(self) -> list[str]:
        """Say what is away or cannot be written now, one sentence each."""
        records = self.records.problem
        contexts = self.redis.problem if self.redis is not None else None
        return [
            *([f"call records cannot be written: {records}"] if records else []),
            *([f"the store of call contexts is away: {contexts}"] if contexts else []),
        ]
