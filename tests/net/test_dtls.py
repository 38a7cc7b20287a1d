"""The handshake that gives the keys of a browser's media, against aiortc's client side."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiortc.rtcdtlstransport import (
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
)
from engine.waiting import eventually

from rapida_media.errors import RemoteProtocolError
from rapida_media.net.dtls import Dtls

LABEL = b"EXTRACTOR-dtls_srtp"


class Wire:
    """The client's side of a network that loses nothing. to_server: set by who makes the server."""

    role = "controlled"  # by this aiortc is the DTLS client
    to_server: Any

    def __init__(self) -> None:
        self.to_client: asyncio.Queue[bytes] = asyncio.Queue()

    async def _recv(self) -> bytes:
        return await self.to_client.get()

    async def _send(self, data: bytes) -> None:
        self.to_server(data)


class Pair:
    def __init__(self) -> None:
        self.wire = Wire()
        self.closed = 0
        self.server = Dtls(self.wire.to_client.put_nowait, self._closed)
        self.wire.to_server = self.server.receive
        certificate = RTCCertificate.generateCertificate()
        self.client = RTCDtlsTransport(self.wire, [certificate])  # type: ignore[arg-type]
        self.theirs = [(each.algorithm, each.value) for each in certificate.getFingerprints()]

    def _closed(self) -> None:
        self.closed += 1

    async def shake(self) -> Any:
        named = RTCDtlsParameters([RTCDtlsFingerprint(*self.server.fingerprint)])
        client = asyncio.ensure_future(self.client.start(named))
        try:
            return await asyncio.wait_for(self.server.handshake(self.theirs), 5)
        finally:
            await asyncio.wait_for(client, 5)

    async def close(self) -> None:
        await self.client.stop()
        await self.server.close()


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    made = Pair()
    yield made
    await made.close()


async def test_both_sides_have_the_same_keys(pair: Pair) -> None:
    keys = await pair.shake()
    assert (pair.client.state, keys.suite) == ("connected", "AEAD_AES_256_GCM")
    material = pair.client._ssl.export_keying_material(LABEL, 2 * (32 + 12))  # type: ignore[union-attr]
    client, server = material[:32] + material[64:76], material[32:64] + material[76:]
    assert (keys.receive.key, keys.send_key) == (client, server)


async def test_who_shows_another_certificate_than_was_named_gets_no_keys(pair: Pair) -> None:
    pair.theirs = [(name, "00" + digits[2:]) for name, digits in pair.theirs]
    with pytest.raises(RemoteProtocolError, match="certificate"):
        await pair.shake()


async def test_the_far_ends_goodbye_is_heard_and_ours_is_sent(pair: Pair) -> None:
    await pair.shake()
    await pair.client.stop()
    await eventually(lambda: pair.closed)


async def test_our_goodbye_is_sent_and_is_no_end_of_theirs(pair: Pair) -> None:
    await pair.shake()
    await pair.server.close()
    await eventually(lambda: pair.client.state == "closed")
    assert pair.closed == 0


async def test_nonsense_is_passed_over_and_what_nobody_fetches_is_lost(pair: Pair) -> None:
    for length in range(100):
        pair.server.receive(bytes([22]) * (length + 1))
    assert (await pair.shake()).suite == "AEAD_AES_256_GCM"
    pair.server.receive(bytes([63]) * 40)
    await asyncio.sleep(0)
    assert pair.closed == 0


def test_nobody_loads_aiortc_before_a_browser_calls() -> None:
    script = (
        "import sys, rapida_media.control.serve, rapida_media.cli;"
        "sys.exit('aiortc' in sys.modules or 'av' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
