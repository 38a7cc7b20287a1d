"""Calls from a WebRTC peer that is not ours (aiortc): set up, heard both ways, ended, refused."""

from __future__ import annotations

import asyncio
import re
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from engine.far_end import Callee
from engine.rtp import correlation, finer, speech
from engine.test_gone_at_once import left_to_the_collector
from engine.test_gone_at_once import no_collection as no_collection
from engine.waiting import eventually

from rapida_media import Call
from rapida_media.kernels import format_rtp
from rapida_media.media.wav import read_wav
from rapida_media.net import webrtc_call, webrtc_calls
from rapida_media.net.local_address import reachable

from .conftest import ASSISTANT, AgentNamer, Desk
from .webrtc_client import Caller, caller

SPEECH = np.frombuffer(
    read_wav(Path(__file__).parent.parent / "kernels" / "speech16k.wav"), np.int16
)[:48_000]
V4 = "127.0.0.1:0"
ECHO = ASSISTANT.replace('"silence"', '"echo"')


def likeness(said: npt.ArrayLike, heard: npt.ArrayLike) -> float:
    """Give how faithfully half a second of what was said (16 kHz) is heard, at the median: a packet
    that a busy machine sent late shifts the rest a little."""
    whole = np.asarray(said)
    parts = np.split(whole, range(8000, len(whole) - 4000, 8000))
    return float(np.median([correlation(part, heard) for part in parts]))


async def gone(desk: Desk, call_id: str) -> Any:
    """Wait until nothing is left of a call; give its record."""
    call = await eventually_ended(desk, call_id)
    await desk.bench.idle()
    return call


async def eventually_ended(desk: Desk, call_id: str, patience: float = 10.0) -> Any:
    async with asyncio.timeout(patience):
        while True:
            _, call = await desk.get(f"/v1/calls/{call_id}")
            if call["ended_at"] is not None:
                return call
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("jitter", ["immediate", "adaptive"])
async def test_a_peer_that_is_not_ours_hears_its_own_speech_back(desk: Desk, jitter: str) -> None:
    await desk.open(ECHO + f'[rtp]\nports = "30000-32766"\njitter = "{jitter}"\n')
    async with caller(SPEECH) as peer:
        status, body = await peer.call(desk, "+15550100", parameters={"ticket": 7})
        assert (status, sorted(body)) == (201, ["call_id", "sdp"])
        await peer.until("connected")
        await eventually(lambda: len(peer.heard) > len(SPEECH) + 16_000, 10)
        assert likeness(SPEECH, peer.heard) > 0.95
        _, stats = await desk.get(f"/v1/calls/{peer.call_id}/stats")
        quality = stats["quality"]
        assert (quality["codec"], quality["packets_lost"], quality["srtp_failures"]) == (
            "G722", 0, 0,
        )  # fmt: skip
        assert quality["srtp"].startswith("AEAD_AES")
        assert min(quality["packets_received"], quality["packets_sent"]) > 150
        assert quality["received_speech_dbov"] > -40
        _, listed = await desk.get("/v1/calls?provider=webrtc&status=in-progress")
        (call,) = listed["calls"]
        assert (call["from"], call["to"], call["assistant"], call["parameters"]) == (
            "browser", "+15550100", "support", {"ticket": 7},
        )  # fmt: skip
    _, ladder = await desk.get(f"/v1/calls/{peer.call_id}/trace")
    for words in ("POST /v1/webrtc", "201 application/sdp", "srtp: AEAD_AES", "offered: opus"):
        assert words in ladder
    secret = re.search("a=ice-pwd:(.+)", body["sdp"])[1].strip()
    assert not any(hidden in ladder for hidden in (secret, "+15550100", "fingerprint"))
    ended = await gone(desk, peer.call_id)
    assert (ended["status"], ended["reason"], ended["failure_class"]) == ("completed", "bye", None)
    assert ended["first_media_at"] is not None


async def test_an_operator_plays_records_and_hangs_up(desk: Desk) -> None:
    await desk.open()
    async with caller() as peer:
        await peer.call(desk, "support")
        await peer.until("connected")
        here = f"/v1/calls/{peer.call_id}"
        assert (await desk.post(f"{here}/record", {}))[0] == 200
        assert (await desk.post(f"{here}/clear"))[0] == 200
        status, problem = await desk.post(f"{here}/hold")
        assert (status, problem["type"]) == (409, "urn:rapida-media:not-possible")
        status, call = await desk.post(f"{here}/hangup", {"reason": "operator"})
        assert (status, call["reason"]) == (200, "operator")
        await peer.until("closed")
        await gone(desk, peer.call_id)
        async with desk.client.get(f"{desk.url}{here}/recording") as answer:
            assert (answer.status, answer.content_type) == (200, "audio/wav")


async def test_the_agent_hangs_up(desk: Desk, agent_named: AgentNamer) -> None:
    async def agent(call: Call) -> None:
        assert (call.provider, call.answered) == ("webrtc", True)
        call.write(bytes(640 * 5))
        await call.drain()

    await desk.open(agent=agent_named(agent))
    async with caller() as peer:
        await peer.call(desk, "whoever")
        await peer.until("closed")
    assert (await gone(desk, peer.call_id))["reason"] == "agent_finished"


async def test_a_browser_and_a_phone_talk_through_a_bridge(desk: Desk) -> None:
    phone = await Callee.open()
    said, replied = speech(3.0), speech(3.0, seed=2)
    try:
        await desk.open(f'[assistants.desk]\nagent = "bridge:{phone.uri}"\n')
        async with caller(finer(said).clip(-32000, 32000).astype(np.int16)) as peer:
            await peer.call(desk, "desk")
            invite = await phone.request("INVITE")
            phone.rtp.remote = phone.audio_of(invite)
            phone.respond(invite, 200, body=phone.sdp())
            await phone.request("ACK")
            await phone.rtp.say(replied)
            await asyncio.sleep(0.5)
            assert likeness(finer(said), finer(phone.rtp.audio())) > 0.9
            assert likeness(finer(replied), peer.heard) > 0.9
        phone.respond(await phone.request("BYE"), 200)
        assert (await gone(desk, peer.call_id))["reason"] == "bye"
    finally:
        phone.close()


async def a_short_call(desk: Desk) -> None:
    async with caller(SPEECH) as peer:
        await peer.call(desk)
        await peer.until("connected")
        await eventually(lambda: len(peer.heard) > 3200)
    await gone(desk, peer.call_id)


async def test_a_call_that_is_over_leaves_nothing_to_the_garbage_collector(
    desk: Desk, no_collection: None
) -> None:
    await desk.open(ECHO)
    left_to_the_collector()
    await a_short_call(desk)
    await asyncio.sleep(0.05)
    assert left_to_the_collector() == Counter()


@pytest.mark.parametrize("answering", [True, False])
async def test_an_agent_decides_about_the_call_of_a_browser(
    desk: Desk, agent_named: AgentNamer, answering: bool
) -> None:
    async def agent(call: Call) -> None:
        await call.ring()
        await call.progress()
        assert not call.answered
        if answering:
            assert await call.answer()
        else:
            await call.reject(486, retry_after_s=30)

    name = agent_named(agent)
    await desk.open(f'[assistants.support]\nagent = "{name}"\nanswer = "agent"\n')
    async with caller() as peer:
        await peer.call(desk, "support")
        await peer.until("closed")
    call = await gone(desk, peer.call_id)
    assert call["ringing_at"] is not None
    if answering:
        assert (call["status"], call["reason"]) == ("completed", "agent_finished")
        assert call["answered_at"] >= call["ringing_at"]
    else:
        assert (call["answered_at"], call["reason"], call["code"], call["retry_after_s"]) == (
            None, "rejected", 486, 30,
        )  # fmt: skip


async def test_a_call_that_nobody_decides_about_ends_in_ring_seconds(
    desk: Desk, agent_named: AgentNamer
) -> None:
    async def agent(call: Call) -> None:
        await asyncio.sleep(60)

    name = agent_named(agent)
    await desk.open(
        f'[assistants.support]\nagent = "{name}"\nanswer = "agent"\n[limits]\nring_seconds = 1\n'
    )
    async with caller() as peer:
        await peer.call(desk, "support")
        call = await eventually_ended(desk, peer.call_id)
    assert (call["status"], call["reason"]) == ("no-answer", "no_answer")


async def test_a_peer_that_vanishes_is_missed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webrtc_call, "CONSENT_S", 1.5)
    await desk.open(ECHO)
    async with caller() as peer:
        await peer.call(desk)
        await peer.until("connected")
        peer.vanish()
        call = await gone(desk, peer.call_id)
    assert (call["reason"], call["failure_class"], call["retryable"]) == (
        "media_lost", "network", True,
    )  # fmt: skip


async def test_a_peer_that_never_connects_is_given_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webrtc_call, "CONNECT_S", 0.3)
    await desk.open(ECHO)
    async with caller() as peer:
        _, body = await desk.post("/v1/webrtc", {"sdp": await peer.offer(), "to": "echo"})
        call = await gone(desk, body["call_id"])
    assert (call["status"], call["reason"], call["failure_class"]) == (
        "failed", "media_never_came", "network",
    )  # fmt: skip
    assert "ICE" in call["cause"]


async def test_a_peer_with_another_certificate_than_it_named_is_not_talked_to(desk: Desk) -> None:
    await desk.open(ECHO)
    async with caller(SPEECH) as peer:
        offer = re.sub(r"(fingerprint:sha-\d+ )..", r"\1FF", await peer.offer())
        _, body = await desk.post("/v1/webrtc", {"sdp": offer, "to": "echo"})
        await peer.answered(body["sdp"])
        call = await gone(desk, body["call_id"])
    assert (call["status"], call["reason"]) == ("failed", "protocol_error")
    assert call["quality"]["packets_received"] == call["quality"]["packets_sent"] == 0


async def test_strangers_are_neither_heard_nor_answered(desk: Desk) -> None:
    await desk.open(ECHO)
    async with caller() as peer:
        _, body = await desk.post("/v1/webrtc", {"sdp": await peer.offer(), "to": "echo"})
        place = ("127.0.0.1", int(re.search(r"m=audio (\d+)", body["sdp"])[1]))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.1", 0))
            stranger.setblocking(False)

            def shout() -> None:
                for number in range(10):
                    stranger.sendto(
                        format_rtp(
                            payload_type=0, marker=False, sequence_number=number,
                            timestamp=160 * number, ssrc=7, payload=bytes(160),
                        ),
                        place,
                    )  # fmt: skip
                for junk in (
                    bytes(20),
                    bytes([22]) + bytes(60),
                    b"\x81\xc9" + bytes(30),
                    b"",
                    b"x",
                ):
                    stranger.sendto(junk, place)

            shout()
            await peer.answered(body["sdp"])
            await peer.until("connected")
            shout()
            await asyncio.sleep(0.3)
            with pytest.raises(BlockingIOError):
                stranger.recv(2048)
        _, stats = await desk.get(f"/v1/calls/{body['call_id']}/stats")
        assert stats["quality"]["ssrc_changes"] == 0
        assert stats["quality"]["srtp_failures"] >= 10
        assert stats["quality"]["rtcp_received"] == 0
    await gone(desk, body["call_id"])


async def test_what_is_wrong_with_an_offer_is_told_and_nothing_is_left(desk: Desk) -> None:
    await desk.open(ECHO, agent=None)
    async with caller() as peer:
        good = await peer.offer()
        for sdp, field, words in (
            ("hello", "sdp", "SDP"),
            (good.replace("m=audio", "m=video"), "sdp", "m=audio"),
            (good.replace("a=rtpmap", "a=nomap").replace(" 9 0 8", " 97"), "sdp", "codec"),
            (good.replace("a=fingerprint", "a=nothing"), "sdp", "fingerprint"),
            (good.replace("a=ice-ufrag", "a=nothing"), "sdp", "ICE credentials"),
        ):
            status, problem = await desk.post("/v1/webrtc", {"sdp": sdp, "to": "support"})
            assert (status, problem["field"]) == (422, field)
            assert words in problem["detail"]
        status, problem = await desk.post("/v1/webrtc", {"sdp": good, "to": "nobody"})
        assert (status, problem["field"]) == (422, "to")
        assert (await desk.post("/v1/webrtc", {"to": "support"}))[1]["field"] == "sdp"
        assert (await desk.post("/v1/webrtc", {"sdp": "v" * 70_000, "to": "support"}))[0] == 413
    assert desk.bench.engine.figures()["ports_in_use"] == 0
    assert (await desk.get("/v1/calls"))[1]["calls"] == []


@pytest.mark.parametrize(
    ("listen", "external", "http", "named"),
    [
        ("udp:127.0.0.1:0", "", V4, ["127.0.0.1"]),
        ("udp:127.0.0.1:0", "203.0.113.7", V4, ["203.0.113.7", "127.0.0.1"]),
        ("udp:127.0.0.1:0", "2001:db8::7", V4, ["127.0.0.1"]),
        ("udp:0.0.0.0:0", "203.0.113.7", V4, ["203.0.113.7", "127.0.0.1", "HERE"]),
        ("udp:[::1]:0", "", V4, ["::1"]),
        ('udp:127.0.0.1:0", "udp:[::1]:0', "", V4, ["127.0.0.1"]),
        ('udp:127.0.0.1:0", "udp:[::1]:0', "", "[::1]:0", ["::1"]),
        ("udp:127.0.0.1:0", "", "[::1]:0", ["127.0.0.1"]),
    ],
)
async def test_the_answer_names_where_media_can_be_sent_to(
    desk: Desk, listen: str, external: str, http: str, named: list[str]
) -> None:
    address = f'external_address = "{external}"\n' if external else ""
    keys = f'[http]\nlisten = "{http}"\napi_keys = ["correct-horse-battery"]\n'
    await desk.open(f'{keys}[sip]\nlisten = ["{listen}"]\n{address}')
    named = [reachable("0.0.0.0") if each == "HERE" else each for each in named]
    async with caller() as peer:
        _, body = await desk.post(
            "/v1/webrtc",
            {"sdp": await peer.offer(), "to": "echo"},
            headers={"X-API-Key": "correct-horse-battery"},
        )
    assert re.findall(r"a=candidate:\d+ 1 udp \d+ (\S+) \d+ typ host", body["sdp"]) == named


async def test_it_wants_the_key_that_everything_else_wants(desk: Desk) -> None:
    await desk.open('[http]\nlisten = "127.0.0.1:0"\napi_keys = ["correct-horse-battery"]\n')
    assert (await desk.post("/v1/webrtc", {"sdp": "v=0", "to": "echo"}))[0] == 401


async def test_there_is_a_limit_to_calls_and_none_are_taken_while_draining(desk: Desk) -> None:
    await desk.open(ECHO + "[limits]\nmax_calls = 1\n")
    async with caller() as first, caller() as second:
        await first.call(desk)
        await first.until("connected")
        async with desk.client.post(
            f"{desk.url}/v1/webrtc", json={"sdp": await second.offer(), "to": "echo"}
        ) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
            assert "max_calls" in (await answer.json())["detail"]
        draining = asyncio.create_task(desk.bench.engine.drain())
        await asyncio.sleep(0)
        status, problem = await second.call(desk)
        assert (status, "draining" in problem["detail"]) == (503, True)
        assert not draining.done()
        await first.close()
        await asyncio.wait_for(draining, 5)


async def test_there_is_a_limit_to_calls_that_have_not_connected(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webrtc_calls, "HALF_OPEN_MAX", 2)
    await desk.open(ECHO)
    async with caller() as peer:
        order = {"sdp": await peer.offer(), "to": "echo"}
        answers = [await desk.post("/v1/webrtc", order) for _ in range(3)]
    assert [status for status, _ in answers] == [201, 201, 503]


async def test_the_end_of_the_engine_is_told_to_those_who_talk_and_those_who_knock(
    desk: Desk,
) -> None:
    await desk.open(ECHO)
    async with caller() as talking, caller() as knocking:
        await talking.call(desk)
        await talking.until("connected")
        await desk.post("/v1/webrtc", {"sdp": await knocking.offer(), "to": "echo"})
        await desk.bench.stop()
        await talking.until("closed")
        assert desk.bench.engine.figures()["ports_in_use"] == 0
        assert not [
            task for task in asyncio.all_tasks() if task.get_name().startswith(("handshake", "end"))
        ]


async def test_sdp_with_what_is_no_unicode_does_no_harm(desk: Desk) -> None:
    await desk.open(ECHO)
    body = b'{"to": "echo", "sdp": "v=0\\ud800"}'
    headers = {"Content-Type": "application/json"}
    async with desk.client.post(f"{desk.url}/v1/webrtc", data=body, headers=headers) as answer:
        assert answer.status in (400, 422)


def test_the_caller_of_these_tests_is_another_implementation() -> None:
    assert Caller.__init__.__globals__["RTCPeerConnection"].__module__.startswith("aiortc")
