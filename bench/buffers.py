"""Jitter buffers of others, each played as its own programs play it: for the table "jitter".

A player sees what our stream sees, packets and ticks, and tells after each tick how far the speech
was played. That is read off the sound: a packet carries its place, and its samples bring the
listener there; a sample made up for a packet given up moves the listener on by one, and a sample
made up while waiting leaves the listener where it was.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from bench.concealers import Samples
from bench.peers import library
from rapida_media.kernels import ulaw_decode
from rapida_media.testing.jitter import COMFORT_NOISE, PEER, RtpPacket, open_stream

RATE_HZ, TICK_MS = 8000, 10
TICK = RATE_HZ * TICK_MS // 1000


class Played(NamedTuple):
    """Sound of a tick. position: the sample of the speech that was reached; owed: samples made up
    since while waiting for more; idle: whether the sender paused."""

    pcm: Samples
    position: int
    owed: int
    idle: bool


class Player(Protocol):
    def receive(self, packet: RtpPacket, place: int) -> None:
        """Take a packet when it arrives. place: of its first sample in the speech."""

    def pull(self, now_us: int) -> Played: ...


class Ours:
    def __init__(self, policy: str) -> None:
        self._stream = open_stream(policy)
        self._first: int | None = None

    def receive(self, packet: RtpPacket, place: int) -> None:
        if self._first is None and packet.payload_type != COMFORT_NOISE:
            self._first = place
        self._stream.receive_datagram(packet.datagram(), PEER, packet.arrival_us / 1e6)

    def pull(self, now_us: int) -> Played:
        pcm = np.frombuffer(self._stream.pull(now_us / 1e6, TICK_MS), np.int16)
        position, owed, idle = self._stream.playout_state()
        return Played(pcm, position + (self._first or 0), owed, idle)


class Pieces(ABC):
    """A buffer that is asked for a piece whenever the last one has been played."""

    def __init__(self) -> None:
        self._pcm = np.zeros(0, np.int16)
        self._state = np.zeros((3, 0), np.int64)  # place, owed, idle after each sample
        self._place = self._owed = 0
        self._idle = False

    @abstractmethod
    def receive(self, packet: RtpPacket, place: int) -> None: ...

    @abstractmethod
    def _ask(self) -> None:
        """Ask the buffer for more, and append what it says."""

    def pull(self, now_us: int) -> Played:
        while len(self._pcm) < TICK:
            self._ask()
        pcm, state = self._pcm[:TICK], self._state[:, TICK - 1]
        self._pcm, self._state = self._pcm[TICK:], self._state[:, TICK:]
        return Played(pcm, int(state[0]), int(state[1]), bool(state[2]))

    def _append(self, pcm: Samples, *, place: int | None = None, waits: bool = False) -> None:
        """place: of the first sample where the sound is real. waits: for what is to come."""
        count, steps = len(pcm), np.arange(1, len(pcm) + 1)
        if place is not None:
            self._place, self._owed = place, 0
        owed = self._owed + steps * waits
        places = self._place + steps * (not waits)
        state = np.stack([places, owed, np.full(count, self._idle)])
        self._pcm = np.concatenate([self._pcm, pcm])
        self._state = np.concatenate([self._state, state], axis=1)
        if count:
            self._place, self._owed = int(places[-1]), int(owed[-1])


class SpanDSP:
    """spandsp's concealment of lost packets, and its noise."""

    def __init__(self) -> None:
        self._ffi, self._lib = library("spandsp")
        self._plc = self._ffi.gc(self._lib.plc_init(self._ffi.NULL), self._lib.plc_free)

    def heard(self, pcm: Samples) -> Samples:
        return self._run(self._lib.plc_rx, pcm.copy())

    def fill(self, count: int) -> Samples:
        return self._run(self._lib.plc_fillin, np.zeros(count, np.int16))

    def _run(self, verb: Callable[..., int], pcm: Samples) -> Samples:
        verb(self._plc, self._ffi.cast("int16_t *", pcm.ctypes.data), len(pcm))
        return pcm

    def noise(self, level_dbov: int) -> Callable[[int], Samples]:
        white, finest, seed, null = 1, 7, 1, self._ffi.NULL
        made = self._lib.noise_init_dbov(null, seed, level_dbov, white, finest)
        state, one = self._ffi.gc(made, self._lib.noise_free), self._lib.noise
        return lambda count: np.array([one(state) for _ in range(count)], np.int16)


class SpeexDSP(Pieces):
    """speexdsp's adaptive buffer, as it is set from the start, and spandsp's concealment.

    It is asked for a tick when there is nothing left. A packet of another source resets it. Comfort
    noise (RFC 3389) waits in it like a packet of one tick, and is played as white noise until there
    is sound again.
    """

    OK, MISSING, INSERTION = 0, 1, 2

    def __init__(self) -> None:
        super().__init__()
        self._ffi, self._lib = library("speexdsp")
        make, free = self._lib.jitter_buffer_init, self._lib.jitter_buffer_destroy
        self._buffer = self._ffi.gc(make(TICK), free)
        self._packet, self._offset = self._ffi.new("JitterBufferPacket *"), self._ffi.new("int *")
        self._room = self._ffi.new("char[]", 2048)
        self._spandsp = SpanDSP()
        self._ssrc: int | None = None
        self._noise: Callable[[int], Samples] | None = None

    def receive(self, packet: RtpPacket, place: int) -> None:
        if self._ssrc not in (None, packet.ssrc):
            self._lib.jitter_buffer_reset(self._buffer)
        self._ssrc = packet.ssrc
        put, pauses = self._packet, packet.payload_type == COMFORT_NOISE
        payload = self._ffi.new("char[]", packet.payload)
        put.data, put.len = payload, len(packet.payload)
        put.timestamp, put.sequence = packet.timestamp, packet.sequence_number
        put.span = TICK if pauses else len(packet.payload)
        put.user_data = place * 2 + pauses
        self._lib.jitter_buffer_put(self._buffer, put)

    def pull(self, now_us: int) -> Played:
        played = super().pull(now_us)
        self._lib.jitter_buffer_tick(self._buffer)
        return played

    def _ask(self) -> None:
        got = self._packet
        got.data, got.len = self._room, len(self._room)
        found = self._lib.jitter_buffer_get(self._buffer, got, TICK, self._offset)
        if found == self.OK:
            payload = self._ffi.buffer(self._room, got.len)[:]
            self._take(payload, self._offset[0], *divmod(got.user_data, 2))
        else:
            self._append(self._made_up(got.span or TICK), waits=found == self.INSERTION)

    def _made_up(self, count: int) -> Samples:
        return self._noise(count) if self._noise else self._spandsp.fill(count)

    def _take(self, payload: bytes, offset: int, place: int, pauses: int) -> None:
        """offset: where the packet begins, from where the buffer looked for one."""
        if offset > 0:
            self._append(self._made_up(offset))
        gone = max(0, -offset)
        self._idle = bool(pauses)
        self._noise = self._spandsp.noise(-(payload[0] & 0x7F)) if pauses else None
        if self._noise:
            self._append(self._noise(TICK - gone), place=place + gone)
        else:
            pcm = np.frombuffer(ulaw_decode(payload), np.int16)[gone:]
            self._append(self._spandsp.heard(pcm), place=place + gone)


class PJMedia(Pieces):
    """pjmedia's adaptive buffer and its concealment by WSOLA, as its own streams use and set them:
    PCMU in frames of 10 ms, numbered by timestamp, asked for two at a time, half a second at most,
    240 ms made up and then silence, payload types that it does not know ignored, a new source a new
    beginning."""

    MISSING, NORMAL = 0, 1  # all others: there is nothing, or not yet enough, to play
    MOST, MADE_UP = 50, 24  # frames
    HELD = RATE_HZ * 5 // 1000  # samples that the concealment holds back, to overlap them

    def __init__(self) -> None:
        super().__init__()
        self._ffi, self._lib = library("pjmedia")
        new, self._memory = self._ffi.new, self._ffi.new("char[]", 1 << 18)
        self._lib.pj_log_set_level(0)
        self._lib.pj_init()
        pool = self._lib.pj_pool_create_on_buf(b"buffer", self._memory, len(self._memory))
        name, buffer, plc = new("pj_str_t *"), new("void **"), new("void **")
        self._lib.pjmedia_jbuf_create(pool, name, TICK, TICK_MS, self.MOST, buffer)
        self._lib.pjmedia_jbuf_set_adaptive(buffer[0], 0, 1, self.MOST * 4 // 5)
        self._lib.pjmedia_plc_create(pool, RATE_HZ, TICK, 0, plc)
        self._buffer, self._plc = buffer[0], plc[0]
        self._frame, self._size = new("char[]", TICK), new("size_t *")
        self._kind, self._info, self._discarded = new("uint8_t *"), new("uint32_t *"), new("int *")
        self._ssrc: int | None = None
        self._made_up = self.MADE_UP

    def receive(self, packet: RtpPacket, place: int) -> None:
        if packet.payload_type == COMFORT_NOISE:
            return
        if self._ssrc not in (None, packet.ssrc):
            self._lib.pjmedia_jbuf_reset(self._buffer)
        self._ssrc = packet.ssrc
        for start in range(0, len(packet.payload), TICK):
            frame, timestamp = packet.payload[start : start + TICK], packet.timestamp + start
            self._lib.pjmedia_jbuf_put_frame3(
                *(self._buffer, frame, TICK, place + start),
                *(timestamp // TICK, timestamp & 0xFFFFFFFF, self._discarded),
            )

    def _ask(self) -> None:
        for _ in range(2):
            self._ask_for_a_frame()

    def _ask_for_a_frame(self) -> None:
        null, self._size[0] = self._ffi.NULL, TICK
        self._lib.pjmedia_jbuf_get_frame3(
            self._buffer, self._frame, self._size, self._kind, self._info, null, null
        )
        if self._kind[0] == self.NORMAL:
            self._made_up = 0
            pcm = np.frombuffer(ulaw_decode(self._ffi.buffer(self._frame)[:]), np.int16).copy()
            self._conceal(self._lib.pjmedia_plc_save, pcm)
            self._append(pcm, place=self._info[0] - self.HELD)
            return
        pcm = np.zeros(TICK, np.int16)
        if self._made_up < self.MADE_UP:
            self._made_up += 1
            self._conceal(self._lib.pjmedia_plc_generate, pcm)
        self._append(pcm, waits=self._kind[0] != self.MISSING)

    def _conceal(self, verb: Callable[..., int], pcm: Samples) -> None:
        verb(self._plc, self._ffi.cast("int16_t *", pcm.ctypes.data))


OTHERS: dict[str, Callable[[], Player]] = {
    "speexdsp and spandsp": SpeexDSP,
    "pjmedia": PJMedia,
}


def open_player(name: str) -> Player:
    """Open a policy of ours, or another's buffer; MissingPeerError says how to get that."""
    return OTHERS[name]() if name in OTHERS else Ours(name)
