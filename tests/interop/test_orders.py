"""Calls ordered over HTTP, to sipp: every end has its state, class and whether to try again."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from engine.serving import serving

from rapida_media.demo.engine import HOST

from .conftest import StartSipp
from .sipp import SCENARIOS

pytestmark = pytest.mark.interop

CONFIG = """
[sip]
listen = ["udp:127.0.0.1:0"]
dial_hosts = ["127.0.0.1"]
[rtp]
ports = "31000-32000"
[trunks.carrier]
hosts = ["127.0.0.1"]
proxy = "127.0.0.1:{port}"
allow = ["+1555"]
caller_id = "+15550199"
[assistants.support]
agent = "tone:440"
"""


class Operator:
    """Places calls by the trunk of CONFIG and follows them."""

    def __init__(self, client: aiohttp.ClientSession, url: str) -> None:
        self._client = client
        self._url = url

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        async with self._client.request(method, self._url + path, json=body) as answer:
            assert answer.status in (200, 202), await answer.text()
            return await answer.json()

    async def order(self, **order: Any) -> str:
        said = {"assistant": "support", "to": "+15550100", **order}
        call_id: str = (await self.ask("POST", "/v1/calls", said))["call_id"]
        return call_id

    async def until(self, call_id: str, moment: str) -> None:
        """Wait until something has happened to a call."""
        while True:
            if (await self.ask("GET", f"/v1/calls/{call_id}"))[moment] is not None:
                return
            await asyncio.sleep(0.05)

    async def events(self, call_id: str) -> list[dict[str, Any]]:
        """Follow a call to its end; give it as it was after each event."""
        async with self._client.get(f"{self._url}/v1/calls/{call_id}/events") as answer:
            text = (await answer.read()).decode()
        numbers = [int(number) for number in re.findall(r"^id: (\d+)$", text, re.MULTILINE)]
        assert numbers == sorted(set(numbers))
        return [json.loads(data) for data in re.findall(r"^data: (.+)$", text, re.MULTILINE)]


@asynccontextmanager
async def operator(folder: Path, port: int) -> AsyncIterator[Operator]:
    async with serving(folder, CONFIG.format(port=port)) as server:
        (line,) = server.logged("listening for HTTP on")
        async with aiohttp.ClientSession() as client:
            yield Operator(client, f"http://{line.rpartition(' ')[2]}")
        server.signal()
        assert await server.ended() == 0


def states(events: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(event["status"] for event in events))


async def test_an_ordered_call_is_answered_and_its_record_complete(
    start_sipp: StartSipp, tmp_path: Path
) -> None:
    uas = start_sipp("uas", "-rtp_echo", "-m", "1", "-timeout", "30", "-timeout_error")
    async with operator(tmp_path, uas.sip_port) as desk, asyncio.timeout(30):
        call_id = await desk.order(parameters={"ticket": 7}, idempotency_key="once")
        following = asyncio.ensure_future(desk.events(call_id))
        await desk.until(call_id, "first_media_at")
        await desk.ask("POST", f"/v1/calls/{call_id}/hangup")
        events = await following
        assert states(events) == ["queued", "initiated", "ringing", "in-progress", "completed"]
        call = await desk.ask("GET", f"/v1/calls/{call_id}")
    times = [
        call[f"{name}_at"]
        for name in ("created", "initiated", "ringing", "answered", "first_media", "ended")
    ]
    assert times == sorted(times)
    assert (call["trunk"], call["parameters"], call["reason"], call["failure_class"]) == (
        "carrier", {"ticket": 7}, "operator", None,
    )  # fmt: skip
    assert call["quality"]["codec"] == "PCMU"
    result = uas.wait(timeout=20)
    assert (result.exit_code, result.successful, result.troubles, result.errors) == (0, 1, {}, "")


@pytest.mark.parametrize(
    ("status", "state", "reason", "failure_class", "retryable"),
    [
        (486, "busy", "busy", "callee", True),
        (603, "failed", "declined", "callee", False),
        (404, "failed", "not_found", "callee", False),
        (480, "no-answer", "no_answer", "callee", True),
    ],
)
async def test_a_refused_call_says_why(
    start_sipp: StartSipp,
    tmp_path: Path,
    status: int,
    state: str,
    reason: str,
    failure_class: str,
    retryable: bool,
) -> None:
    scenario = (SCENARIOS / "callee_refuses.xml").read_text()
    (tmp_path / "refuses.xml").write_text(scenario.replace("486", str(status)))
    uas = start_sipp(
        str(tmp_path / "refuses"), "-m", "1", "-timeout", "30", "-timeout_error", name="callee"
    )
    async with operator(tmp_path, uas.sip_port) as desk, asyncio.timeout(20):
        events = await desk.events(await desk.order())
    assert states(events) == ["queued", "initiated", "ringing", state]
    over = events[-1]
    assert (over["code"], over["reason"], over["failure_class"], over["retryable"]) == (
        status, reason, failure_class, retryable,
    )  # fmt: skip
    assert uas.wait(timeout=20).exit_code == 0


@pytest.mark.parametrize(
    ("by", "state", "reason", "failure_class", "retryable"),
    [
        ("ring_seconds", "no-answer", "no_answer", "callee", True),
        ("operator", "canceled", "canceled", "caller", False),
    ],
)
async def test_a_call_that_only_rings_is_canceled(
    start_sipp: StartSipp,
    tmp_path: Path,
    by: str,
    state: str,
    reason: str,
    failure_class: str,
    retryable: bool,
) -> None:
    uas = start_sipp("callee_canceled", "-m", "1", "-timeout", "30", "-timeout_error")
    async with operator(tmp_path, uas.sip_port) as desk, asyncio.timeout(20):
        call_id = await desk.order(ring_seconds=1 if by == "ring_seconds" else 60)
        following = asyncio.ensure_future(desk.events(call_id))
        await desk.until(call_id, "ringing_at")
        if by == "operator":
            await desk.ask("POST", f"/v1/calls/{call_id}/hangup")
        events = await following
    assert states(events) == ["queued", "initiated", "ringing", state]
    over = events[-1]
    assert (over["reason"], over["failure_class"], over["retryable"]) == (
        reason, failure_class, retryable,
    )  # fmt: skip
    assert uas.wait(timeout=20).exit_code == 0


async def test_a_server_that_never_answers_times_out(tmp_path: Path) -> None:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, (HOST, 0)
    )
    port = transport.get_extra_info("sockname")[1]
    async with operator(tmp_path, port) as desk, asyncio.timeout(20):
        call_id = await desk.order(ring_seconds=2)
        events = await desk.events(call_id)
    transport.close()
    assert states(events) == ["queued", "initiated", "no-answer"]
    assert events[-1]["retryable"]
