"""SIGHUP: assistants, accounts and trunks change at once; calls in progress notice nothing."""

from __future__ import annotations

import asyncio
import signal
import sys
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rapida_media.call.call import Call
from rapida_media.config import parse_config
from rapida_media.config.reload import left_for_restart, taking_over
from rapida_media.control.reload import Reloader
from rapida_media.errors import ConfigError
from rapida_media.net.engine import Engine

from .conftest import BASE, Bench
from .phone import Phone
from .registrar import Registrar
from .rtp import speech
from .serving import Serving, serving
from .test_limits import own_address
from .waiting import eventually

TABLES = """
[sip]
listen = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"]
[rtp]
ports = "30000-32766"
"""
SUPPORT = '[assistants.support]\nagent = "echo"\nnumbers = ["+15550100"]\n'
SALES = '[assistants.sales]\nagent = "echo"\nnumbers = ["+15550101"]\n'


class Site:
    """A running ``serve``, its file, and an operator."""

    def __init__(self, server: Serving, file: Path, client: aiohttp.ClientSession) -> None:
        self.server = server
        self._file = file
        self._client = client
        self._seen: set[str] = set()
        (line,) = server.logged("listening for HTTP on")
        self._url = f"http://{line.rpartition(' ')[2]}"

    async def reload(self, config: str, answer: str = "the configuration was reloaded") -> str:
        """Have another configuration read; give the sentence that tells what came of it."""
        before = len(self.server.logged(answer))
        self._file.write_text(config)
        self.server.signal(signal.SIGHUP)
        said: list[str] = await eventually(lambda: self.server.logged(answer)[before:])
        return said[0]

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        async with self._client.request(method, self._url + path, json=body) as answer:
            return answer.status, await answer.json()

    async def order(self, **order: str) -> tuple[int, Any]:
        return await self.ask("POST", "/v1/calls", {"assistant": "support", **order})

    async def taken_by(self, phone: Phone, number: str) -> str | None:
        """Call a number; give the assistant that took the call."""
        call = await phone.call(number)
        async with asyncio.timeout(5):
            record = await self._newest()
            while record is None or record["id"] in self._seen:  # it is still being written
                record = await self._newest()
        self._seen.add(record["id"])
        assert await call.bye() == 200
        taker: str | None = record["assistant"]
        return taker

    async def _newest(self) -> Any:
        _, page = await self.ask("GET", "/v1/calls?limit=1")
        return next(iter(page["calls"]), None)


@asynccontextmanager
async def site(folder: Path, config: str) -> AsyncIterator[Site]:
    async with serving(folder, config) as server, aiohttp.ClientSession() as client:
        yield Site(server, folder / "rapida.toml", client)


def read(config: str, folder: Path) -> Any:
    return parse_config(tomllib.loads(BASE) | tomllib.loads(config), folder)


async def reload(engine: Engine, config: str, folder: Path) -> None:
    engine.use(await engine.prepare(taking_over(engine._config, read(config, folder))))


BROKEN = {
    "[assistants": "no valid TOML",
    f'{TABLES}[assistants.sales]\nagent = "ecko"\n': "[assistants.sales] agent 'ecko': there",
    f'{TABLES}[assistants.sales]\nagent = "play:gone.wav"\n': "[assistants.sales] ",
    f'{TABLES}{SALES}[credentials.main]\nprovider = "nobody"\n': "there is no provider 'nobody'",
    f'{TABLES}{SALES}credential = "main"\n': "there is no table [credentials.main]",
    f'{TABLES}{SALES}[trunks.x]\nhosts = ["192.0.2.1"]\ncodecs = ["GSM"]\n': "got 'GSM'",
    f'{TABLES}{SALES}[trunks.x]\nhosts = ["192.0.2.1"]\ntransport = "tls"\n': "no address for tls",
}


async def test_a_new_number_is_routed_and_a_broken_file_changes_nothing(tmp_path: Path) -> None:
    async with site(tmp_path, TABLES + SUPPORT) as running:
        phone = await Phone.open(running.server.address())
        before = await phone.call("+15550100")
        assert await running.taken_by(phone, "+15550100") == "support"
        assert await running.taken_by(phone, "+15550101") is None
        assert (await running.order(assistant="sales", to="+15550101"))[0] == 422

        await running.reload(TABLES + SALES)
        assert await running.taken_by(phone, "+15550101") == "sales"
        assert await running.taken_by(phone, "+15550100") is None
        assert (await running.order(to="+15550101"))[0] == 422

        for config, why in BROKEN.items():
            said = await running.reload(config, "the configuration was not reloaded")
            assert why in said
            assert "the earlier one stays" in said
            assert await running.taken_by(phone, "+15550101") == "sales"

        changed = TABLES.replace("[sip]", '[limits]\nmax_calls = 1\n[sip]\ndial_hosts = ["a"]')
        await running.reload(changed + SUPPORT)
        (told,) = running.server.logged("a restart is needed")
        assert told.endswith("for what changed in [sip] dial_hosts, [limits] max_calls")
        assert await running.taken_by(phone, "+15550100") == "support"

        said_before = speech(0.8)
        await before.rtp.say(said_before)
        await before.rtp.hears(said_before)
        assert await before.bye() == 200
        await phone.close()


TRUNK = """
[trunks.{name}]
hosts = ["127.0.0.1"]
proxy = "127.0.0.1:{port}"
domain = "{name}.example"
username = "{name}"
password = "{password}"
register = true
allow = ["{allow}"]
"""


async def test_registrations_come_and_go_and_those_that_stay_are_left_alone(
    tmp_path: Path,
) -> None:
    registrar = await Registrar.open()

    def trunk(name: str, *, allow: str = "+1555", password: str = "secret") -> str:
        return TRUNK.format(name=name, port=registrar.port, allow=allow, password=password)

    def asked(user: str) -> list[int]:
        return [seconds for seconds, _ in registrar.registers(user)]

    tables = TABLES + SUPPORT
    async with site(tmp_path, tables + trunk("stays") + trunk("goes")) as running:
        await eventually(lambda: asked("stays") == asked("goes") == [3600])
        await running.reload(tables + trunk("stays") + trunk("comes"))
        await eventually(lambda: asked("goes") == [3600, 0])
        await eventually(lambda: asked("comes") == [3600])
        await eventually(lambda: running.server.logged("trunk goes: unregistered"))

        order = {"to": "+15550199", "trunk": "stays"}
        assert (await running.order(**order))[0] == 202
        await running.reload(tables + trunk("stays", allow="+44") + trunk("comes"))
        status, problem = await running.order(**order)
        assert (status, problem["field"]) == (403, "to")
        assert (await running.order(**{**order, "trunk": "goes"}))[0] == 422
        assert asked("stays") == [3600]

        await running.reload(tables + trunk("stays") + trunk("comes", password="changed"))
        await eventually(lambda: asked("comes") == [3600, 3600])
        (_, one), (_, other) = registrar.registers("comes")
        assert one != other
        assert asked("stays") == [3600]
        running.server.signal()
        assert await running.server.ended() == 0
    assert asked("stays") == asked("goes") == [3600, 0]
    assert asked("comes") == [3600, 3600, 0]
    registrar.close()


async def test_sighup_while_stopping_does_not_end_the_calls(tmp_path: Path) -> None:
    async with site(tmp_path, TABLES + SUPPORT) as running:
        phone = await Phone.open(running.server.address())
        call = await phone.call()
        running.server.signal(signal.SIGTERM)
        await eventually(lambda: running.server.logged("stopping: 1 calls"))
        running.server.signal(signal.SIGHUP)
        for _ in range(2):  # by the second, the signal was heard
            assert await phone.invite().final() == 503
        assert not call.requests("BYE")
        assert await call.bye() == 200
        assert await running.server.ended() == 0
        assert not running.server.logged("reloaded")
        await phone.close()


async def test_the_source_of_a_removed_trunk_gets_403_and_its_call_goes_on(
    bench: Bench,
) -> None:
    own = own_address()
    if own is None:
        pytest.skip("this machine has no address but loopback")
    listen = f'[sip]\nlisten = ["udp:{own}:0"]\n'
    other = '[trunks.other]\nhosts = ["203.0.113.7"]\n'
    mine = f'[trunks.mine]\nhosts = ["{own}"]\n'
    engine = await bench.start(listen + mine + other)
    phone = await bench.phone(host=own)
    call = await phone.call()
    await reload(engine, listen + other, bench.folder)
    assert await phone.invite().final() == 403
    said = speech(0.8)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    assert (await call.reinvite(call.sdp(version=2))).status == 200
    assert await call.bye() == 200
    await reload(engine, listen + other + mine, bench.folder)
    assert await (await phone.call()).bye() == 200
    with pytest.raises(ConfigError, match="no trunk says who may call"):
        await reload(engine, listen, bench.folder)


PHONES = """
[trunks.phones]
hosts = ["127.0.0.1"]
username = "acme"
password = "{password}"
"""
CARRIER = """
[trunks.carrier]
hosts = ["127.0.0.1"]
proxy = "127.0.0.1:{port}"
username = "acme"
password = "{password}"
challenge = false
"""


async def until_hang_up(call: Call) -> None:
    async for _ in call:
        pass


async def test_a_changed_password_is_asked_for(bench: Bench) -> None:
    server = await bench.start(PHONES.format(password="first"))
    port = bench.address().port
    client = await bench.start(CARRIER.format(port=port, password="first"))

    async def outcome() -> int | None:
        call = await client.dial_trunk("carrier", "+15550199", until_hang_up)
        await eventually(lambda: call.call.answered or call.finished.done())
        if call.call.answered:
            call.hang_up("enough")
            await call.finished
            return 200
        assert call.call.ended is not None
        return call.call.ended.code

    assert await outcome() == 200
    await reload(server, PHONES.format(password="second"), bench.folder)
    assert await outcome() == 403
    await reload(client, CARRIER.format(port=port, password="second"), bench.folder)
    assert await outcome() == 200


async def test_a_trunk_whose_server_is_not_found_comes_and_goes_like_others(bench: Bench) -> None:
    engine = await bench.start()
    await reload(engine, '[trunks.x]\nhosts = ["nowhere.invalid"]\n', bench.folder)
    assert engine.trunk_health() == {"x": {"resolved": False}}
    await reload(engine, "", bench.folder)
    assert engine.trunk_health() == {}


class Taking:
    """A server that is an engine only."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def reload(self, newer: Any) -> list[str]:
        self._engine.use(await self._engine.prepare(newer))
        return []


@pytest.mark.parametrize("module", ["import sys\nsys.exit(3)", "1 / 0", "def agent(:"])
async def test_whatever_an_agents_module_does_the_engine_stays_and_the_next_reload_works(
    bench: Bench, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    engine = await bench.start(SUPPORT)
    (bench.folder / "a_bad_agent.py").write_text(module)
    bad = '[assistants.sales]\nagent = "python:a_bad_agent:agent"\n'
    configs = iter([read(bad, bench.folder), read(SALES, bench.folder)])
    reloader = Reloader(lambda: next(configs))
    reloader.start(Taking(engine))  # type: ignore[arg-type]
    reloader.ask()
    await eventually(lambda: bench.logged("the configuration was not reloaded"))
    assert engine.assistants.named("support")
    reloader.ask()
    await eventually(lambda: engine.assistants.named("sales"))
    assert not engine.assistants.named("support")
    reloader.stop()
    bench.expected_errors = 1


def test_what_differs_beside_the_three_tables_is_named(tmp_path: Path) -> None:
    running = read(SUPPORT, tmp_path)
    newer = read(
        SALES + '[http]\napi_keys = ["0123456789abcdef"]\n[store]\nretention_days = 1\n', tmp_path
    )
    assert left_for_restart(running, newer) == ["[store] retention_days", "[http] api_keys"]
    merged = taking_over(running, newer)
    assert set(merged.assistants) == {"sales"}
    assert (merged.http, merged.store) == (running.http, running.store)
