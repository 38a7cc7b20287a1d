"""What strangers may hold of the engine: so many connections, and no room of a trunk's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trustme

from rapida_media.net import sip_listener

from .conftest import Bench
from .waiting import eventually

STRANGER, CARRIER = "127.0.0.7", "127.0.0.8"
LISTEN = """
[sip]
listen = ["tcp:127.0.0.1:0", "tls:127.0.0.1:0"]
tls_certificate = "cert.pem"
tls_key = "cert.pem"
"""
OPTIONS = (
    "OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.8:1;branch=z9hG4bKx\r\n"
    "From: <sip:y@127.0.0.8>;tag=1\r\nTo: <sip:x@127.0.0.1>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
    "Content-Length: 0\r\n\r\n"
)


@asynccontextmanager
async def connections(bench: Bench, transport: str, *hosts: str) -> AsyncIterator[list[bool]]:
    """Connect from each of the hosts and tell, after a while, which of them were let in."""
    address = bench.address(transport)
    made = [
        await asyncio.open_connection(address.host, address.port, local_addr=(host, 0))
        for host in hosts
    ]
    let_in = []
    for reader, _ in made:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await reader.read(1)
        let_in.append(not reader.at_eof())
    try:
        yield let_in
    finally:
        for _, writer in made:
            writer.close()


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_one_stranger_has_few_connections_handshakes_included_and_a_trunk_has_room(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    monkeypatch.setattr(sip_listener, "OF_ONE_STRANGER", 2)
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(
        str(Path(bench.folder) / "cert.pem")
    )
    engine = await bench.start(LISTEN)
    monkeypatch.setattr(engine._transport._streams._door, "_known", CARRIER.__eq__)
    hosts = (STRANGER, STRANGER, STRANGER, "127.0.0.9", CARRIER, CARRIER, CARRIER)
    async with connections(bench, transport, *hosts) as let_in:
        assert let_in == [True, True, False, True, True, True, True]
        assert engine.counters["sip_connections_refused"] == 1
    # They are gone, and so is what was counted of them.
    await eventually(lambda: not engine._transport._streams._door._strangers)
    async with connections(bench, transport, STRANGER, STRANGER) as let_in:
        assert let_in == [True, True]


async def test_strangers_together_leave_room_for_trunks(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sip_listener, "STRANGERS", 3)
    engine = await bench.start()
    monkeypatch.setattr(engine._transport._streams._door, "_known", CARRIER.__eq__)
    hosts = [f"127.0.0.{last}" for last in range(11, 16)]
    async with connections(bench, "tcp", *hosts) as let_in:
        assert let_in == [True, True, True, False, False]
        address = bench.address("tcp")
        reader, writer = await asyncio.open_connection(
            address.host, address.port, local_addr=(CARRIER, 0)
        )
        writer.write(OPTIONS.encode())
        async with asyncio.timeout(5):
            assert (await reader.readline()).startswith(b"SIP/2.0 200")
        writer.close()
