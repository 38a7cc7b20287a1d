"""A WebRTC peer that is not ours (aiortc) as a caller: says what is known, keeps what it hears."""

from __future__ import annotations

import asyncio
import fractions
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame
from engine.waiting import eventually

from .conftest import Desk

Samples = npt.NDArray[np.int16]
RATE_HZ = 16_000
FRAME = 320


class Voice(MediaStreamTrack):
    """Says samples (16 kHz), then silence, on an absolute schedule of 20 ms."""

    kind = "audio"

    def __init__(self, said: Samples) -> None:
        super().__init__()
        self._said = said
        self._frames = 0
        self._began = 0.0

    async def recv(self) -> AudioFrame:
        loop = asyncio.get_running_loop()
        self._began = self._began or loop.time()
        await asyncio.sleep(self._began + 0.02 * self._frames - loop.time())
        at = FRAME * self._frames
        said = self._said[at : at + FRAME]
        frame = AudioFrame(format="s16", layout="mono", samples=FRAME)
        frame.planes[0].update(np.pad(said, (0, FRAME - len(said))).tobytes())
        frame.sample_rate, frame.time_base = RATE_HZ, fractions.Fraction(1, RATE_HZ)
        frame.pts = at
        self._frames += 1
        return frame


class Caller:
    """heard: what has arrived, as 16 kHz samples."""

    def __init__(self, said: Samples) -> None:
        self.peer = RTCPeerConnection()
        self.peer.addTrack(Voice(said))
        self.peer.on("track", self._listen)
        self.call_id = ""
        self._heard: list[Samples] = []
        self._listening: asyncio.Task[None] | None = None

    async def offer(self) -> str:
        await self.peer.setLocalDescription(await self.peer.createOffer())
        return str(self.peer.localDescription.sdp)

    async def call(self, desk: Desk, to: str = "echo", **more: Any) -> tuple[int, Any]:
        """Call; gives what the request was answered. ``connected`` waits for the rest."""
        status, body = await desk.post("/v1/webrtc", {"sdp": await self.offer(), "to": to, **more})
        if status == 201:
            self.call_id = body["call_id"]
            await self.answered(body["sdp"])
        return status, body

    async def answered(self, sdp: str) -> None:
        await self.peer.setRemoteDescription(RTCSessionDescription(sdp, "answer"))

    async def until(self, state: str, patience: float = 10.0) -> None:
        await eventually(lambda: self.peer.connectionState == state, patience)

    @property
    def heard(self) -> Samples:
        return np.concatenate([np.zeros(0, np.int16), *self._heard])

    def _listen(self, track: MediaStreamTrack) -> None:
        self._listening = asyncio.ensure_future(self._keep(track))

    async def _keep(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                self._heard.append(frame.to_ndarray().reshape(-1))
        except MediaStreamError:
            return

    def vanish(self) -> None:
        """Be gone without a word: no DTLS alert, no RTCP BYE, no checks."""
        ice = self.peer.getTransceivers()[0].sender.transport.transport
        for protocol in ice._connection._protocols:
            protocol.transport.abort()

    async def close(self) -> None:
        await self.peer.close()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)


@asynccontextmanager
async def caller(said: Samples | None = None) -> AsyncIterator[Caller]:
    made = Caller(np.zeros(0, np.int16) if said is None else said)
    try:
        yield made
    finally:
        await made.close()
