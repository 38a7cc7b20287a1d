"""The profile with RTCP feedback (RFC 4585), which linphone offers when told to."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from rapida_media.demo import SPEECH
from rapida_media.demo.engine import HOST, running_command
from rapida_media.demo.ports import free_port

from .audio import match_of_most_pieces, read_wav
from .linphone import Linphone

pytestmark = pytest.mark.interop


def test_linphone_offers_feedback_and_hears_its_speech_back_without(
    linphonec: str, tmp_path: Path
) -> None:
    phone = Linphone(linphonec, tmp_path / "phone", free_port(), free_port(), SPEECH, feedback=True)
    udp, log = free_port(), tmp_path / "engine.log"
    command = [
        *(sys.executable, "-m", "rapida_media", "serve", "--agent", "echo"),
        *("--sip", f"{HOST}:{udp}", "--log-format", "json"),
    ]
    with running_command(log, udp, command, cwd=tmp_path), phone.running() as console:
        console.do(f"call sip:echo@{HOST}:{udp};transport=tcp")
        console.wait_for("LinphoneCallStreamsRunning")
        time.sleep(7.4)
        console.do("terminate")
        console.wait_for("LinphoneCallReleased")
        assert console.profiles() == {"RTP/AVPF"}
    (said,) = read_wav(SPEECH)
    assert match_of_most_pieces(said, phone.heard()).correlation >= 0.99
    (told,) = (json.loads(line) for line in log.read_text().splitlines() if '"rtcp_' in line)
    assert told["rtcp_received"] >= 1
