"""The RFC 4475 messages over a real socket to a running engine: answered as listed, unharmed."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from rapida_media.sip.message import Request, Response
from rapida_media.sip.timers import TimerValues

from .conftest import Bench
from .rtp import speech
from .waiting import eventually

sys.path.append(str(Path(__file__).parent.parent / "torture"))
from corpus import CORPUS, Torture

# Most Vias name no port and ask for no rport: RFC 3261 section 18.2.2 answers to port 5060.
HOST, PORT = f"127.0.{1 + os.getpid() % 254}.2", 5060
# Its Via names another port (quotbal), or it has none at all to answer by (test).
QUICK = TimerValues(t1=0.005, t2=0.04, t4=0.05, d=0.32)
UNHEARD = {"quotbal.dat", "test.dat"}


def allowed(torture: Torture, status: int) -> bool:
    # An offer the engine cannot use is 488, which a user agent without a codec would not send.
    listed = {*torture.allowed, "488"} if "2xx" in torture.allowed else set(torture.allowed)
    return str(status) in listed or f"{status // 100}xx" in listed


async def test_every_torture_message_gets_an_answer_the_rfc_allows(bench: Bench) -> None:
    await bench.start(timers=QUICK)
    phone = await bench.phone()
    call = await phone.call()
    enemy = await bench.phone(host=HOST, port=PORT)
    wrong: list[str] = []
    before: set[bytes] = set()
    branches: set[bytes] = set()
    for torture in CORPUS:
        # A 200 to an earlier INVITE is repeated until its ACK, which never comes.
        before |= {message.raw for message in enemy.received}
        enemy.received.clear()
        if (branch := branch_of(torture.data)) in branches:
            # Several messages have the same: one would be the other's retransmission.
            await eventually(lambda: not bench.engine.figures()["transactions"], 10.0)
        branches.add(branch)
        enemy.send(torture.data)
        assert (await phone.options()).status == 200  # everything before it has been treated
        expected = bool(torture.allowed) and torture.file not in UNHEARD
        if expected:
            await eventually(lambda: finals(enemy.received, before))  # noqa: B023
        statuses = finals(enemy.received, before)
        if (len(set(statuses)) == 1) != expected or not all(allowed(torture, s) for s in statuses):
            wrong.append(f"{torture}: {statuses}, allowed {torture.allowed}")
    assert not wrong, wrong

    said = speech(0.8)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    assert await call.bye() == 200
    assert await (await phone.call()).bye() == 200
    await bench.idle()
    assert not bench.errors()


def branch_of(data: bytes) -> bytes:
    found = re.search(rb"branch *= *([^;,\s]+)", data)
    return found[1] if found else data


def finals(received: list[Request | Response], before: set[bytes]) -> list[int]:
    return [
        message.status
        for message in received
        if isinstance(message, Response) and message.status >= 200 and message.raw not in before
    ]
