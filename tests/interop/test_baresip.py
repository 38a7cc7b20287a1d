"""baresip, a softphone of another house, calls us: it speaks, and hears its own words back."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rapida_media.demo import SPEECH
from rapida_media.demo.engine import HOST, RunningEngine, free_port

from .audio import clipped_to_speech, match, read_wav

pytestmark = pytest.mark.interop

MODULES = Path("/usr/lib/baresip/modules")
QUIT_SECONDS = 20


def write_configuration(directory: Path, codec: str) -> None:
    """One account, a file for a microphone, and both directions dumped as WAV files."""
    (directory / "config").write_text(
        f"module_path {MODULES}\n"
        "module g711.so\nmodule aufile.so\nmodule sndfile.so\n"
        "module_tmp account.so\nmodule_app menu.so\n"
        f"audio_source aufile,{SPEECH}\n"
        f"snd_path {directory}\n"
        f"sip_listen {HOST}:{free_port()}\n"
    )
    account = f"<sip:phone@{HOST}>;regint=0;audio_codecs={codec}\n"
    (directory / "accounts").write_text(account)
    (directory / "contacts").touch()


def baresip_calls(program: str, uri: str, directory: Path) -> str:
    """Let baresip call until its file has been played, which makes it hang up."""
    command = [program, "-4", "-f", str(directory), "-e", f"/dial {uri}", "-t", str(QUIT_SECONDS)]
    phone = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert phone.stdout is not None
    lines = []
    try:
        for line in phone.stdout:
            lines.append(line)
            if "terminated" in line:
                break
    finally:
        phone.terminate()
        rest, _ = phone.communicate(timeout=10)
    return "".join(lines) + rest


@pytest.mark.parametrize("codec", ["pcmu", "pcma"])
def test_baresip_hears_its_own_speech_back(
    engine: RunningEngine, baresip: str, tmp_path: Path, codec: str
) -> None:
    if not MODULES.is_dir():
        pytest.skip(f"baresip's modules are not in {MODULES}")
    phone = tmp_path / "phone"
    phone.mkdir()
    write_configuration(phone, codec)
    output = baresip_calls(baresip, engine.uri("echo"), phone)
    assert "end of file" in output, output
    (sent_file,) = phone.glob("dump-*-enc.wav")
    (heard_file,) = phone.glob("dump-*-dec.wav")
    rate_hz, (speech,) = read_wav(SPEECH)
    (_, (sent,)), (_, (heard,)) = read_wav(sent_file), read_wav(heard_file)
    words = clipped_to_speech(speech)
    print(f"{codec}: sent {match(words, sent, rate_hz)}, heard {match(words, heard, rate_hz)}")
    assert match(words, sent, rate_hz).correlation >= 0.99
    assert match(words, heard, rate_hz).correlation >= 0.99
