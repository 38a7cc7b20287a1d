"""The softphone of the console, in a real browser: calls, keys, refusals, and no microphone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from engine.waiting import eventually

from rapida_media import Call
from rapida_media.agents.events import Audio, Digit
from rapida_media.media.wav import read_wav
from rapida_media.net import webrtc_call
from rapida_media.net.webrtc_calls import WebRtcCalls

from .browser import Page, browse
from .conftest import ASSISTANT, AgentNamer, Desk

ECHO = ASSISTANT.replace('"silence"', '"echo"')
SPEECH = Path(__file__).parent.parent / "kernels" / "speech16k.wav"
# A microphone that plays a file, and nobody who has to allow it or to press a button first.
SPEAKING = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    f"--use-file-for-fake-audio-capture={SPEECH}",
    "--autoplay-policy=no-user-gesture-required",
)
COUNTS = """(async () => {
    const counts = {};
    for (const each of (await line.peer.getStats()).values())
        if (["inbound-rtp", "outbound-rtp"].includes(each.type))
            counts[each.type] = [each.packetsReceived ?? each.packetsSent, each.packetsLost ?? 0];
    window.counts = counts;
})()"""


async def dial(page: Page, called: str) -> None:
    await page.until("document.querySelector('#call-button').offsetHeight > 0")
    await page.run(f"document.querySelector('#called').value = '{called}'")
    await page.run("document.querySelector('#dial').requestSubmit()")


async def connected(page: Page) -> None:
    await page.until("document.querySelector('#phone-state').innerText.startsWith('Connected')")


async def newest_call(desk: Desk) -> str:
    """Give the id of the call that the page has, which was there before it connected."""
    _, page = await desk.get("/v1/calls?provider=webrtc")
    return str(page["calls"][0]["id"])


async def test_a_browser_calls_hears_the_echo_of_its_microphone_and_hangs_up(
    desk: Desk, tmp_path: Path
) -> None:
    await desk.open(ECHO)
    async with browse(desk.url, tmp_path / "profile", *SPEAKING) as page:
        await dial(page, "support")
        await connected(page)
        await page.until("document.querySelector('#spoken-level').value > -40")
        await page.until("document.querySelector('#heard-level').value > -40")
        await asyncio.sleep(2)
        await page.run(COUNTS)
        await page.until("window.counts")
        counts = await page.run("window.counts")
        for packets, lost in (counts["inbound-rtp"], counts["outbound-rtp"]):
            assert packets > 80
            assert lost == 0
        call_id = await newest_call(desk)
        _, stats = await desk.get(f"/v1/calls/{call_id}/stats")
        quality = stats["quality"]
        assert (quality["codec"], quality["packets_lost"]) == ("G722", 0)
        assert min(quality["packets_received"], quality["packets_sent"]) > 80
        assert quality["received_speech_dbov"] > -40
        await page.until("document.querySelector('#trace').innerText.includes('connected')")
        await page.run("document.querySelector('#mute').click()")
        await page.until("document.querySelector('#spoken-level').value == -60")
        await page.run("document.querySelector('#end-call').click()")
        call = await desk.until(call_id, "completed")
        assert call["reason"] == "bye"
        await page.until("document.querySelector('#phone-state').innerText.includes('over')")
        assert page.complaints == []
    await desk.bench.idle()


async def test_keys_of_the_browser_reach_the_agent_and_the_agents_end_reaches_the_browser(
    desk: Desk, tmp_path: Path, agent_named: AgentNamer
) -> None:
    pressed: list[str] = []

    async def agent(call: Call) -> None:
        async for event in call:
            if isinstance(event, Digit):
                pressed.append(event.digit)
                if event.digit == "#":
                    return
            elif isinstance(event, Audio):
                call.write(event.pcm)

    await desk.open(agent=agent_named(agent))
    async with browse(desk.url, tmp_path / "profile", *SPEAKING) as page:
        await dial(page, "+15550199")
        await connected(page)
        for key in "42#":
            await page.run(
                f"[...document.querySelectorAll('#keypad button')]"
                f".find((each) => each.textContent == '{key}').click()"
            )
        await eventually(lambda: pressed == ["4", "2", "#"], 10)
        await page.until("document.querySelector('#phone-state').innerText.includes('over')")
        assert "agent_finished" in await page.text("#phone-state")
        assert await page.text("#phone-trouble") == ""
        await page.until("document.querySelector('#call-button').offsetHeight > 0")
        assert page.complaints == []
    await desk.bench.idle()


async def test_what_an_agent_says_before_it_answers_is_heard(
    desk: Desk, tmp_path: Path, agent_named: AgentNamer
) -> None:
    decided = asyncio.Event()

    async def agent(call: Call) -> None:
        await call.progress()
        call.write(read_wav(SPEECH))
        await decided.wait()
        await call.answer()
        await call.drain()

    name = agent_named(agent)
    await desk.open(f'[assistants.support]\nagent = "{name}"\nanswer = "agent"\n')
    async with browse(desk.url, tmp_path / "profile", *SPEAKING) as page:
        await dial(page, "support")
        await page.until(
            "document.querySelector('#phone-state').innerText.includes('not answered')"
        )
        await page.until("document.querySelector('#heard-level').value > -40")
        decided.set()
        await connected(page)


async def test_an_operator_ends_the_call_and_a_page_that_goes_away_does(
    desk: Desk, tmp_path: Path
) -> None:
    await desk.open(ECHO)
    async with browse(desk.url, tmp_path / "profile", *SPEAKING) as page:
        await dial(page, "support")
        await connected(page)
        await page.until("document.querySelector('#hang-up').offsetHeight > 0")
        await page.run("document.querySelector('#hang-up').click()")
        await page.until("document.querySelector('#phone-state').innerText.includes('operator')")
        await dial(page, "support")
        await connected(page)
        call_id = await newest_call(desk)
        await page.ask("Page.navigate", url="about:blank")
        assert (await desk.until(call_id, "completed"))["reason"] == "bye"
    await desk.bench.idle()


async def test_a_call_that_is_refused_is_told_in_the_page(desk: Desk, tmp_path: Path) -> None:
    await desk.open(ECHO + "[limits]\nmax_calls = 1\n", agent=None)
    async with browse(desk.url, tmp_path / "profile", *SPEAKING) as page:
        await dial(page, "nobody")
        await page.until("document.querySelector('#phone-trouble').innerText.includes('nobody')")
        call = await (await desk.bench.phone()).call("+15550100")
        await dial(page, "support")
        await page.until("document.querySelector('#phone-trouble').innerText.includes('max_calls')")
        assert await page.run("document.querySelector('#call-button').offsetHeight > 0")
        await call.bye()


async def test_a_call_for_whose_packets_there_is_no_way_is_told_in_the_page(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webrtc_call, "CONNECT_S", 1.0)
    monkeypatch.setattr(WebRtcCalls, "_addresses", lambda self, reached_at: ("203.0.113.7",))
    await desk.open(ECHO)
    async with browse(desk.url, tmp_path / "profile", *SPEAKING) as page:
        await dial(page, "support")
        await page.until("document.querySelector('#phone-trouble').innerText.includes('ICE')")
        assert "media_never_came" in await page.text("#phone-trouble")
        await page.until("document.querySelector('#call-button').offsetHeight > 0")


DEVICE, DENIED = "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream=deny"
NOT_SECURE = "Object.defineProperty(navigator, 'mediaDevices', { value: undefined })"


@pytest.mark.parametrize(
    ("options", "before", "sentence"),
    [
        ((DEVICE, DENIED), "0", "was not allowed"),
        (("--deny-permission-prompts",), "0", "There is no microphone"),
        ((DEVICE,), NOT_SECURE, "https://"),
    ],
)
async def test_without_a_microphone_the_page_says_why_and_calls_nobody(
    desk: Desk, tmp_path: Path, options: tuple[str, ...], before: str, sentence: str
) -> None:
    await desk.open(ECHO)
    async with browse(desk.url, tmp_path / "profile", *options) as page:
        await page.run(before)
        await dial(page, "support")
        await page.until("document.querySelector('#phone-trouble').innerText")
        assert sentence in await page.text("#phone-trouble")
        assert (await desk.get("/v1/calls"))[1]["calls"] == []
