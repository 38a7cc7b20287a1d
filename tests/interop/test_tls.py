"""Calls over TLS, with certificates of an authority that the test makes for itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

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
"""


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    return ca


@pytest.fixture
def tls_port(authority: trustme.CA, tmp_path: Path) -> Iterator[int]:
    """An echo engine that takes TLS as ``localhost``; its port."""
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(tmp_path / "cert.pem", append=True)
    udp, tls = free_port(), free_port()
    configuration = CONFIGURATION.format(host=HOST, udp=udp, tls=tls)
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
    request = (
        f"OPTIONS sips:localhost:{tls_port} SIP/2.0\r\n"
        "Via: SIP/2.0/TLS client.example;branch=z9hG4bKtls\r\n"
        "From: <sips:me@client.example>;tag=1\r\nTo: <sips:localhost>\r\nCall-ID: tls-1\r\n"
        "CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    ).encode()
    for octet in request:
        writer.write(bytes([octet]))
        await writer.drain()
    async with asyncio.timeout(10):
        answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    assert answer.startswith(b"SIP/2.0 200 OK\r\n")
    assert f"Contact: <sips:{HOST}:{tls_port}>".encode() in answer
    reader, writer = await asyncio.open_connection("localhost", tls_port)
    writer.write(request)
    async with asyncio.timeout(10):
        assert b"SIP/2.0" not in await reader.read()
    writer.close()
