"""``serve`` as a process: signals, draining, refusing to be exposed, and ``call`` against it."""

from __future__ import annotations

import asyncio
import json
import re
import resource
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from rapida_media.cli import main
from rapida_media.demo.engine import environment

from .phone import Phone
from .rtp import speech
from .serving import serving
from .test_agents import write_wav
from .waiting import eventually

LOOPBACK = '[sip]\nlisten = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"]\n[rtp]\nports = "30000-32766"\n'


async def test_sigterm_lets_the_call_in_progress_end_and_refuses_new_ones(tmp_path: Path) -> None:
    async with serving(tmp_path, LOOPBACK) as server:
        phone = await Phone.open(server.address())
        call = await phone.call()
        server.signal(signal.SIGTERM)
        await eventually(lambda: server.logged("stopping: 1 calls"))

        refused = phone.invite()
        assert await refused.final() == 503
        assert refused.response is not None
        assert refused.response.header("Retry-After") == "30"
        said = speech(0.8)
        await call.rtp.say(said)
        await call.rtp.hears(said)
        assert server.process.returncode is None
        assert await call.bye() == 200
        assert await server.ended() == 0
        await phone.close()


async def test_what_it_says_to_call_can_be_called(tmp_path: Path) -> None:
    for listen, host, parameter in (
        ("udp:[::1]:0", r"\[::1\]", ""),
        ("udp:0.0.0.0:0", r"\d+\.\d+\.\d+\.[1-9]\d*", ""),
        ("tcp:127.0.0.1:0", r"127\.0\.0\.1", ";transport=tcp"),
    ):
        config = f'[sip]\nlisten = ["{listen}"]\n[trunks.peer]\nhosts = ["127.0.0.0/8", "::1"]\n'
        async with serving(tmp_path, config) as server:
            await eventually(lambda server=server: server.logged("watch the calls"))
            (line,) = server.logged("Ready. Call")
            assert re.search(rf"Call sip:echo@{host}:\d+{parameter} with", line)
            assert server.logged("/v1/talk/PROVIDER/call/ASSISTANT")
            server.signal(signal.SIGTERM)
            assert await server.ended() == 0


async def test_calls_that_outlast_the_draining_get_a_bye(tmp_path: Path) -> None:
    config = LOOPBACK + "[limits]\ndrain_seconds = 0.5\n"
    async with serving(tmp_path, config) as server:
        phone = await Phone.open(server.address())
        call = await phone.call()
        server.signal(signal.SIGINT)
        await call.hung_up()
        assert await server.ended() == 0
        assert server.logged("ended: engine_stopping")
        await phone.close()


async def test_a_call_that_still_rings_when_the_engine_ends_may_go_to_another_server(
    tmp_path: Path,
) -> None:
    (tmp_path / "ringing_agent.py").write_text(
        "import asyncio\nasync def agent(call):\n    await call.ring()\n"
        "    await asyncio.sleep(60)\n"
    )
    config = LOOPBACK + "[limits]\ndrain_seconds = 0.5\n"
    config += '[assistants.rings]\nagent = "python:ringing_agent:agent"\nanswer = "agent"\n'
    async with serving(tmp_path, config) as server:
        phone = await Phone.open(server.address())
        call = phone.invite("rings")
        await eventually(lambda: 180 in call.provisional())
        server.signal(signal.SIGTERM)
        assert await call.final() == 503
        assert await server.ended() == 0
        assert server.logged("ended: engine_stopping (503)")
        await phone.close()


@pytest.mark.parametrize(("seconds", "stored"), [(0.3, True), (30, False)])
async def test_an_agent_has_a_second_to_store_something_after_the_stop(
    tmp_path: Path, seconds: float, stored: bool
) -> None:
    (tmp_path / "storing_agent.py").write_text(
        "import asyncio, pathlib\nasync def agent(call):\n"
        "    async for event in call:\n        pass\n"
        f"    await asyncio.sleep({seconds})\n"
        f"    pathlib.Path({str(tmp_path / 'transcript')!r}).touch()\n"
    )
    config = LOOPBACK + "[limits]\ndrain_seconds = 0.1\n"
    agent = "python:storing_agent:agent"
    async with serving(tmp_path, config, "--agent", agent) as server:
        phone = await Phone.open(server.address())
        call = await phone.call()
        server.signal(signal.SIGTERM)
        await call.hung_up()
        assert await server.ended() == 0
        assert (tmp_path / "transcript").exists() is stored
        told = server.logged("1 agents still had something to do after their calls")
        assert bool(told) is not stored
        await phone.close()


async def test_a_second_signal_ends_the_calls_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path, LOOPBACK) as server:
        phone = await Phone.open(server.address())
        call = await phone.call()
        server.signal(signal.SIGTERM)
        await eventually(lambda: server.logged("stopping: 1 calls"))
        server.signal(signal.SIGTERM)
        await call.hung_up()
        assert await server.ended() == 0
        await phone.close()


@pytest.mark.parametrize(
    "body",
    [
        "while True:\n        try:\n            await asyncio.sleep(60)\n"
        "        except asyncio.CancelledError:\n            pass\n",
        "await asyncio.to_thread(time.sleep, 60)\n",
    ],
    ids=["swallows its cancellation", "has a busy thread"],
)
async def test_an_agent_that_does_not_end_keeps_no_process_alive(tmp_path: Path, body: str) -> None:
    source = f"import asyncio, time\nasync def agent(call):\n    {body}"
    (tmp_path / "stubborn_agent.py").write_text(source)
    agent = "python:stubborn_agent:agent"
    async with serving(tmp_path, LOOPBACK, "--agent", agent) as server:
        phone = await Phone.open(server.address())
        call = await phone.call()
        server.signal(signal.SIGTERM)
        await eventually(lambda: server.logged("stopping: 1 calls"))
        server.signal(signal.SIGTERM)
        await call.hung_up()
        assert await server.ended(5.0) == 0
        assert server.logged("do not end; they are cut off")
        await phone.close()


async def test_a_task_of_an_agent_that_exits_ends_no_other_call(tmp_path: Path) -> None:
    (tmp_path / "exiting_agent.py").write_text(
        "import asyncio, sys\n"
        "async def leave():\n    sys.exit(3)\n"
        "async def agent(call):\n    call.task = asyncio.create_task(leave())\n"
        "    async for event in call:\n        pass\n"
    )
    assistant = '[assistants.exits]\nagent = "python:exiting_agent:agent"\n'
    async with serving(tmp_path, LOOPBACK + assistant) as server:
        phone = await Phone.open(server.address())
        good = await phone.call("echo")
        bad = await phone.call("exits")
        await eventually(lambda: server.logged("wanted to end the engine, which goes on"))
        said = speech(0.8)
        await good.rtp.say(said)
        await good.rtp.hears(said)
        assert await bad.bye() == 200
        assert await good.bye() == 200
        server.signal(signal.SIGTERM)
        assert await server.ended() == 0
        server.lines = [line for line in server.lines if "Traceback" not in line]
        await phone.close()


async def test_listening_to_the_world_wants_a_trunk(tmp_path: Path) -> None:
    async with serving(tmp_path, '[sip]\nlisten = ["udp:0.0.0.0:0"]\n') as server:
        assert await server.ended() == 2
    (line,) = server.logged("rapida-media serve:")
    assert "[trunks.carrier]" in line
    assert "127.0.0.1" in line


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    async with serving(tmp_path, LOOPBACK) as first:
        port = first.address().port
        taken = f'[sip]\nlisten = ["udp:127.0.0.1:{port}"]\n'
        other = tmp_path / "other"
        other.mkdir()
        async with serving(other, taken) as second:
            assert await second.ended() == 2
        assert second.logged("[sip] listen: ")
        first.signal()
        assert await first.ended() == 0


async def test_the_limit_of_open_files_is_raised_as_far_as_calls_need(tmp_path: Path) -> None:
    config = LOOPBACK + "[limits]\nmax_calls = 1000\n"
    async with serving(tmp_path, config, descriptors=(256, 8192)) as server:
        soft, _ = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        assert soft == 2 * 1000 + 2000 + 256
        assert not server.logged("file descriptors")
        server.signal()
        assert await server.ended() == 0


async def test_running_out_of_open_files_refuses_calls_and_harms_none(tmp_path: Path) -> None:
    async with serving(tmp_path, LOOPBACK, descriptors=(40, 40)) as server:
        (warning,) = server.logged("[limits] max_calls: ")
        assert "grants 40" in warning
        phone = await Phone.open(server.address())
        call = await phone.call()
        others = [phone.invite() for _ in range(20)]
        statuses = [await other.final() for other in others]
        assert set(statuses) == {200, 503}
        said = speech(0.8)
        await call.rtp.say(said)
        await call.rtp.hears(said)
        for other, status in zip(others, statuses, strict=True):
            assert status == 503 or await other.bye() == 200
        assert await call.bye() == 200
        again = await phone.call()
        assert await again.bye() == 200
        await phone.close()
        server.signal()
        assert await server.ended() == 0


async def test_the_softphone_calls_over_tcp(tmp_path: Path) -> None:
    write_wav(tmp_path / "said.wav", np.append(speech(1.0), np.zeros(1600, np.int16)))
    async with serving(tmp_path, LOOPBACK) as server:
        address = server.address("tcp")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "rapida_media", "call",
            f"sip:echo@{address.host}:{address.port}", "--transport", "tcp",
            "--play", str(tmp_path / "said.wav"), "--json",
            env=environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        report = json.loads(output)
        assert report["answered"]
        assert report["packets_received"] > 40
        assert report["correlation"] > 0.9
        assert server.logged("ended: bye")
        server.signal()
        assert await server.ended() == 0


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--dtmf", "12x", "--dtmf: expected 0-9 * # A-D, got 'x'"),
        ("--codec", "gsm", "--codec: 'GSM' is unknown"),
        ("--play", "nowhere.wav", "nowhere.wav"),
        ("--password", "secret", "--user and --password belong together"),
        ("--transfer-to", "carol", "--transfer-to: expected a SIP URI such as sip:carol@127.0.0.1"),
        ("--transfer-to", "sip:c@h?a=b", "--transfer-to: expected a SIP URI"),
        ("--record", ".", "--record: . cannot be written: Is a directory"),
        ("--record", "no/x.wav", "--record: no/x.wav cannot be written: No such file or dir"),
        ("--pcap", "/", "--pcap: / cannot be written: Is a directory"),
        ("--pcap", "/proc/x", "--pcap: /proc/x cannot be written: No such file or dir"),
        ("--tls-ca", "nowhere.pem", "--tls-ca: nowhere.pem: No such file"),
        ("--tls-ca", __file__, "--tls-ca: "),
    ],
)
def test_the_softphone_calls_nobody_with_an_option_it_cannot_follow(
    option: str, value: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["call", "sip:echo@127.0.0.1:9", "--timeout", "1", option, value]) == 2
    error = capsys.readouterr().err
    assert error.startswith("rapida-media call: ")
    assert said in error


def test_the_softphone_calls_nobody_as_a_user_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    call = ["call", "sip:echo@127.0.0.1:9", "--timeout", "1", "--password", "x", "--user"]
    for user in ("a\nb", ""):
        assert main([*call, user]) == 2
        assert "--user: expected a printable name" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--duration", "--hold-at", "--timeout"])
@pytest.mark.parametrize("value", ["soon", "0", "-1", "inf", "nan", "86401"])
def test_what_is_no_time_is_said_in_a_sentence(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["call", "sip:echo@127.0.0.1:9", f"{option}={value}"])
    expected = f"{option}: expected seconds, above 0 and up to 86400, got {value}"
    assert expected in capsys.readouterr().err
