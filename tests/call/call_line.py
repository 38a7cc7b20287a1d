"""Two RTP legs face to face in virtual time, without sockets; one carries the call under test."""

from __future__ import annotations

import asyncio

from rapida_media.call.call import Call, CallInfo
from rapida_media.legs.rtp_leg import RtpLeg
from rapida_media.sip.address import Address
from rapida_media.testing.phone import rtp_leg

TICK_S = 0.005


def leg(ssrc: int, remote_port: int) -> RtpLeg:
    return rtp_leg(ssrc, Address("192.0.2.1", remote_port))


class Signals:
    """Notes what the call asks of its signalling."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, object]] = []

    def ring(self) -> None:
        self.asked.append(("ring", None))

    def progress(self) -> bool:
        self.asked.append(("progress", None))
        return True

    def answer(self) -> None:
        self.asked.append(("answer", None))

    def reject(
        self, status: int, cause: str | None = None, retry_after_s: int | None = None
    ) -> None:
        self.asked.append(("reject", status))

    def redirect(self, uri: str) -> None:
        self.asked.append(("redirect", uri))

    takes_digits = True

    def send_digits(self, digits: str, done) -> None:
        self.asked.append(("send_digits", digits))
        self.done = done

    def transfer(self, target, done) -> None:
        self.asked.append(("transfer", target))
        self.done = done

    def hold(self, held: bool, done) -> None:
        self.asked.append(("hold", held))
        self.done = done

    def dial(self, order, ringing):
        self.asked.append(("dial", order))
        self.ringing = ringing
        self.dialled = asyncio.get_running_loop().create_future()
        return self.dialled

    def hand_over(self, agent) -> None:
        self.asked.append(("hand_over", agent))

    def hang_up(self, reason: str, cause: str | None = None) -> None:
        self.asked.append(("hang_up", reason if cause is None else (reason, cause)))


class Line:
    """A call, the far end it talks to, and the time between them."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.near, self.far = leg(1, 7000), leg(2, 6000)
        self.near.start(self.now)
        self.far.start(self.now)
        self.signals = Signals()
        info = CallInfo("c1", "sip", "inbound", "sip:a@192.0.2.1", "sip:b@192.0.2.2")
        self.call = Call(info, self.near, self.signals, asyncio.get_running_loop().create_future)
        self.heard: list[bytes] = []
        self.far.received.subscribe(lambda frame: self.heard.append(frame.pcm))

    async def run(self, seconds: float) -> None:
        """Let virtual time pass, with agents awake in between."""
        for _ in range(round(seconds / TICK_S)):
            self.now += TICK_S
            for sender, receiver in ((self.near, self.far), (self.far, self.near)):
                for data, _ in sender.stream.datagrams_to_send(self.now):
                    receiver.stream.receive_datagram(data, ("192.0.2.1", 5004), self.now)
            for each in (self.near, self.far):
                each.pump(self.now)
            await self.settle()

    async def settle(self) -> None:
        """Let every task run until it waits."""
        for _ in range(3):
            await asyncio.sleep(0)
