"""baresip, a softphone of another house: it calls us, and we call it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rapida_media.demo import SPEECH
from rapida_media.demo.engine import RunningEngine, running_command
from rapida_media.demo.ports import free_port

from .audio import match, read_wav, words_within
from .baresip import MODULES, Phone
from .caller import call

pytestmark = pytest.mark.interop

# The far end's line of a recording lies where its first packet came (``call/placement.py``): where
# that waited for the processor, the echo seems that much sooner. Of three calls one shows the path.
ATTEMPTS = 3

MakePhone = Callable[[str], Phone]


@pytest.fixture
def make_phone(baresip: str, tmp_path: Path) -> MakePhone:
    if not MODULES.is_dir():
        pytest.skip(f"baresip's modules are not in {MODULES}")

    def make(codec: str) -> Phone:
        port = free_port()
        phone = Phone(baresip, tmp_path / f"phone-{port}", port, SPEECH)
        phone.configure(codec)
        return phone

    return make


@pytest.mark.parametrize("codec", ["pcmu", "pcma"])
def test_baresip_hears_its_own_speech_back_and_we_record_both_sides(
    engine: RunningEngine, make_phone: MakePhone, tmp_path: Path, codec: str
) -> None:
    for _ in range(ATTEMPTS):
        phone = make_phone(codec)
        output = phone.call(engine.uri("recorded"))
        assert "end of file" in output, output
        assert words_within(SPEECH, phone.said()) >= 0.99
        assert words_within(SPEECH, phone.heard()) >= 0.99
        latest = max((tmp_path / "recordings").glob("*.wav"), key=lambda path: path.stat().st_ctime)
        far_end, agent = read_wav(latest)
        assert words_within(SPEECH, far_end) >= 0.99
        assert words_within(SPEECH, agent) >= 0.99
        delay_ms = match(far_end, agent).delay_ms
        print(f"{codec}: {delay_ms:.1f} ms")
        if 0 < delay_ms <= 60:
            break
    assert 0 < delay_ms <= 60


def test_we_call_baresip_and_both_hear_the_other_speak(
    make_phone: MakePhone, tmp_path: Path
) -> None:
    phone = make_phone("pcma")
    recording = tmp_path / "call.wav"
    with running_command(tmp_path / "baresip.log", phone.port, phone.command(25)):
        report = call(
            phone.uri, "--play", str(SPEECH), "--record", str(recording), "--duration", "6.9"
        )
    assert report["codec"].startswith("PCMA")
    assert report["packets_lost"] == 0
    sent, heard = read_wav(recording)
    assert words_within(SPEECH, sent) >= 0.99
    assert words_within(SPEECH, heard) >= 0.99
    assert words_within(SPEECH, phone.heard()) >= 0.99
