"""docs/add-a-provider.md, followed literally: the package is built, installed and takes calls."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from engine.waiting import eventually
from providers.commands import taking_calls

from rapida_media.kernels import Tone, level_dbov, ulaw_decode, ulaw_encode

ROOT = Path(__file__).parent.parent.parent
DOCUMENT = (ROOT / "docs" / "add-a-provider.md").read_text()
EXAMPLE = ROOT / "examples" / "acme"
SECRET = "not-so-secret"
PUBLIC = "https://voice.example.com"


def blocks() -> dict[str, str]:
    """Give the files the document writes, by path."""
    found = re.findall(r"^```\w+ title=(\S+)\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    return dict(found)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the document, with the package installed beside it in ``site``."""
    folder = tmp_path_factory.mktemp("acme")
    for name, text in blocks().items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    run(
        folder, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps",
        "--no-build-isolation", "--target", str(folder / "site"), ".",
    )  # fmt: skip
    return folder


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder / "site"), str(ROOT)])}


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment(folder), text=True,
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_document_and_the_example_are_the_same() -> None:
    written = blocks()
    del written["rapida.toml"]
    kept = {
        str(path.relative_to(EXAMPLE)): path.read_text()
        for path in EXAMPLE.rglob("*")
        if path.suffix in (".py", ".toml")
    }
    assert written == kept


def test_the_package_conforms_and_is_listed(package: Path) -> None:
    out = run(package, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_acme.py")
    assert "18 passed" in out
    assert re.search(r"^acme +yes +yes", run(package, "-m", "rapida_media", "providers"), re.M)


class Acme:
    """ACME's side: its REST interface, its webhooks, its sockets."""

    def __init__(self) -> None:
        self.orders: list[dict[str, Any]] = []
        self.hung_up: list[str] = []
        self.client: aiohttp.ClientSession
        self.api = ""
        self.http = ""

    async def post(self, url: str, said: dict[str, Any], secret: str = SECRET) -> tuple[int, Any]:
        """Call a webhook at its public URL, signed."""
        body = json.dumps(said).encode()
        headers = {"x-acme-signature": sign(url, body, secret), "content-type": "application/json"}
        async with self.client.post(self.reach(url), data=body, headers=headers) as answer:
            return answer.status, await answer.json() if answer.status == 200 else None

    def reach(self, url: str) -> str:
        """Give what the public URL is on this machine."""
        return self.http + url.split("voice.example.com", 1)[1]

    async def connect(self, url: str) -> aiohttp.ClientWebSocketResponse:
        headers = {"x-acme-signature": sign(url, b"", SECRET)}
        return await self.client.ws_connect(self.reach(url), headers=headers)

    async def _order(self, request: web.Request) -> web.Response:
        assert request.headers["authorization"] == f"Bearer {SECRET}"
        self.orders.append(await request.json())
        return web.json_response({"call": f"out-{len(self.orders)}"}, status=201)

    async def _hang_up(self, request: web.Request) -> web.Response:
        self.hung_up.append(request.match_info["call"])
        return web.json_response({})


def sign(url: str, body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), url.encode() + body, hashlib.sha256).hexdigest()


@asynccontextmanager
async def acme_and_engine(folder: Path) -> AsyncIterator[Acme]:
    acme = Acme()
    app = web.Application()
    app.router.add_post("/calls", acme._order)
    app.router.add_delete("/calls/{call}", acme._hang_up)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    acme.api = f"http://127.0.0.1:{runner.addresses[0][1]}"
    config = blocks()["rapida.toml"].replace(
        'provider = "acme"', f'provider = "acme"\napi_base = "{acme.api}"'
    )
    (folder / "rapida.toml").write_text(
        f'[sip]\nlisten = ["udp:127.0.0.1:0"]\n[rtp]\nports = "33000-33100"\n{config}'
    )
    engine = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "rapida_media", "serve", "--http", "127.0.0.1:0",
        cwd=folder, env=environment(folder), stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with taking_calls(engine) as log, aiohttp.ClientSession() as acme.client:
            port = re.search(rb"HTTP on 127.0.0.1:(\d+)", log)
            assert port is not None
            acme.http = f"http://127.0.0.1:{port[1].decode()}"
            yield acme
    finally:
        await runner.cleanup()


async def heard_back(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Say a second of a tone; expect to hear it again."""
    tone = Tone(1000.0, dbov=-16.0, rate_hz=8000).read(8000)
    back = b""
    for n in range(50):
        data = base64.b64encode(ulaw_encode(tone[n * 320 : (n + 1) * 320])).decode()
        await socket.send_json({"type": "audio", "n": n, "data": data})
        await asyncio.sleep(0.02)
    async with asyncio.timeout(5):
        while len(back) < 7000:
            said = await socket.receive_json()
            if said["type"] == "audio":
                back += base64.b64decode(said["data"])
    assert -18 <= level_dbov(ulaw_decode(back)[3200:]) <= -14


async def until(acme: Acme, call_id: str, status: str) -> Any:
    async with asyncio.timeout(5):
        while True:
            async with acme.client.get(f"{acme.http}/v1/calls/{call_id}") as answer:
                call = await answer.json()
            if call["status"] == status:
                return call
            await asyncio.sleep(0.02)


async def test_it_takes_a_call(package: Path) -> None:
    async with acme_and_engine(package) as acme:
        url = f"{PUBLIC}/v1/talk/acme/call/support"
        news = {"call": "in-1", "from": "+15550100", "to": "+15550199"}
        assert (await acme.post(url, news, secret="wrong"))[0] == 403
        status, document = await acme.post(url, news)
        assert status == 200
        assert (await acme.post(url, news))[1] == document, "told twice, it is one call"

        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await acme.client.ws_connect(acme.reach(document["connect"]))
        assert refused.value.status == 403
        socket = await acme.connect(document["connect"])
        with pytest.raises(aiohttp.WSServerHandshakeError) as used:
            await acme.connect(document["connect"])
        assert used.value.status == 410
        with pytest.raises(aiohttp.WSServerHandshakeError) as unknown:
            await acme.connect(document["connect"][:-1] + "x")
        assert unknown.value.status == 404

        await socket.send_json({"type": "hello", "call": "in-1"})
        await heard_back(socket)
        async with acme.client.get(f"{acme.http}/v1/calls") as answer:
            (call,) = (await answer.json())["calls"]
        assert (call["provider"], call["status"], call["from"]) == (
            "acme", "in-progress", "+15550100",
        )  # fmt: skip
        await socket.send_json({"type": "bye"})
        over = await until(acme, call["id"], "completed")
        assert over["reason"] == "bye"
        assert over["provider_call_id"] == "in-1"
        late = {"call": "in-1", "status": "engaged"}
        assert (await acme.post(document["news"], late))[0] == 204
        assert (await until(acme, call["id"], "completed"))["reason"] == "bye"
        assert acme.hung_up == []
        await socket.close()


async def test_it_places_a_call(package: Path) -> None:
    async with acme_and_engine(package) as acme:
        order = {"assistant": "support", "to": "+15550100", "idempotency_key": "k"}
        async with acme.client.post(f"{acme.http}/v1/calls", json=order) as answer:
            assert answer.status == 202
            accepted = await answer.json()
        await eventually(lambda: acme.orders)
        placed = acme.orders[0]
        assert (placed["to"], placed["from"]) == ("+15550100", "+15550199")
        assert accepted["context_id"] in placed["connect"]
        assert (await acme.post(placed["news"], {"call": "out-1", "status": "ringing"}))[0] == 204
        await until(acme, accepted["call_id"], "ringing")
        socket = await acme.connect(placed["connect"])
        await socket.send_json({"type": "hello", "call": "out-1"})
        await until(acme, accepted["call_id"], "in-progress")
        await heard_back(socket)
        url = f"{acme.http}/v1/calls/{accepted['call_id']}/hangup"
        async with acme.client.post(url) as answer:
            assert answer.status == 200
        assert (await until(acme, accepted["call_id"], "completed"))["reason"] == "operator"
        await eventually(lambda: acme.hung_up == ["out-1"])
        order = {"assistant": "support", "to": "+4930123456"}
        async with acme.client.post(f"{acme.http}/v1/calls", json=order) as answer:
            assert answer.status == 403
            assert (await answer.json())["field"] == "to"
        await socket.close()


async def test_an_order_that_ends_early_is_told_apart(package: Path) -> None:
    async with acme_and_engine(package) as acme:
        order = {"assistant": "support", "to": "+15550100"}
        async with acme.client.post(f"{acme.http}/v1/calls", json=order) as answer:
            accepted = await answer.json()
        await eventually(lambda: acme.orders)
        await acme.post(acme.orders[0]["news"], {"call": "out-1", "status": "engaged"})
        over = await until(acme, accepted["call_id"], "busy")
        assert (over["reason"], over["failure_class"], over["retryable"], over["raw_status"]) == (
            "busy", "callee", True, "engaged",
        )  # fmt: skip
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await acme.connect(acme.orders[0]["connect"])
