"""Encrypted calls over TLS with phones of other houses, both ways, and the speech intact."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rapida_media.demo import SPEECH
from rapida_media.demo.engine import HOST, running_command
from rapida_media.demo.ports import free_port

from .audio import match_of_most_pieces, read_wav, words_within
from .baresip import MODULES, Phone
from .caller import call
from .identity import Authority
from .linphone import Linphone

pytestmark = pytest.mark.interop

CONFIGURATION = """
[sip]
listen = ["udp:{host}:{udp}", "tls:{host}:{tls}"]
tls_certificate = "engine.pem"
tls_key = "engine.pem"
[store]
recordings = "recordings/"
[trunks.local]
hosts = ["{host}"]
srtp = "{srtp}"
[assistants.recorded]
agent = "echo"
record = true
"""

MakePhone = Callable[[str], Phone]
StartEngine = Callable[[str], int]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def start_engine(authority: Authority, tmp_path: Path) -> Iterator[StartEngine]:
    """Start an echo engine with a mode of SRTP; its TLS port. A traceback fails the test."""
    authority.issue("engine")
    udp, tls = free_port(), free_port()
    command = [sys.executable, "-m", "rapida_media", "serve", "--log-format", "json"]
    log = tmp_path / "engine.log"
    with ExitStack() as running:

        def start(srtp: str) -> int:
            (tmp_path / "rapida.toml").write_text(
                CONFIGURATION.format(host=HOST, udp=udp, tls=tls, srtp=srtp)
            )
            running.enter_context(running_command(log, udp, command, cwd=tmp_path))
            return tls

        yield start
    assert "Traceback" not in log.read_text(), log.read_text()


@pytest.fixture
def make_phone(baresip: str, authority: Authority, tmp_path: Path) -> MakePhone:
    if not MODULES.is_dir():
        pytest.skip(f"baresip's modules are not in {MODULES}")

    def make(srtp: str) -> Phone:
        phone = Phone(baresip, tmp_path / "phone", free_port(), SPEECH)
        phone.configure("pcmu", srtp=srtp, identity=authority.issue("phone"))
        return phone

    return make


def recorded(directory: Path) -> list[float]:
    """Give how well the speech is found on both sides of the one recording."""
    (recording,) = (directory / "recordings").glob("*.wav")
    return [words_within(SPEECH, side) for side in read_wav(recording)]


def figures(directory: Path) -> dict[str, Any]:
    """Give what the engine logged of its one call, once that is over."""
    deadline = time.monotonic() + 5
    while True:
        lines = (directory / "engine.log").read_text().splitlines()
        ended = [line for line in lines if '"srtp"' in line]
        if ended or time.monotonic() > deadline:
            (line,) = ended
            told: dict[str, Any] = json.loads(line)
            return told
        time.sleep(0.05)


# "srtp" offers RTP/AVP with a key, "srtp-mand" RTP/SAVP.
@pytest.mark.parametrize(("engine", "phone"), [("optional", "srtp"), ("required", "srtp-mand")])
def test_baresip_calls_over_tls_and_hears_its_speech_back_by_srtp(
    start_engine: StartEngine, make_phone: MakePhone, tmp_path: Path, engine: str, phone: str
) -> None:
    port, caller = start_engine(engine), make_phone(phone)
    output = caller.call(f"sip:recorded@{HOST}:{port}")
    assert "end of file" in output, output
    assert words_within(SPEECH, caller.said()) >= 0.99
    assert words_within(SPEECH, caller.heard()) >= 0.99
    assert min(recorded(tmp_path)) >= 0.99
    told = figures(tmp_path)
    assert told["srtp"] == "AES_CM_128_HMAC_SHA1_80"
    assert told["srtp_failures"] == told["srtp_replays"] == 0


def test_we_call_baresip_over_tls_and_both_hear_the_other_by_srtp(
    make_phone: MakePhone, authority: Authority, tmp_path: Path
) -> None:
    phone = make_phone("srtp-mand")
    recording = tmp_path / "call.wav"
    with running_command(tmp_path / "baresip.log", phone.port, phone.command(25)):
        report = call(
            phone.tls_uri, "--srtp", "required", "--tls-ca", str(authority.file),
            "--play", str(SPEECH), "--record", str(recording), "--duration", "6.9",
        )  # fmt: skip
    assert report["srtp"] == "AEAD_AES_128_GCM"
    assert report["srtp_failures"] == report["packets_lost"] == 0
    sent, heard = read_wav(recording)
    assert words_within(SPEECH, sent) >= 0.99
    assert words_within(SPEECH, heard) >= 0.99
    assert words_within(SPEECH, phone.heard()) >= 0.99


@pytest.fixture
def linphone(linphonec: str, authority: Authority, tmp_path: Path) -> Linphone:
    home = tmp_path / "linphone"
    return Linphone(linphonec, home, free_port(), free_port(), SPEECH, authority.file)


def heard_by(linphone: Linphone) -> float:
    """Give how well it heard the speech, piece by piece: its player stretches the pauses."""
    (said,) = read_wav(SPEECH)
    return match_of_most_pieces(said, linphone.heard()).correlation


@pytest.mark.parametrize("profile", ["RTP/SAVP", "RTP/SAVPF"])
def test_linphone_calls_over_tls_and_hears_its_speech_back_by_srtp(
    start_engine: StartEngine, linphone: Linphone, tmp_path: Path, profile: str
) -> None:
    port = start_engine("required")
    linphone = replace(linphone, feedback=profile == "RTP/SAVPF")
    with linphone.running() as console:
        console.do(f"call sip:recorded@localhost:{port};transport=tls")
        console.wait_for("LinphoneCallStreamsRunning")
        time.sleep(7.4)
        console.do("terminate")
        console.wait_for("LinphoneCallReleased")
        assert console.profiles() == {profile}
    assert heard_by(linphone) >= 0.99
    assert min(recorded(tmp_path)) >= 0.99
    told = figures(tmp_path)
    assert told["srtp"] == "AES_CM_128_HMAC_SHA1_80"
    assert told["srtp_failures"] == told["srtp_replays"] == 0


def test_we_call_linphone_and_both_hear_the_other_by_srtp(
    linphone: Linphone, tmp_path: Path
) -> None:
    recording = tmp_path / "call.wav"
    with linphone.running("-a"):
        report = call(
            linphone.uri, "--srtp", "required",
            "--play", str(SPEECH), "--record", str(recording), "--duration", "7.2",
        )  # fmt: skip
    assert report["srtp"] == "AES_CM_128_HMAC_SHA1_80"
    assert report["srtp_failures"] == report["packets_lost"] == 0
    sent, heard = read_wav(recording)
    assert words_within(SPEECH, sent) >= 0.99
    assert words_within(SPEECH, heard) >= 0.99
    assert heard_by(linphone) >= 0.99
