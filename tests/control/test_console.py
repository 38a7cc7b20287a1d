"""The console, in a browser: live calls, one call's facts, levels, quality and ladder."""

from __future__ import annotations

from pathlib import Path

import pytest
from engine.far_end import answer
from engine.rtp import speech

from .browser import browse
from .conftest import ASSISTANT, Desk

KEYS = '[http]\nlisten = "127.0.0.1:0"\napi_keys = ["correct-horse-battery"]\n'
SUBMIT = """(() => {{
    document.querySelector("#key input").value = "{}";
    document.querySelector("#key").requestSubmit();
}})()"""


@pytest.mark.parametrize("config", [ASSISTANT, KEYS + ASSISTANT])
async def test_the_page_is_open_to_everybody_and_may_load_nothing_from_elsewhere(
    desk: Desk, config: str
) -> None:
    await desk.open(config)
    scripts = ("/console.js", "javascript"), ("/softphone.js", "javascript")
    for path, kind in (("/", "html"), *scripts, ("/console.css", "css")):
        for method in ("GET", "HEAD"):
            async with desk.client.request(method, desk.url + path) as answer:
                assert (answer.status, answer.content_type) == (200, f"text/{kind}")
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert (await desk.post("/"))[0] == 405


async def test_a_browser_shows_a_live_call_its_ladder_and_its_quality_and_hangs_it_up(
    desk: Desk, tmp_path: Path
) -> None:
    await desk.open(ASSISTANT.replace('"silence"', '"echo"'))
    async with browse(desk.url, tmp_path / "profile") as page:
        await page.until("document.querySelector('#none').offsetHeight > 0")
        call = await (await desk.bench.phone()).call("+15550100")
        await page.until("document.querySelector('#calls tr.live')")
        row = await page.text("#calls tr.live")
        assert "+15550100" in row
        assert "in-progress" in row
        assert await page.run("document.title") == "(1) rapida-media"

        await call.rtp.say(speech(1.0))
        await page.run("document.querySelector('#calls a').click()")
        await page.until("document.querySelector('#trace').innerText.includes('ACK')")
        assert "INVITE" in await page.text("#trace")
        await page.until("document.querySelector('#quality').innerText.includes('MOS')")
        assert "PCMU" in await page.text("#quality")
        await page.until("document.querySelector('#received-level').value > -60")

        await page.run("document.querySelector('#hang-up').click()")
        answer(call, await call.hung_up())
        await page.until("document.querySelector('#calls tr.ended')")
        await page.until("!document.querySelector('#hang-up').offsetHeight")
        assert "completed" in await page.text("#calls tr.ended")
        assert await page.run("document.title") == "rapida-media"
        assert page.complaints == []


async def test_a_browser_asks_for_the_key_and_keeps_it_for_the_tab(
    desk: Desk, tmp_path: Path
) -> None:
    await desk.open(KEYS + ASSISTANT)
    async with browse(desk.url, tmp_path / "profile") as page:
        await page.until("document.querySelector('#key').offsetHeight > 0")
        assert await page.text("#refused") == ""
        await page.run(SUBMIT.format("wrong-horse-battery"))
        await page.until("document.querySelector('#refused').innerText.includes('API key')")
        await page.run(SUBMIT.format("correct-horse-battery"))
        await page.until("document.querySelector('#none').offsetHeight > 0")
        await page.ask("Page.reload")
        await page.until("document.querySelector('#none')?.offsetHeight > 0")
        assert await page.run("document.querySelector('#key').hidden")


async def test_the_console_goes_on_when_the_engine_was_away(desk: Desk, tmp_path: Path) -> None:
    await desk.open()
    async with browse(desk.url, tmp_path / "profile") as page:
        await page.until("document.querySelector('#none').offsetHeight > 0")
        desk.server._events.close()  # as a proxy's time limit does
        call = await (await desk.bench.phone()).call("+15550100")
        await page.until("document.querySelector('#calls tr.live')")
        await call.bye()
        await page.until("document.querySelector('#calls tr.ended')")
