"""sipp, the SIP traffic generator, as caller and as called party."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from rapida_media.demo import SPEECH
from rapida_media.demo.engine import HOST, RunningEngine
from rapida_media.kernels import alaw_decode

from .audio import Sound, match, match_of_most_pieces, read_wav
from .caller import call
from .conftest import StartSipp
from .sipp import payloads_of

pytestmark = pytest.mark.interop

CALLS = 1000
CALLS_PER_SECOND = 20
CALL_MS = 1000
SIPP_PCAPS = Path("/usr/share/sip-tester")


def test_a_thousand_calls_with_media_at_20_per_second_all_succeed(
    engine: RunningEngine, start_sipp: StartSipp
) -> None:
    uac = start_sipp(
        "uac", f"{HOST}:{engine.port}", "-s", "echo", "-rtp_echo",
        "-m", str(CALLS), "-r", str(CALLS_PER_SECOND), "-d", str(CALL_MS),
        "-timeout", "100", "-timeout_error",
    )  # fmt: skip
    echoed = uac.echoed_when(CALLS * 9 // 10, timeout=90)
    result = uac.wait(timeout=60)
    print(f"{result.successful} calls, {echoed} RTP packets returned in the first nine tenths")
    assert (result.exit_code, result.successful, result.troubles, result.errors) == (
        0, CALLS, {}, "",
    )  # fmt: skip
    packets_per_call = CALL_MS / 20
    assert echoed >= 0.9 * (CALLS * 9 // 10) * packets_per_call


def test_calls_that_play_recorded_rtp_and_a_digit_all_succeed(
    engine: RunningEngine, start_sipp: StartSipp, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("sipp replays packets through a raw socket, which only root may open")
    if not (SIPP_PCAPS / "g711a.pcap").exists():
        pytest.skip(f"sipp's sample packets are not in {SIPP_PCAPS}")
    (tmp_path / "replay").mkdir()
    (tmp_path / "replay" / "pcap").symlink_to(SIPP_PCAPS)
    uac = start_sipp(
        "uac_pcap", f"{HOST}:{engine.port}", "-s", "recorded",
        "-m", "10", "-r", "20", "-timeout", "30", "-timeout_error", name="replay",
    )  # fmt: skip
    result = uac.wait(timeout=40)
    assert (result.exit_code, result.successful, result.troubles, result.errors) == (0, 10, {}, "")
    recordings = list((tmp_path / "recordings").glob("*.wav"))
    assert len(recordings) == 10
    pcm = np.frombuffer(alaw_decode(payloads_of(SIPP_PCAPS / "g711a.pcap")), dtype="<i2")
    replayed = Sound(8000, pcm.astype(np.float64)).without_silence_around()
    for recording in recordings:
        far_end, agent = read_wav(recording)
        assert match(replayed, far_end).correlation >= 0.99
        assert match_of_most_pieces(far_end, agent).correlation >= 0.99


def test_sipp_answers_our_call_and_returns_our_speech(
    start_sipp: StartSipp, tmp_path: Path
) -> None:
    uas = start_sipp("uas", "-rtp_echo", "-m", "1", "-timeout", "30", "-timeout_error")
    report = call(
        f"sip:service@{HOST}:{uas.sip_port}",
        *("--play", str(SPEECH), "--record", str(tmp_path / "back.wav"), "--duration", "3"),
    )
    result = uas.wait(timeout=20)
    assert (result.exit_code, result.successful, result.troubles, result.errors) == (0, 1, {}, "")
    assert report["answered"] is True
    assert report["packets_received"] >= 100
    assert report["packets_lost"] == 0
    assert report["correlation"] >= 0.99
