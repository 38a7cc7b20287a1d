"""Run linphonec, linphone's console, with WAV files in place of a sound card."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rapida_media.demo.engine import HOST

from .audio import Sound, read_wav

START_SECONDS = 15.0
POLL_SECONDS = 0.05

# A jitter buffer of one length and no echo canceller: what it hears is what it writes down.
CONFIGURATION = """[sip]
sip_port=-1
sip_tcp_port={port}
sip_tls_port=-1
{security}
use_ipv6=0
ipv6_migration_done=1
[rtp]
audio_rtp_port={media_port}
audio_adaptive_jitt_comp_enabled=0
audio_jitt_comp=100
avpf={avpf}
[misc]
use_cn={use_cn}
[sound]
echocancellation=0
[audio_codec_0]
mime=PCMU
rate=8000
channels=1
enabled=1
"""


SECURITY = "media_encryption=srtp\nmedia_encryption_mandatory=1\nroot_ca={authorities}"


@dataclass(frozen=True)
class Linphone:
    """A linphone with a home directory of its own; it speaks ``speech``, if any, on each call. With
    authorities to trust, media has to be encrypted. It takes calls over TCP: it has no TLS server.

    feedback: it offers the profiles with RTCP feedback (RFC 4585, RFC 5124).
    comfort_noise: it agrees on RFC 3389. (5.1 crashes then as soon as it has something to say.)
    """

    program: str
    directory: Path
    port: int
    media_port: int
    speech: Path | None
    authorities: Path | None = None
    comfort_noise: bool = False
    feedback: bool = False

    @property
    def uri(self) -> str:
        return f"sip:phone@{HOST}:{self.port};transport=tcp"

    @contextmanager
    def running(self, *options: str) -> Iterator[Console]:
        """Run it until the block ends; it has a network by the time that begins."""
        (self.directory / ".local/share/linphone").mkdir(parents=True)
        configuration = self.directory / "linphonerc"
        configuration.write_text(
            CONFIGURATION.format(
                port=self.port,
                media_port=self.media_port,
                security=SECURITY.format(authorities=self.authorities) if self.authorities else "",
                use_cn=int(self.comfort_noise),
                avpf=int(self.feedback),
            )
        )
        log = self.directory / "linphone.log"
        process = subprocess.Popen(
            [self.program, "-c", str(configuration), "-l", str(log), "-d", "6", *options],
            env={**os.environ, "HOME": str(self.directory)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        console = Console(process, log)
        try:
            console.wait_for("network reachability state is now [UP]")
            console.do("soundcard use files")
            if self.speech is not None:
                console.do(f"play {self.speech}")
            console.do(f"record {self.directory / 'heard.wav'}")
            yield console
        finally:
            process.terminate()
            process.communicate(timeout=10)

    def heard(self) -> Sound:
        (sound,) = read_wav(self.directory / "heard.wav")
        return sound


@dataclass(frozen=True)
class Console:
    """A running linphonec."""

    process: subprocess.Popen[str]
    log: Path

    def do(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()

    def wait_for(self, text: str, seconds: float = START_SECONDS) -> None:
        """Wait until its log says so; fails with the end of the log."""
        deadline = time.monotonic() + seconds
        while text not in (told := self._told()):
            assert time.monotonic() < deadline, f"no {text!r} in {told[-4000:]}"
            assert self.process.poll() is None, told[-4000:]
            time.sleep(POLL_SECONDS)

    def profiles(self) -> set[str]:
        """Give the profiles of all audio lines of both sides."""
        return set(re.findall(r"^m=audio \d+ (\S+)", self._told(), re.MULTILINE))

    def _told(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""
