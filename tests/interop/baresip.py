"""Run baresip with a file for a microphone and both directions dumped as WAV files."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from rapida_media.demo.engine import HOST

from .audio import Sound, read_wav

MODULES = Path("/usr/lib/baresip/modules")


@dataclass(frozen=True)
class Phone:
    """A baresip configuration in a directory of its own; it speaks ``speech`` on each call."""

    program: str
    directory: Path
    port: int
    speech: Path

    @property
    def uri(self) -> str:
        return f"sip:phone@{HOST}:{self.port}"

    @property
    def tls_uri(self) -> str:
        """Where it listens with TLS: one above its port for the rest."""
        return f"sip:phone@{HOST}:{self.port + 1};transport=tls"

    def configure(
        self, codec: str, *, srtp: str | None = None, identity: Path | None = None
    ) -> None:
        """srtp: one of its kinds of media encryption. identity: a PEM file with certificate and
        key; with it, calls are placed over TLS."""
        self.directory.mkdir()
        tls = f"sip_certificate {identity}\nsip_trans_def tls\n" if identity else ""
        parameters = f";mediaenc={srtp}" if srtp else ""
        transport = ";transport=tls" if identity else ""
        (self.directory / "config").write_text(
            f"module_path {MODULES}\n"
            "module g711.so\nmodule aufile.so\nmodule sndfile.so\nmodule srtp.so\n"
            "module_tmp account.so\nmodule_app menu.so\n"
            f"audio_source aufile,{self.speech}\n"
            f"snd_path {self.directory}\n"
            f"sip_listen {HOST}:{self.port}\n{tls}"
        )
        account = (
            f"<sip:phone@{HOST}{transport}>;regint=0;answermode=auto;audio_codecs={codec}"
            f"{parameters}\n"
        )
        (self.directory / "accounts").write_text(account)
        (self.directory / "contacts").touch()

    def command(self, quit_after_seconds: int) -> list[str]:
        return [self.program, "-4", "-f", str(self.directory), "-t", str(quit_after_seconds)]

    def call(self, uri: str) -> str:
        """Call until the file has been played, which makes baresip hang up; give its output."""
        phone = subprocess.Popen(
            [*self.command(20), "-e", f"/dial {uri}"],
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

    def said(self) -> Sound:
        """Give what it sent."""
        return self._dump("enc")

    def heard(self) -> Sound:
        """Give what it decoded."""
        return self._dump("dec")

    def _dump(self, direction: str) -> Sound:
        (file,) = self.directory.glob(f"dump-*-{direction}.wav")
        (sound,) = read_wav(file)
        return sound
