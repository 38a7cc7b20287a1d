"""A captured call as another program reads it: every packet decoded, none malformed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from missing import skip_or_fail

from rapida_media.demo import SPEECH
from rapida_media.demo.engine import RunningEngine

from .caller import call


def decoded(path: Path) -> list[dict[str, Any]]:
    """Read a capture with tshark, RTP found by the SDP in it."""
    if shutil.which("tshark") is None:
        skip_or_fail("tshark is not installed")
    done = subprocess.run(
        [
            *("tshark", "-n", "-r", str(path), "-T", "json"),
            *("-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    packets: list[dict[str, Any]] = json.loads(done.stdout)
    return [packet["_source"]["layers"] for packet in packets]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_tshark_reads_sip_and_rtp_of_a_captured_call(
    engine: RunningEngine, tmp_path: Path, transport: str
) -> None:
    path = tmp_path / "call.pcap"
    report = call(
        engine.uri("echo"),
        *("--play", str(SPEECH), "--duration", "1.5", "--pcap", str(path)),
        *("--transport", transport),
    )
    packets = decoded(path)
    kinds = Counter(
        "sip" if "sip" in packet else "rtp" if "rtp" in packet else "?" for packet in packets
    )
    assert set(kinds) == {"sip", "rtp"}
    assert not any("_ws.malformed" in json.dumps(packet) for packet in packets)
    assert not any("checksum.bad" in json.dumps(packet) for packet in packets)
    said = [
        packet["sip"].get("sip.Request-Line") or packet["sip"]["sip.Status-Line"]
        for packet in packets
        if "sip" in packet
    ]
    assert [each.removeprefix("SIP/2.0 ").split(" ")[0] for each in said] == [
        *("INVITE", "100", "200", "ACK", "BYE", "200")
    ]
    assert kinds["rtp"] == report["packets_sent"] + report["packets_received"]
