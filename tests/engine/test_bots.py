"""Bots behind WebSockets on real calls: what they are told, and what they may do."""

from __future__ import annotations

import asyncio
import base64
import ssl
import tomllib

import numpy as np
import pytest
import trustme
from twilio.request_validator import RequestValidator

from rapida_media.config import parse_config
from rapida_media.errors import ConfigError
from rapida_media.kernels import ulaw_encode

from .bot_server import BotServer, assistant, echo, ended, start_bot
from .bot_server import servers as servers
from .conftest import BASE, Bench
from .rtp import Samples, speech
from .waiting import eventually


def media(samples: Samples) -> dict[str, str]:
    return {"payload": base64.b64encode(ulaw_encode(samples.astype("<i2").tobytes())).decode()}


@pytest.mark.parametrize("dialect", ["twilio", "vonage", "exotel", "l16"])
async def test_a_bot_of_each_dialect_hears_the_caller_and_is_heard(
    bench: Bench, servers: list[BotServer], dialect: str
) -> None:
    server = await start_bot(servers, echo)
    await bench.start(assistant(server.url, f'dialect = "{dialect}"'))
    call = await (await bench.phone()).call("bot")
    said = speech(1.0)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    await call.rtp.press(7)
    line = await server.line()
    event = "websocket:dtmf" if dialect == "vonage" else "dtmf"
    (key,) = await eventually(lambda: line.events(event))
    assert key.get("dtmf", key)["digit"] == "7"
    await call.bye()
    await eventually(lambda: line.over)
    assert line.socket.close_code == 1000
    assert len(line.events("stop")) == (dialect != "vonage")
    await bench.idle()


async def test_parameters_headers_and_facts_of_the_call_reach_the_bot(
    bench: Bench, servers: list[BotServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOT_KEY", "s3cret")
    server = await start_bot(servers)
    await bench.start(
        assistant(
            server.url + "?room=1",
            'parameters = { plan = "gold", from = "{caller}", id = "{call_id}" }',
            'headers = { X-Bot-Key = "env:BOT_KEY" }',
        )
    )
    call = await (await bench.phone()).call("bot")
    line = await server.line()
    (start,) = await eventually(lambda: line.events("start"))
    call_id = start["start"]["callSid"].removeprefix("CA")
    assert bench.engine.call(call_id) is not None
    assert start["start"]["customParameters"] == {
        "plan": "gold",
        "from": "sip:phone@127.0.0.1",
        "id": call_id,
    }
    assert line.request.headers["X-Bot-Key"] == "s3cret"
    assert line.request.query_string == "room=1"
    await call.bye()


async def test_a_caller_that_is_silent_or_on_hold_is_silence_to_the_bot(
    bench: Bench, servers: list[BotServer]
) -> None:
    server = await start_bot(servers)
    await bench.start(assistant(server.url))
    call = await (await bench.phone()).call("bot")
    line = await server.line()
    await eventually(lambda: len(line.events("media")) >= 20)
    told = line.events("media")[:20]
    assert [each["media"]["timestamp"] for each in told] == [str(20 * n) for n in range(20)]
    assert {each["media"]["payload"] for each in told} == {media(np.zeros(160))["payload"]}
    times = line.at("media")[:20]
    assert 0.3 <= times[-1] - times[0] <= 0.6
    await call.bye()


async def test_a_clear_silences_the_caller_and_gives_the_marks_back(
    bench: Bench, servers: list[BotServer]
) -> None:
    server = await start_bot(servers)
    await bench.start(assistant(server.url))
    call = await (await bench.phone()).call("bot")
    line = await server.line()
    await eventually(lambda: line.events("start"))
    await line.twilio("media", media=media(speech(5.0)))
    await line.twilio("mark", mark={"name": "end"})
    await eventually(lambda: len(call.rtp.heard) >= 25)
    at = asyncio.get_running_loop().time()
    await line.twilio("clear")
    await eventually(lambda: line.events("mark"))
    assert line.events("mark")[0]["mark"] == {"name": "end"}
    assert line.at("mark")[0] - at < 0.15
    await asyncio.sleep(0.2)
    late = [packet for packet in call.rtp.heard if packet.at > at + 0.08]
    quiet = np.concatenate([np.frombuffer(p.payload, np.uint8) for p in late] or [[]])
    assert not len(quiet) or set(quiet.tolist()) <= {0xFF, 0x7F}
    await call.bye()


async def test_l16_is_told_of_a_hold(bench: Bench, servers: list[BotServer]) -> None:
    server = await start_bot(servers)
    await bench.start(assistant(server.url, 'dialect = "l16"'))
    call = await (await bench.phone()).call("bot")
    line = await server.line()
    await call.reinvite(call.sdp("sendonly", version=2))
    await eventually(lambda: line.events("hold"))
    await call.reinvite(call.sdp("sendrecv", version=3))
    await eventually(lambda: len(line.events("hold")) == 2)
    assert [each["held"] for each in line.events("hold")] == [True, False]
    await call.bye()


async def test_a_reload_brings_another_bot_and_another_signature(
    bench: Bench, servers: list[BotServer]
) -> None:
    server = await start_bot(servers)

    def config(path: str, token: str) -> str:
        account = f'[credentials.t]\nprovider = "twilio"\naccount_sid = "AC{0:032}"\n'
        return account + f'auth_token = "{token}"\n' + assistant(server.url + path)

    engine = await bench.start(config("/1", "old"))
    before = await (await bench.phone()).call("bot")
    first = await server.line()
    document = tomllib.loads(BASE) | tomllib.loads(config("/2", "new"))
    engine.use(await engine.prepare(parse_config(document, bench.folder)))
    after = await (await bench.phone()).call("bot")
    second = await server.line(1)
    for line, path, token in ((first, "/1", "old"), (second, "/2", "new")):
        shown = line.request.headers["X-Twilio-Signature"]
        assert RequestValidator(token).validate(server.url + path, {}, shown)
    await before.bye()
    await after.bye()
    await bench.idle()


async def test_with_answer_agent_a_call_is_answered_only_by_a_bot_that_is_there(
    bench: Bench, servers: list[BotServer]
) -> None:
    server = await start_bot(servers, echo)
    server.statuses = [404]
    await bench.start(assistant(server.url, 'answer = "agent"'))
    phone = await bench.phone()
    refused = phone.invite("bot")
    assert await refused.final() == 480
    assert bench.logged("ended: bot_unreachable (480), failed: agent")
    call = await phone.call("bot")
    said = speech(0.6)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    await call.bye()
    await bench.idle()


async def test_a_bot_may_press_keys_and_hang_up_after_its_last_word(
    bench: Bench, servers: list[BotServer]
) -> None:
    server = await start_bot(servers)
    await bench.start(assistant(server.url, 'dialect = "l16"'))
    call = await (await bench.phone()).call("bot")
    line = await server.line()
    word = speech(0.5, 9)
    await line.say(event="dtmf", digits="12")
    await line.socket.send_bytes(np.repeat(word, 2).astype("<i2").tobytes())
    await line.say(event="dtmf", digits="nonsense")
    await line.say(event="hangup", reason="all_said")
    await call.hung_up()
    events = {p.payload[0] for p in call.rtp.heard if p.payload_type == 101}
    assert events == {1, 2}
    audio = [p for p in call.rtp.heard if p.payload_type == 0]
    assert len(audio) >= 20
    assert "expected 1 to 64 digits" in line.events("error")[0]["detail"]
    await ended(bench, call, "all_said")
    assert line.events("stop") == [{"event": "stop", "reason": "all_said"}]


async def test_tls_is_verified(
    bench: Bench, servers: list[BotServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    server = BotServer(echo)
    await server.start(context)
    servers.append(server)
    url = server.url.replace("ws://", "wss://")
    await bench.start(assistant(url))
    call = await (await bench.phone()).call("bot")
    await ended(bench, call, "bot_unreachable")
    assert bench.logged("its certificate is not valid")
    await bench.stop()
    authority.cert_pem.write_to_path(str(bench.folder / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(bench.folder / "ca.pem"))
    await bench.start(assistant(url))
    call = await (await bench.phone()).call("bot")
    await server.line()
    await call.bye()
    await bench.idle()


async def test_an_engine_that_stops_says_stop_to_its_bots(
    bench: Bench, servers: list[BotServer]
) -> None:
    server = await start_bot(servers)
    await bench.start(assistant(server.url))
    await (await bench.phone()).call("bot")
    line = await server.line()
    await eventually(lambda: line.events("start"))
    await bench.stop()
    await eventually(lambda: line.over)
    assert line.events("stop")


@pytest.mark.parametrize(
    ("spec", "wrong"),
    [
        ("websocket:", "write it as websocket:wss://HOST/PATH"),
        ("websocket:http://bot/?secret", "agent websocket: expected a URL such as"),
        ("wss://bot/?secret", "write a bot's URL as websocket:"),
    ],
)
async def test_a_url_that_is_none_is_named_without_its_secrets(
    bench: Bench, spec: str, wrong: str
) -> None:
    with pytest.raises(ConfigError, match=wrong) as caught:
        await bench.start(agent=spec)
    assert "secret" not in str(caught.value)
