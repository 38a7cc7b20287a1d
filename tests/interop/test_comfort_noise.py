"""Our pauses told by RFC 3389: to linphone, and as tshark decodes them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rapida_media.demo import SPEECH
from rapida_media.demo.engine import HOST, running_command
from rapida_media.demo.ports import free_port
from rapida_media.kernels import MediaStream
from rapida_media.net.pcap import HEADER, record

from .audio import match_of_most_pieces, read_wav
from .conftest import require
from .linphone import Linphone

pytestmark = pytest.mark.interop

CONFIGURATION = """
[sip]
listen = ["udp:{host}:{udp}", "tcp:{host}:{udp}"]
[rtp]
comfort_noise = true
[trunks.local]
hosts = ["{host}"]
[assistants.greeter]
agent = "echo"
greeting = "{greeting}"
"""


def test_linphone_hears_our_speech_and_takes_our_noise_in_its_pauses(
    linphonec: str, tmp_path: Path
) -> None:
    phone = Linphone(
        linphonec, tmp_path / "linphone", free_port(), free_port(), None, comfort_noise=True
    )
    udp, log = free_port(), tmp_path / "engine.log"
    (tmp_path / "rapida.toml").write_text(CONFIGURATION.format(host=HOST, udp=udp, greeting=SPEECH))
    command = [sys.executable, "-m", "rapida_media", "serve", "--log-format", "json"]
    with running_command(log, udp, command, cwd=tmp_path), phone.running() as console:
        console.do(f"call sip:greeter@{HOST}:{udp};transport=tcp")
        console.wait_for("LinphoneCallStreamsRunning")
        time.sleep(9)
        console.do("terminate")
        console.wait_for("LinphoneCallReleased")
        taken = console.log.read_text(errors="replace").count("CN packet received")
    (told,) = (
        json.loads(line) for line in log.read_text().splitlines() if '"comfort_noise_sent"' in line
    )
    # What leaves while it hangs up it does not take any more.
    assert told["comfort_noise_sent"] - 2 <= taken <= told["comfort_noise_sent"]
    assert taken >= 4
    assert told["packets_sent"] < 400  # of 450 ticks
    (said,) = read_wav(SPEECH)
    assert match_of_most_pieces(said, phone.heard()).correlation >= 0.98


def test_tshark_decodes_our_noise_without_a_warning(tmp_path: Path) -> None:
    tshark = require("tshark")
    here, there = (HOST, 40_000), (HOST, 40_002)
    stream = MediaStream(ssrc=1, sequence_number=1, timestamp=1)
    stream.configure(
        receive={0: "PCMU"},
        send_payload_type=0,
        send_encoding="PCMU",
        send_noise=13,
        remote=there,
    )
    stream.start(0)
    packets = []
    for pcm in (b"\x10\x20" * 1600, b""):
        stream.write(pcm)
        until = stream.next_send_time() + 2
        while (now := stream.next_send_time()) < until:
            packets += [record(now, here, there, data) for data, _ in stream.datagrams_to_send(now)]
    capture = tmp_path / "sent.pcap"
    capture.write_bytes(HEADER + b"".join(packets))
    fields = ("rtp.p_type", "rtp.payload", "_ws.expert.message", "_ws.malformed")
    decoded = subprocess.run(
        [tshark, "-r", str(capture), "-d", f"udp.port=={there[1]},rtp", "-T", "fields",
         "-E", "separator=|", *(x for f in fields for x in ("-e", f))],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert len(decoded) == len(packets)
    noises = [line for line in decoded if line.startswith("13|")]
    assert noises == ["13|" + "4b" + 10 * "7f" + "||"] * 8
    assert {line.split("|", 2)[2] for line in decoded} == {"|"}
