"""A telephone at the far end of a call, on virtual time: it says, presses, hears and hangs up.

Between it and the agent are the engine's own RTP leg and packets of PCMU over the world's network.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Protocol

from rapida_media.agents.events import HangUp
from rapida_media.call.call import Call, CallInfo
from rapida_media.call.endings import Ending, ended
from rapida_media.call.signalling import Signalling
from rapida_media.kernels import MediaStream
from rapida_media.legs.rtp_leg import RtpLeg
from rapida_media.media.frame import FRAME_BYTES, FRAME_MS, RATE_HZ
from rapida_media.media.wav import read_wav
from rapida_media.rtp.session import RtcpSession
from rapida_media.sdp.codec import Codec
from rapida_media.sdp.offer_answer import NegotiatedAudio
from rapida_media.sip.address import Address
from rapida_media.testing.clock import SeededIds
from rapida_media.testing.listening import find
from rapida_media.testing.media import MediaNode
from rapida_media.testing.network import Packet
from rapida_media.testing.world import World

ENGINE, PHONES = "192.0.2.1", "192.0.2.2"
PCMU = Codec("PCMU", 8000, 1, 0)
# What is listened for is looked for so often, and given up after so long if not told otherwise.
LISTEN_S = 0.2
PATIENCE_S = 10.0
# A telephone line at rest is below it, the quietest word above.
QUIET_DBOV = -50

Sound = bytes | str | Path


def rtp_leg(ssrc: int, remote: Address) -> RtpLeg:
    """Make a leg that sends PCMU and telephone-events to an address, as after offer and answer."""
    stream = MediaStream(ssrc=ssrc, sequence_number=65_530, timestamp=2**32 - 1000)
    leg = RtpLeg(stream, RtcpSession(stream, SeededIds(ssrc), 0.0))
    leg.configure(
        NegotiatedAudio(
            remote_address=remote.host,
            remote_port=remote.port,
            remote_rtcp=None,
            send=PCMU,
            receive=(PCMU,),
            send_event=101,
            receive_events={101: 8000},
            direction="sendrecv",
            ptime_ms=FRAME_MS,
        )
    )
    return leg


class LegNode(MediaNode):
    """A leg as a node of a ``World``: what arrives goes to the call on it."""

    def __init__(self, address: Address, leg: RtpLeg) -> None:
        super().__init__(address.host, address.port, leg.stream)
        self.leg = leg

    def packets_to_send(self, now: float) -> list[Packet]:
        datagrams = self.stream.datagrams_to_send(now)
        self.leg.pump(now)
        return [Packet(data, self.address, Address(*to)) for data, to in datagrams]


class Hearer(Signalling, Protocol):
    """The signalling, which hears when the phone hangs up."""

    def finish(self, ending: Ending, cause: str | None = None) -> None: ...


# A pair of addresses for each phone; the world of one test sees none of another's.
_ports = count(10_000, 2)


class TestPhone:
    """call: what the agent holds at the other end.

    status: the SIP status it was last told of its call, None while nothing is decided. sent_to:
    where the agent transferred or redirected it. is_held: the agent holds it.
    """

    __test__ = False  # for pytest: no class of tests

    def __init__(
        self,
        world: World,
        info: CallInfo,
        signalling: Hearer,
        others: Mapping[str, TestPhone],
    ) -> None:
        number = next(_ports)
        far = Address(PHONES, number)
        self._world = world
        self._signalling = signalling
        self._others = others
        self._node = LegNode(Address(ENGINE, number), rtp_leg(number, far))
        stream = MediaStream(ssrc=number + 1, sequence_number=1, timestamp=0)
        self._media = MediaNode(far.host, far.port, stream)
        self._line = bytearray()  # all that was heard
        self._taken = 0  # frames of it
        self._listened_to = 0  # octets that were waited for
        self.status: int | None = None
        self.sent_to: str | None = None
        self.is_held = False
        new_future = asyncio.get_running_loop().create_future
        self.call = Call(info, self._node.leg, signalling, new_future)

    def connect(self) -> None:
        """Let media flow in both directions, from now on. Doing it again changes nothing."""
        if self._node.address in self._world.nodes:
            return
        now = self._world.now
        self._world.add(self._node)
        self._world.add(self._media)
        self._node.leg.start(now)
        self._media.connect(self._node.address, now)

    def disconnect(self) -> None:
        """The engine sends nothing more; what is on its way is still heard."""
        self._world.nodes.pop(self._node.address, None)

    # -- what its user does --------------------------------------------------------------------

    def say(self, sound: Sound) -> None:
        """Say something, behind what is being said: a WAV file, or s16le mono 16 kHz audio."""
        self._media.stream.write(_pcm(sound))

    async def said(self) -> None:
        """Wait until all is said."""
        await self.wait(self._media.stream.queued_ms / 1000 + FRAME_MS / 1000)

    def press(self, keys: str) -> None:
        """Press keys, ``0-9 * # A-D``, behind what is being said."""
        self._media.stream.send_digits(keys)

    def hold(self) -> None:
        """Put the call on hold: this end sends nothing any more."""
        self._media.connect(self._node.address, self._world.now, sending=False)
        self.call.hold_changed(True)

    def resume(self) -> None:
        self._media.connect(self._node.address, self._world.now)
        self.call.hold_changed(False)

    def hang_up(self) -> None:
        """End the call, or give up while it rings."""
        self._signalling.finish(ended("bye") if self.call.answered else ended("canceled", 487))

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    # -- what its user notices -----------------------------------------------------------------

    @property
    def heard(self) -> bytes:
        """All that was heard so far: s16le mono 16 kHz; what was lost on the way is silence."""
        return bytes(self._take())

    def _take(self) -> bytearray:
        frames = self._media.frames
        for frame in frames[self._taken :]:
            at = 2 * (frame.pts - frames[0].pts)
            self._line.extend(bytes(max(0, at - len(self._line))))
            self._line[at : at + len(frame.pcm)] = frame.pcm
        self._taken = len(frames)
        return self._line

    @property
    def keys(self) -> str:
        """The keys that were pressed at the other end."""
        return "".join(digit for digit, *_ in self._media.digits)

    async def hears(self, sound: Sound, within: float = PATIENCE_S) -> None:
        """Wait until a sound was heard to its end, after what was waited for before.

        AssertionError when it was not, ``within`` seconds later than it could have been, or when
        the call ends before.
        """
        # The filters of the line still hold the last moment when a call ends with it.
        said = _pcm(sound)[:-FRAME_BYTES]
        until = self._world.now + len(said) / 2 / RATE_HZ + within
        begins = self._listened_to
        over: HangUp | None = None
        while True:
            heard = self._take()
            place = find(said, bytes(heard[begins:]))
            if place is not None:
                self._listened_to = begins + 2 * place + len(said)
                return
            assert over is None, f"the call ended ({over.reason}) before the sound was heard"
            assert self._world.now < until, f"the sound was not heard within {within:g} s"
            begins = max(begins, len(heard) - len(said))  # it does not begin before
            over = self.call.ended
            await self.wait(LISTEN_S)  # the last packets may be on their way

    async def hears_nothing(self, seconds: float) -> None:
        """Let time pass; AssertionError when anything louder than -50 dBov is heard in it."""
        before = len(self._media.frames)
        await self.wait(seconds)
        loudest = max((frame.level_dbov for frame in self._media.frames[before:]), default=-127)
        assert loudest <= QUIET_DBOV, f"expected silence, heard a sound of {loudest} dBov"

    async def dials(self, target: str, within: float = PATIENCE_S) -> TestPhone:
        """Wait until the agent has called somebody else who answered; gives that telephone."""
        until = self._world.now + within
        while target not in self._others:
            assert self.call.ended is None, "the call ended before anybody else was called"
            assert self._world.now < until, f"{target} was not called within {within:g} s"
            await self.wait(FRAME_MS / 1000)
        return self._others[target]

    async def is_hung_up(self, within: float = PATIENCE_S) -> HangUp:
        """Wait until the call is over; gives how it ended. AssertionError when it goes on."""
        until = self._world.now + within
        while self.call.ended is None:
            assert self._world.now < until, f"the call was not hung up within {within:g} s"
            await self.wait(FRAME_MS / 1000)
        return self.call.ended


def _pcm(sound: Sound) -> bytes:
    return sound if isinstance(sound, bytes) else read_wav(sound)
