"""A real Asterisk on loopback, in the folder that ``install`` made, with our own configuration."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from missing import skip_or_fail

from rapida_media.demo.engine import HOST, RunningEngine, running_command
from rapida_media.demo.ports import free_port

from ..identity import Authority

CONFIGURATION = Path(__file__).with_name("configuration")
PASSWORD = "open-sesame"


@dataclass(frozen=True)
class Ports:
    """Of Asterisk: sip, tls, http. Where it finds the engine of a test: the others."""

    sip: int
    tls: int
    http: int
    engine_sip: int
    engine_tls: int
    engine_http: int
    audiosocket: int


@dataclass(frozen=True)
class Asterisk:
    """A running one. log: what it printed. identity: who vouches for it, and for engines."""

    ports: Ports
    running: RunningEngine
    identity: Authority

    @property
    def log(self) -> str:
        return self.running.log.read_text(errors="replace")

    def uri(self, extension: str) -> str:
        return self.running.uri(extension)


def root_of_asterisk() -> Path:
    """Give the folder Asterisk is installed in; skip the test without it, or fail it in CI."""
    default = Path.home() / ".cache/rapida-media/asterisk"
    root = Path(os.environ.get("RAPIDA_ASTERISK_ROOT", default))
    if not (root / ".complete").exists():
        skip_or_fail(f"there is no Asterisk in {root} (as root: tests/interop/asterisk/install)")
    if os.geteuid() != 0:
        skip_or_fail("Asterisk runs in a folder of its own by chroot, which wants root")
    return root


@contextmanager
def running_asterisk(log: Path) -> Iterator[Asterisk]:
    """Run Asterisk in the foreground until the block ends; its files are in its own /tmp."""
    root = root_of_asterisk()
    ports = Ports(*(free_port() for _ in Ports.__dataclass_fields__))
    folder = Path(tempfile.mkdtemp(prefix="rapida-", dir=root / "tmp"))
    try:
        _configure(folder, root, ports)
        identity = Authority(folder)
        identity.issue("asterisk")
        inside = f"/{folder.relative_to(root)}"
        command = [
            *("chroot", str(root), "/usr/bin/env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"),
            *("asterisk", "-f", "-n", "-C", f"{inside}/asterisk.conf"),
        ]
        with running_command(log, ports.sip, command) as running:
            yield Asterisk(ports, running, identity)
    finally:
        shutil.rmtree(folder)


def _configure(folder: Path, root: Path, ports: Ports) -> None:
    inside = f"/{folder.relative_to(root)}"
    (modules,) = root.glob("usr/lib/*/asterisk/modules")
    values = {
        "FOLDER": inside,
        "MODULES": f"/{modules.relative_to(root)}",
        "HOST": HOST,
        "PASSWORD": PASSWORD,
        **{name.upper(): str(getattr(ports, name)) for name in Ports.__dataclass_fields__},
    }
    for source in CONFIGURATION.iterdir():
        text = source.read_text()
        for name, value in values.items():
            text = text.replace(f"@{name}@", value)
        (folder / source.name).write_text(text)
