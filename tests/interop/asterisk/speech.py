"""Calls on which both sides speak, and how well each heard the other."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rapida_media import Audio, Call
from rapida_media.media.wav import read_wav as read_pcm

from ..audio import Sound, read_wav, words_within
from .conftest import Office

SECONDS = 3.6


class Speaker:
    """An agent that speaks and listens, for a while or until the call ends."""

    def __init__(self, speech: Path, seconds: float | None = None) -> None:
        self._speech = speech
        self._seconds = seconds
        self._heard: dict[str, bytearray] = defaultdict(bytearray)

    async def agent(self, call: Call) -> None:
        call.write(read_pcm(self._speech))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._seconds):
                async for event in call:
                    if isinstance(event, Audio):
                        self._heard[call.id] += event.pcm

    def understood(self, call_id: str) -> float:
        """Give how well the words were heard in that call, as a correlation."""
        pcm = np.frombuffer(self._heard[call_id], "<i2").astype(np.float64)
        return words_within(self._speech, Sound(16_000, pcm))


async def call_and_speak(
    office: Office, speech: Path, folder: Path, extensions: Mapping[str, str]
) -> dict[str, float]:
    """Call all extensions at once, each in its codec; give how well the phones heard the words."""
    back = {extension: folder / f"{extension}.wav" for extension in extensions}
    await asyncio.gather(
        *(
            office.call(
                extension,
                *("--play", str(speech), "--record", str(back[extension])),
                *("--duration", str(SECONDS), "--codec", codec),
            )
            for extension, codec in extensions.items()
        )
    )
    return {name: words_within(speech, read_wav(path)[1]) for name, path in back.items()}


async def check_records(
    office: Office, speaker: Speaker, at_the_phones: Mapping[str, float], audio: Mapping[str, str]
) -> list[Any]:
    """See that each call was understood on both sides and ended well, in this audio; give them."""
    records = await office.records()
    assert {record["to"] for record in records} == set(at_the_phones)
    for record in records:
        there, here = at_the_phones[record["to"]], speaker.understood(record["id"])
        print(f"{record['to']}: {there:.4f} at the phone, {here:.4f} at the agent")
        assert min(there, here) >= 0.99
        assert (record["status"], record["reason"]) == ("completed", "bye"), "the phone hung up"
        assert record["quality"]["codec"] == audio[record["to"]]
        assert record["quality"].get("messages_malformed", 0) == 0
        assert record["quality"]["marks_unconfirmed"] == 0
    return list(records)
