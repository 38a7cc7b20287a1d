"""A headless Chromium, driven by its DevTools protocol, for tests of what a browser shows."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from engine.waiting import eventually
from missing import skip_or_fail

PROGRAMS = "chromium-headless-shell", "chromium", "google-chrome"
OPTIONS = (
    "--headless",
    "--no-sandbox",  # tests run as root, too
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--remote-debugging-port=0",
)
START_S = 20.0
PATIENCE_S = 10.0


class Page:
    """One tab. complaints: what its scripts threw, and what the browser wrote to the console."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.complaints: list[str] = []
        self._socket = socket
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._reader = asyncio.create_task(self._read())

    async def ask(self, method: str, **parameters: Any) -> Any:
        number = len(self._asked) + 1
        self._asked[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        return await asyncio.wait_for(self._asked[number], PATIENCE_S)

    async def open(self, url: str) -> None:
        for domain in ("Page", "Runtime", "Log"):
            await self.ask(f"{domain}.enable")
        await self.ask("Page.navigate", url=url)
        await self.until("document.readyState == 'complete' && location.protocol == 'http:'")

    async def run(self, script: str) -> Any:
        """Give what a JavaScript expression evaluates to."""
        answer = await self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, script: str, patience: float = PATIENCE_S) -> None:
        """Wait until an expression is true of the page."""
        try:
            async with asyncio.timeout(patience):
                while not await self.run(f"!!({script})"):  # noqa: ASYNC110 — it is elsewhere
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{script}: {await self.run('document.body.innerText')}") from None

    async def text(self, selector: str) -> str:
        """Give what an element shows; nothing where it is hidden."""
        shown: str = await self.run(f"document.querySelector({json.dumps(selector)}).innerText")
        return shown

    async def _read(self) -> None:
        async for message in self._socket:
            told = message.json()
            if "id" in told:
                self._asked[told["id"]].set_result(told.get("result", told.get("error")))
            elif told["method"] == "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(told["params"]["exceptionDetails"]))
            elif told["method"] == "Log.entryAdded":
                self.complaints.append(told["params"]["entry"]["text"])

    async def close(self) -> None:
        await self._socket.close()
        await self._reader


def program() -> str:
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        skip_or_fail(
            "no Chromium is installed (Debian: apt-get install chromium-headless-shell;"
            " Ubuntu: chromium)"
        )
    return found


@asynccontextmanager
async def browse(url: str, profile: Path, *options: str) -> AsyncIterator[Page]:
    """Open a page in a browser of its own. options: more of its command line."""
    log = profile.with_suffix(".log")
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            program(),
            *OPTIONS,
            *options,
            f"--user-data-dir={profile}",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,  # Debian's is a shell script that has a child
        )
    try:
        found = await eventually(lambda: re.search(r"ws://([^/]+)/", log.read_text()), START_S)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://{found[1]}/json/list") as answer:
                tab = next(each for each in await answer.json() if each["type"] == "page")
            async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                page = Page(socket)
                await page.open(url)
                yield page
                await page.close()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
