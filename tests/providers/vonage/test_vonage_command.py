"""``rapida-media simulate vonage`` against ``rapida-media serve``, as a user runs them."""

from __future__ import annotations

import asyncio
import json
import re
import wave
from pathlib import Path

import pytest
from providers.commands import configure, order, served, simulated
from recorded_vonage import APPLICATION, PRIVATE_KEY, SECRET

from rapida_media import cli
from rapida_media.cli import main
from rapida_media.kernels import Tone, level_dbov
from rapida_media.media.wav import wave_header

KEYS = (
    f'application_id = "{APPLICATION}"\nsignature_secret = "{SECRET}"\n'
    'private_key = "file:private.key"'
)


async def test_it_calls_a_webhook_and_takes_an_order(tmp_path: Path) -> None:
    http, api = configure(tmp_path, "vonage", KEYS)
    (tmp_path / "private.key").write_text(PRIVATE_KEY)
    tone = Tone(1000.0, dbov=-16.0).read(16_000)
    (tmp_path / "tone.wav").write_bytes(wave_header(16_000, 1, 16_000) + tone)
    url = f"http://127.0.0.1:{http}/v1/talk/vonage/call/support"
    async with served(tmp_path):
        (status, out, log), _ = await asyncio.gather(
            simulated(
                tmp_path, "vonage", "--listen", f"127.0.0.1:{api}", "--play", "tone.wav",
                "--duration", "1", "--json",
            ),
            order(http, api),
        )  # fmt: skip
        assert status == 0, out + log
        report = json.loads(out)
        assert (report["state"], report["errors"]) == ("completed", [])
        words = ("--url", url, "--play", "tone.wav", "--record", "call.wav", "--duration", "1")
        (status, out, log), (failed, wrong, _) = await asyncio.gather(
            simulated(tmp_path, "vonage", *words), simulated(tmp_path, "vonage", "--url", f"{url}x")
        )
        assert status == 0, out + log
        assert re.search(r"sent 1\.\d s, heard (0\.[7-9]|1\.\d) s, first audio after \d+ ms", out)
        assert (failed, "error webhook failed" in wrong) == (1, True)
    with wave.open(str(tmp_path / "call.wav")) as recorded:
        frames = recorded.readframes(recorded.getnframes())
        assert (recorded.getnchannels(), recorded.getframerate()) == (2, 16_000)
    heard = b"".join(frames[at + 2 : at + 4] for at in range(0, len(frames), 4))
    assert -18 <= level_dbov(heard[len(heard) // 4 : len(heard) // 2]) <= -14


def test_it_says_what_is_wrong_with_the_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "set_up_logging", lambda form, level: None)
    configure(tmp_path, "vonage", KEYS)
    (tmp_path / "private.key").write_text("not one")
    words = ["simulate", "vonage", "--config", str(tmp_path / "rapida.toml"), "--url", "http://a"]
    assert main(words) == 2
    assert "[credentials.main] private_key: expected an RSA key" in capsys.readouterr().err
