"""Calls over TLS, with certificates of an authority that the test makes for itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
import trustme

from rapida_media.demo.engine import HOST, RunningEngine, running_command
from rapida_media.demo.ports import free_port

from .caller import call, run_call

CONFIGURATION = """
[sip]
listen = ["udp:{host}:{udp}", "tls:{host}:{tls}"]
tls_certificate = "cert.pem"
tls_key = "key.pem"
{more}
"""
OPTIONS = (
    b"OPTIONS sips:localhost SIP/2.0\r\n"
    b"Via: SIP/2.0/TLS client.example;branch=z9hG4bKtls\r\n"
    b"From: <sips:me@client.example>;tag=1\r\nTo: <sips:localhost>\r\nCall-ID: tls-1\r\n"
    b"CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    return ca


@pytest.fixture
def tls_port(authority: trustme.CA, tmp_path: Path) -> Iterator[int]:
    with serving(authority, tmp_path) as port:
        yield port


@contextlib.contextmanager
def serving(authority: trustme.CA, tmp_path: Path, more: str = "") -> Iterator[int]:
    """Run an echo engine that takes TLS as ``localhost``; its port. more: of ``[sip]``."""
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(tmp_path / "cert.pem", append=True)
    udp, tls = free_port(), free_port()
    configuration = CONFIGURATION.format(host=HOST, udp=udp, tls=tls, more=more)
    (tmp_path / "rapida.toml").write_text(configuration)
    command = [sys.executable, "-m", "rapida_media", "serve", "--agent", "echo"]
    command += ["--http", "127.0.0.1:0"]
    with running_command(tmp_path / "engine.log", udp, command, cwd=tmp_path) as engine:
        yield tls
        assert isinstance(engine, RunningEngine)
    assert "Traceback" not in engine.log.read_text(), engine.log.read_text()


@pytest.mark.parametrize(
    ("uri", "options"),
    [
        ("sip:echo@localhost:{port}", ["--transport", "tls"]),
        ("sip:echo@localhost:{port};transport=tls", []),
        ("sips:echo@localhost:{port}", []),
    ],
)
def test_a_call_over_tls_is_answered_heard_and_hung_up(
    tls_port: int, tmp_path: Path, uri: str, options: list[str]
) -> None:
    report = call(
        uri.format(port=tls_port), *options,
        "--tls-ca", str(tmp_path / "ca.pem"), "--duration", "0.6",
    )  # fmt: skip
    assert report["answered"] is True
    assert report["reason"] == "local_bye"
    assert report["packets_received"] >= 10


def test_a_certificate_nobody_vouches_for_is_not_talked_to(tls_port: int) -> None:
    done = run_call(f"sips:echo@localhost:{tls_port}")
    assert done.returncode == 1
    assert "its certificate is not trusted: unable to get local issuer" in done.stderr
    assert "--tls-ca" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert json.loads(done.stdout)["status"] == 503


def test_a_certificate_for_another_host_is_not_talked_to(tls_port: int, tmp_path: Path) -> None:
    done = run_call(f"sips:echo@{HOST}:{tls_port}", "--tls-ca", str(tmp_path / "ca.pem"))
    assert done.returncode == 1
    assert "its certificate is for another host: IP address mismatch" in done.stderr
    assert json.loads(done.stdout)["answered"] is False


def test_a_port_that_speaks_no_tls_is_said_to_be_one(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as plain:
        threading.Thread(target=_greet, args=(plain,), daemon=True).start()
        done = run_call(f"sips:echo@{HOST}:{plain.getsockname()[1]}")
    assert done.returncode == 1
    assert "it does not speak TLS as we do" in done.stderr


def _greet(plain: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection, _ = plain.accept()
        with connection:
            connection.sendall(b"SIP/2.0 400 Bad Request\r\n\r\n" * 4)
            connection.recv(4096)


def test_a_file_of_authorities_that_is_none_is_named(tls_port: int, tmp_path: Path) -> None:
    done = run_call(f"sips:echo@localhost:{tls_port}", "--tls-ca", str(tmp_path / "nothing.pem"))
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


async def test_messages_split_at_every_byte_are_answered_and_a_plain_tcp_client_is_not(
    tls_port: int, tmp_path: Path
) -> None:
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    reader, writer = await asyncio.open_connection("localhost", tls_port, ssl=context)
    for octet in OPTIONS:
        writer.write(bytes([octet]))
        await writer.drain()
    async with asyncio.timeout(10):
        answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    assert answer.startswith(b"SIP/2.0 200 OK\r\n")
    assert f"Contact: <sips:{HOST}:{tls_port}>".encode() in answer
    reader, writer = await asyncio.open_connection("localhost", tls_port)
    writer.write(OPTIONS)
    async with asyncio.timeout(10):
        assert b"SIP/2.0" not in await reader.read()
    writer.close()


def issue(authority: trustme.CA, name: str, path: Path) -> Path:
    """Write a certificate and its key; openssl wants one file for each."""
    certificate = authority.issue_cert(name)
    certificate.private_key_and_cert_chain_pem.write_to_path(path)
    return path


def ask(port: int, certificate: Path | None) -> str:
    """Send OPTIONS with openssl and give all it says, what it is answered among that."""
    command = ["openssl", "s_client", "-connect", f"{HOST}:{port}", "-ign_eof", "-quiet"]
    if certificate is not None:
        command += ["-cert", str(certificate), "-key", str(certificate)]
    with contextlib.suppress(subprocess.TimeoutExpired):
        done = subprocess.run(command, input=OPTIONS, capture_output=True, timeout=3, check=False)
        return (done.stdout + done.stderr).decode()
    # It was let in: openssl waits for more.
    return _answered(command)


def _answered(command: list[str]) -> str:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write(OPTIONS)
        client.stdin.flush()
        line = client.stdout.readline().decode()
        client.kill()
    return line


@pytest.mark.parametrize("without", [False, True], ids=["required", "optional"])
def test_openssl_gets_in_by_a_certificate_that_is_vouched_for(
    authority: trustme.CA, tmp_path: Path, *, without: bool
) -> None:
    """One that is not is no better where certificates are optional; our own authority, and the
    system's, do not count for clients."""
    carriers = trustme.CA()
    carriers.cert_pem.write_to_path(tmp_path / "carriers.pem")
    good = issue(carriers, "sip.carrier.example", tmp_path / "good.pem")
    foreign = issue(authority, "sip.carrier.example", tmp_path / "foreign.pem")
    wanted = 'tls_client_ca = "carriers.pem"\n'
    wanted += 'tls_client_certificates = "optional"' if without else ""
    with serving(authority, tmp_path, wanted) as port:
        assert "SIP/2.0 200 OK" in ask(port, good)
        assert ("SIP/2.0 200 OK" in ask(port, None)) is without
        assert "SIP/2.0" not in ask(port, foreign)
    log = (tmp_path / "engine.log").read_text()
    assert "its certificate is not trusted: unable to get local issuer certificate" in log
    assert ("it shows no certificate, which [sip] tls_client_ca wants" in log) is not without


def test_a_server_that_asks_for_our_certificate_gets_it(
    authority: trustme.CA, tmp_path: Path
) -> None:
    server = issue(authority, "localhost", tmp_path / "server.pem")
    port = free_port()
    command = ["timeout", "15", "openssl", "s_server", "-accept", f"{HOST}:{port}", "-Verify", "1"]
    command += ["-verify_return_error", "-CAfile", str(tmp_path / "ca.pem")]
    command += ["-cert", str(server), "-key", str(server)]
    trunk = (
        'tls_ca = "ca.pem"\n[trunks.carrier]\nhosts = ["localhost"]\nping_seconds = 1\n'
        f'transport = "tls"\nproxy = "localhost:{port}"'
    )
    pipe = subprocess.PIPE  # with an end of its input it would go
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT) as peer:
        assert peer.stdout is not None
        try:
            with serving(authority, tmp_path, trunk):
                said = _until(peer.stdout, b"OPTIONS sip:")
        finally:
            peer.terminate()
    assert b"depth=0" in said
    assert b"O = trustme" in said


def _until(stream: IO[bytes], wanted: bytes) -> bytes:
    """Read lines up to one with ``wanted``, or the stream's end."""
    said = b""
    for line in stream:
        said += line
        if wanted in line:
            return said
    raise AssertionError(said.decode(errors="replace"))
