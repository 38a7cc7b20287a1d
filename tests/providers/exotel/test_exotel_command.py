"""``rapida-media simulate exotel`` against ``rapida-media serve``, as a user runs them."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

from providers.commands import configure, order, served, simulated
from recorded_exotel import TOKEN
from simulated_exotel import KEYS

from rapida_media.kernels import Tone
from rapida_media.media.wav import wave_header


async def test_it_calls_a_webhook_and_takes_an_order(tmp_path: Path) -> None:
    more = '\nusername = "rapida"\npassword = "s3cret"\naddresses = "127.0.0.1"\napp_id = "7"'
    http, api = configure(tmp_path, "exotel", KEYS + more)
    tone = Tone(1000.0, dbov=-16.0).read(16_000)
    (tmp_path / "tone.wav").write_bytes(wave_header(16_000, 1, 16_000) + tone)
    url = f"http://127.0.0.1:{http}/v1/talk/exotel/call/support/{TOKEN}"
    async with served(tmp_path):
        (status, out, log), _ = await asyncio.gather(
            simulated(
                tmp_path, "exotel", "--listen", f"127.0.0.1:{api}", "--play", "tone.wav",
                "--duration", "1", "--json",
            ),
            order(http, api),
        )  # fmt: skip
        assert status == 0, out + log
        report = json.loads(out)
        assert (report["state"], report["errors"]) == ("completed", [])
        words = ("--url", url, "--play", "tone.wav", "--duration", "1")
        (status, out, log), (failed, wrong, _) = await asyncio.gather(
            simulated(tmp_path, "exotel", *words), simulated(tmp_path, "exotel", "--url", f"{url}x")
        )
        assert status == 0, out + log
        assert re.search(r"sent 1\.\d s, heard (0\.[7-9]|1\.\d) s, first audio after \d+ ms", out)
        assert (failed, "error the webhook failed" in wrong) == (1, True)
