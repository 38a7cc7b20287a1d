"""Who may ask, how often, how much and how slowly."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from engine.rtp import speech
from engine.waiting import eventually

from rapida_media.control import door, operations
from rapida_media.control.keys import KeyRing
from rapida_media.control.problems import ProblemError

from .conftest import ASSISTANT, Desk

KEY = "0123456789abcdef"
KEYED = f'[http]\nlisten = "127.0.0.1:0"\napi_keys = ["{KEY}", "another-key-of-mine"]\n{ASSISTANT}'


async def test_without_the_key_nothing_is_told(desk: Desk) -> None:
    await desk.open(KEYED)
    status, problem = await desk.get("/v1/calls")
    assert (status, problem["type"]) == (401, "urn:rapida-media:unauthorized")
    for headers in (
        {"Authorization": f"Bearer {KEY}x"},
        {"Authorization": f"Basic {KEY}"},
        {"X-API-Key": KEY[:-1]},
        {"X-API-Key": "\xff"},
        {"Authorization": ""},
        # One that is right does not help one that is wrong.
        {"X-API-Key": KEY, "Authorization": f"Bearer {KEY}x"},
        {"X-API-Key": KEY, "Authorization": f"Basic {KEY}"},
        {"X-API-Key": f"{KEY}x", "Authorization": f"Bearer {KEY}"},
    ):
        assert (await desk.get("/v1/calls", headers=headers))[0] == 401
    for headers in (
        {"Authorization": f"Bearer {KEY}"},
        {"X-API-Key": KEY},
        {"X-API-Key": "another-key-of-mine"},
        {"X-API-Key": KEY, "Authorization": f"bearer {KEY}"},
    ):
        assert (await desk.get("/v1/calls", headers=headers))[0] == 200
    for path in ("/healthz", "/readyz", "/openapi.json"):
        assert (await desk.get(path))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "voice.example.com"},
        {"Host": "evil.example:8080"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
    ],
)
async def test_without_keys_strangers_behind_a_tunnel_are_nobody(
    desk: Desk, headers: dict[str, str]
) -> None:
    await desk.open()
    assert (await desk.get("/v1/calls", headers=headers))[0] == 403
    assert (await desk.get("/v1/calls", headers={"Host": "localhost:1"}))[0] == 200


async def test_each_key_has_its_own_rate(desk: Desk) -> None:
    await desk.open(KEYED.replace("[http]", "[http]\nrequests_per_second = 2"))
    one, other = {"X-API-Key": KEY}, {"X-API-Key": "another-key-of-mine"}
    statuses = [(await desk.get("/v1/calls", headers=one))[0] for _ in range(6)]
    assert statuses[:4] == [200] * 4
    assert 429 in statuses[4:]
    assert (await desk.get("/v1/calls", headers=other))[0] == 200
    async with desk.client.get(f"{desk.url}/v1/calls", headers=one) as answer:
        assert answer.status == 429
        assert int(answer.headers["Retry-After"]) >= 1


def test_a_key_ring_fills_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("rapida_media.control.keys.clock.monotonic", lambda: now[0])
    ring = KeyRing([KEY], 5.0)
    for _ in range(10):
        ring._take(0, now[0])
    with pytest.raises(ProblemError, match="more than 5 requests"):
        ring._take(0, now[0])
    now[0] += 0.2
    ring._take(0, now[0])


@pytest.mark.parametrize(
    ("body", "headers", "status", "field"),
    [
        (b"{", {}, 400, None),
        (b"\xff\xfe", {}, 400, None),
        (b"[" * 50_000, {}, 422, None),
        (b"", {}, 400, None),
        (b"[]", {}, 422, None),
        (b'{"to":"+1"}', {}, 422, "assistant"),
        (b'{"assistant":"support","to":7}', {}, 422, "to"),
        (b'{"assistant":"support","to":"a b"}', {}, 422, "to"),
        (b'{"assistant":"support","to":"+1","form":"+1"}', {}, 422, "form"),
        (b'{"assistant":"support","to":"+1","ring_seconds":0}', {}, 422, "ring_seconds"),
        (b'{"assistant":"nobody","to":"+1"}', {}, 422, "assistant"),
        (b'{"assistant":"support","to":"+1","provider":"carrier-pigeon"}', {}, 422, "provider"),
        (b'{"assistant":"support","to":"sip:a@192.0.2.1"}', {}, 403, "to"),
        (b'{"assistant":"support","to":"sip:@@"}', {}, 422, "to"),
        (b'{"assistant":"support","to":"sip:a@127.0.0.1","from":"sip:<>@"}', {}, 422, "from"),
        (b'{"assistant":"support","to":"+1"}', {"Content-Type": "text/plain"}, 415, None),
        (b'{"assistant":"support","to":"+1"}', {"Content-Type": "multipart/x"}, 415, None),
        (b" " * 70_000, {}, 413, None),
    ],
)
async def test_what_does_not_fit_is_told_with_its_field(
    desk: Desk, body: bytes, headers: dict[str, str], status: int, field: str | None
) -> None:
    await desk.open()
    headers = {"Content-Type": "application/json", **headers}
    async with desk.client.post(f"{desk.url}/v1/calls", data=body, headers=headers) as answer:
        problem = json.loads(await answer.read())
        assert answer.content_type == "application/problem+json"
    assert (answer.status, problem["status"], problem.get("field")) == (status, status, field)


@pytest.mark.parametrize(
    ("path", "body", "detail"),
    [
        ("", {"assistant": "support", "to": "a b"}, r"expected a number such as .*, or a SIP URI"),
        ("/x/dtmf", {"digits": "12x"}, r"expected 1 to 64 keys of 0-9 \* # A-D"),
        ("/x/play", {"file": "../hello.wav"}, "expected the name of a file, without a folder"),
        ("/x/hangup", {"reason": "Enough!"}, "expected a word of a-z, 0-9 and _, up to 64 of .*"),
        ("/x/record", {"action": "begin"}, "expected one of start, stop, pause, resume"),
        ("?status=over", None, "expected one of queued, initiated, ringing, .*failed, canceled"),
        ("?since=2026-01-01T00:00:00", None, ".*RFC3339.*|.*timezone.*"),
        ("?since=2026", None, ".*RFC3339.*"),
    ],
)
async def test_what_is_expected_is_told_in_words(
    desk: Desk, path: str, body: object, detail: str
) -> None:
    await desk.open()
    method = "POST" if body else "GET"
    status, problem = await desk.ask(method, f"/v1/calls{path}", body)
    assert status == 422
    assert re.fullmatch(detail, problem["detail"])


async def test_head_tells_what_get_would_without_its_body(desk: Desk) -> None:
    await desk.open(KEYED)
    for path, expected in (("/healthz", 200), ("/readyz", 200), ("/v1/calls", 401)):
        async with desk.client.head(f"{desk.url}{path}") as answer:
            assert (answer.status, await answer.read()) == (expected, b"")
            assert int(answer.headers["Content-Length"]) > 0
    async with desk.client.head(f"{desk.url}/v1/events") as answer:
        assert answer.status == 405


async def test_other_methods_and_paths_are_problems_too(desk: Desk) -> None:
    await desk.open()
    async with desk.client.delete(f"{desk.url}/v1/calls") as answer:
        assert answer.status == 405
        assert "POST" in answer.headers["Allow"]
        assert answer.content_type == "application/problem+json"
    assert (await desk.get("/v1/nothing"))[0] == 404
    assert (await desk.get("/v1/talk/carrier-pigeon/call/support"))[0] == 404
    assert (await desk.get("/v1/talk/sip/call/support"))[0] == 404
    status, _ = await desk.get("/v1/talk/sip/ctx/abc")
    assert status == 426


async def test_a_mebibyte_is_refused_before_it_is_read(desk: Desk) -> None:
    await desk.open()
    body = b"x" * 2**20
    for path in ("/v1/calls", "/v1/talk/x/call/support"):
        try:
            status = (await desk.ask("POST", path, data=body))[0]
        except OSError:  # the server closed while it was being sent
            continue
        assert status in (404, 413, 415)


async def raw(desk: Desk, sent: bytes, patience: float = 5.0) -> bytes:
    """Send bytes and give all that comes back until the server closes."""
    host, port = desk.server.address.host, desk.server.address.port
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(sent)
        async with asyncio.timeout(patience):
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("path", ["/v1/calls", "/v1/talk/twilio/call/support"])
async def test_a_body_that_is_not_encoded_as_it_says_is_the_askers_fault(
    desk: Desk, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    await desk.open()
    for encoding, status in (("gzip", 400), ("deflate", 400), ("exi", 415), ("br", 400)):
        headers = {
            "Content-Type": "application/json",
            "Content-Encoding": encoding,
            "Connection": "close",  # what comes behind a broken body cannot be told apart
        }
        asking = desk.client.post(desk.url + path, data=b"{}", headers=headers)
        async with asking as answer:
            assert (answer.status, answer.content_type) == (status, "application/problem+json")
            detail = json.loads(await answer.read())["detail"]
            assert encoding in detail or "Content-Encoding" in detail
    assert "Traceback" not in caplog.text


async def test_a_body_may_be_compressed_and_the_limit_is_for_what_it_says(desk: Desk) -> None:
    await desk.open()
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    for body, status in ((b'{"assistant":"support"}', 422), (b" " * 10_000_000, 413)):
        packed = gzip.compress(body)
        async with desk.client.post(f"{desk.url}/v1/calls", data=packed, headers=headers) as answer:
            assert answer.status == status
            problem = json.loads(await answer.read())
    assert problem["detail"] == "the body is longer than 65536 octets"


async def test_who_connects_and_says_nothing_is_sent_away(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "FIRST_REQUEST_S", 0.2)
    await desk.open()
    assert await raw(desk, b"") == b""
    assert await raw(desk, b"GET /healthz HT") == b""
    assert desk.server._door.idle == 0


async def test_a_body_that_trickles_is_given_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "REQUEST_S", 0.2)
    await desk.open()
    head = b"POST /v1/calls HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    answer = await raw(desk, head + b"Content-Length: 100\r\nConnection: close\r\n\r\n{")
    assert answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"HELLO\r\n\r\n",
        b"GET /healthz HTTP/9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nX secret\r\n\r\n",
        pytest.param(b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", id="long path"),
        pytest.param(b"GET / HTTP/1.1\r\nX: " + b"a" * 9000 + b"\r\n\r\n", id="long field"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 9000 + b"\r\n", id="many fields"),
    ],
)
async def test_nonsense_for_http_is_answered_with_a_problem_and_closed(
    desk: Desk, nonsense: bytes
) -> None:
    await desk.open()
    head, _, body = (await raw(desk, nonsense)).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert re.fullmatch("HTTP/1.[01] 400 Bad Request", lines[0])
    assert "Content-Type: application/problem+json" in lines
    problem = json.loads(body)
    assert problem.pop("detail")
    assert problem == {
        "type": "urn:rapida-media:bad-request", "title": "Bad Request", "status": 400,
    }  # fmt: skip
    assert b"secret" not in body
    assert desk.bench.engine.counters["http_malformed"] == 1


@pytest.mark.parametrize("path", ["/healthz", "/v1/nothing", "/v1/talk/x/call/support", "/"])
async def test_what_cannot_be_expected_is_a_problem_too(desk: Desk, path: str) -> None:
    """RFC 9110 section 10.1.1: 417 for an expectation that is not known."""
    await desk.open()
    async with desk.client.get(desk.url + path, headers={"Expect": "secret"}) as answer:
        assert (answer.status, answer.content_type) == (417, "application/problem+json")
        problem = json.loads(await answer.read())
    assert problem == {
        "type": "urn:rapida-media:expectation-failed", "title": "Expectation Failed",
        "status": 417, "detail": "Expect: expected 100-continue or none",
    }  # fmt: skip
    known = (await raw(desk, CONTINUE)).split(b"\r\n", 1)[0]
    assert known == b"HTTP/1.1 100 Continue"


CONTINUE = (
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
)


async def test_idle_connections_are_bounded_and_calls_unharmed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "IDLE_LIMIT", 100)
    await desk.open('[assistants.support]\nagent = "echo"\n')
    phone = await desk.bench.phone()
    call = await phone.call()
    host, port = desk.server.address.host, desk.server.address.port
    crowd = [await asyncio.open_connection(host, port) for _ in range(400)]
    await eventually(lambda: desk.server._door.idle == 100)
    assert (await desk.get("/healthz"))[0] == 200
    said = speech(0.8)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    assert await call.bye() == 200
    for _, writer in crowd:
        writer.close()


async def test_figures_are_for_who_has_a_key(desk: Desk) -> None:
    await desk.open(KEYED)
    assert (await desk.get("/metrics"))[0] == 401
    assert await desk.get("/metrics", headers={"X-API-Key": KEY}) == (200, "calls 1\n")


async def test_readiness_ends_with_the_draining(desk: Desk) -> None:
    await desk.open()
    assert await desk.get("/readyz") == (200, {"status": "ok", "problems": []})
    draining = asyncio.ensure_future(desk.bench.engine.drain())
    await asyncio.sleep(0)
    assert (await desk.get("/readyz"))[0] == 503
    assert (await desk.get("/healthz"))[0] == 200
    uri = f"sip:x@127.0.0.1:{desk.bench.address().port}"
    status, problem = await desk.post("/v1/calls", {"assistant": "support", "to": uri})
    assert (status, problem["detail"]) == (503, "no calls now: draining")
    await draining


async def test_what_fails_here_is_a_problem_and_in_the_log(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.open()

    def broken(*_: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(desk.server._calls._engine, "trace", broken)
    status, problem = await desk.get("/v1/calls/x/trace")
    assert (status, problem["type"]) == (500, "urn:rapida-media:internal")
    desk.bench.expected_errors = 1


def test_the_description_names_every_operation_and_type(tmp_path: Path) -> None:
    from rapida_media.control.openapi import openapi
    from rapida_media.control.operations import Operation
    from rapida_media.control.schema import CallOrder, CallPage, CallQuery

    async def handler(asked: Any) -> None:
        """Not called."""

    document = openapi(
        [
            Operation("POST", "/a/{id}", "makeA", "Make", handler, {202: CallPage}, (409,),
                      body=CallOrder, query=CallQuery),
        ],
        "1",
    )  # fmt: skip
    operation = document["paths"]["/a/{id}"]["post"]
    assert sorted(operation["responses"]) == [
        "202", "400", "401", "403", "404", "408", "409", "413", "415", "422", "429", "503", "504",
    ]  # fmt: skip
    names = {each["name"] for each in operation["parameters"]}
    assert names == {"id", "status", "provider", "assistant", "since", "cursor", "limit"}
    assert {"CallOrder", "CallPage", "CallView", "Problem"} <= set(
        document["components"]["schemas"]
    )
