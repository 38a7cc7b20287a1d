"""``rapida-media simulate`` against ``rapida-media serve``, as a user runs them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from rapida_media.demo.ports import free_port
from rapida_media.kernels import Tone, level_dbov
from rapida_media.media.wav import wave_header

ROOT = Path(__file__).parents[2]


async def command(folder: Path, *words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "rapida_media", *words, cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def simulated(folder: Path, provider: str, *words: str) -> tuple[int | None, str, str]:
    """Run the simulator; give status, output and log."""
    process = await command(folder, "simulate", provider, *words)
    async with asyncio.timeout(30):
        out, log = await process.communicate()
    return process.returncode, out.decode(), log.decode()


def configure(folder: Path, provider: str, account: str) -> tuple[int, int]:
    """Write a configuration; give the ports of the engine's HTTP and of the REST API.

    account: the keys of the credential, as lines of TOML.
    """
    http, api = free_port(), free_port()
    (folder / "rapida.toml").write_text(
        f'[sip]\nlisten = ["udp:127.0.0.1:0"]\n[rtp]\nports = "33200-33300"\n'
        f'[http]\nlisten = "127.0.0.1:{http}"\npublic_url = "https://voice.example.com"\n'
        f'[credentials.main]\nprovider = "{provider}"\n{account}\n'
        f'api_base = "http://127.0.0.1:{api}"\nallow = ["+1"]\n'
        '[limits]\nmax_calls = 10\n[assistants.support]\nagent = "echo"\ncredential = "main"\n'
        'numbers = ["+15005550006"]\n'
    )
    return http, api


@asynccontextmanager
async def taking_calls(engine: asyncio.subprocess.Process) -> AsyncIterator[bytes]:
    """Wait until a ``serve`` that was started is ready, and end it behind the block; gives its log.

    It has to end well, and to have no traceback in its log.
    """
    assert engine.stderr is not None
    log = b""
    try:
        async with asyncio.timeout(30):
            while b"Ready." not in log:
                line = await engine.stderr.readline()
                assert line, log.decode()
                log += line
        yield log
        engine.terminate()
        _, rest = await engine.communicate()
        assert engine.returncode == 0, (log + rest).decode()
        assert b"Traceback" not in log + rest, (log + rest).decode()
    finally:
        if engine.returncode is None:
            engine.kill()
            await engine.wait()


async def order(http: int, api: int) -> None:
    """Order a call once the simulator listens."""
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", api)
            except ConnectionError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                break
    async with aiohttp.ClientSession() as client:
        said = {"assistant": "support", "to": "+14155550100"}
        async with client.post(f"http://127.0.0.1:{http}/v1/calls", json=said) as answer:
            assert answer.status == 202, await answer.text()


async def check_a_webhook_and_an_order(
    folder: Path, provider: str, account: str, *, rate_hz: int, error: str, tail: str = ""
) -> None:
    """Have the simulator bring one call and take the order of another, and look at the audio.

    error: what it says when the webhook is not there.  tail: of the webhook's path.
    """
    http, api = configure(folder, provider, account)
    tone = Tone(1000.0, dbov=-16.0).read(16_000)
    (folder / "tone.wav").write_bytes(wave_header(16_000, 1, 16_000) + tone)
    url = f"http://127.0.0.1:{http}/v1/talk/{provider}/call/support{tail}"
    listen = ("--listen", f"127.0.0.1:{api}", "--play", "tone.wav", "--duration", "1", "--json")
    call = ("--url", url, "--play", "tone.wav", "--record", "call.wav", "--duration", "1")
    async with taking_calls(await command(folder, "serve")):
        (status, out, log), _ = await asyncio.gather(
            simulated(folder, provider, *listen), order(http, api)
        )
        assert status == 0, out + log
        report = json.loads(out)
        assert (report["state"], report["errors"]) == ("completed", [])
        (status, out, log), (failed, wrong, _) = await asyncio.gather(
            simulated(folder, provider, *call), simulated(folder, provider, "--url", f"{url}x")
        )
        assert status == 0, out + log
        assert re.search(r"sent 1\.\d s, heard (0\.[7-9]|1\.\d) s, first audio after \d+ ms", out)
        assert (failed, f"error {error}" in wrong) == (1, True)
    with wave.open(str(folder / "call.wav")) as recorded:
        frames = recorded.readframes(recorded.getnframes())
        assert (recorded.getnchannels(), recorded.getframerate()) == (2, rate_hz)
    heard = b"".join(frames[at + 2 : at + 4] for at in range(0, len(frames), 4))
    assert -18 <= level_dbov(heard[len(heard) // 4 : len(heard) // 2]) <= -14
