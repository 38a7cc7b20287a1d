"""What a recogniser is given of a call over a bad network: the table "jitter", policy `immediate`.

    immediate    our pieces, each in its place
    silence      every packet in its place, zeros where one is missing, what comes behind a later
                 one dropped: a gateway that looks at sequence numbers
    as it comes  payloads one after the other in their order of arrival: a gateway that does not

PESQ and STOI are asked for five seconds at a time; a stream that has lost its time line may begin
each of them where its packets begin, so that only what is wrong inside is counted.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.concealers import Samples
from bench.networks import PIECE, SPEECH_RMS, Pesq
from rapida_media.kernels import MediaStream, ulaw_decode
from rapida_media.testing.jitter import PEER, Call, RtpPacket, open_stream, take_pieces

Stoi = Callable[..., float]


@dataclass(frozen=True, slots=True)
class Assembled:
    """pcm: on the speaker's time line. begins: where the sound of each of its pieces begins in it,
    None: in its place."""

    pcm: Samples
    begins: list[int] | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """in_place: share of the delivered packets. waits_ms: of each, from its arrival. holes: samples
    between the first and the last that nothing was given for."""

    stream: Assembled
    in_place: float
    waits_ms: list[float]
    holes: int


def _decoded(packet: RtpPacket) -> Samples:
    return np.frombuffer(ulaw_decode(packet.payload), np.int16)


def immediate(call: Call) -> Given:
    """Give what our stream hands up, each piece when it does."""
    stream = open_stream("immediate")
    given: dict[int, tuple[float, int, Samples]] = {}
    for packet in call.packets:
        now = packet.arrival_us / 1e6
        while (due := stream.next_timeout()) is not None and due <= now:
            stream.handle_timeout(due)
            _collect(stream, due, call, given)
        stream.receive_datagram(packet.datagram(), PEER, now)
        _collect(stream, now, call, given)
    pcm = np.zeros(len(call.pcm) // 2, np.int16)
    covered = np.zeros(len(pcm), bool)
    for place, (_, _, piece) in given.items():
        covered[place : place + len(piece)] = True
        pcm[place : place + len(piece)] = piece[: len(pcm) - place]
    waits, right, delivered = [], 0, 0
    for place, packet in _first_of_each(call).items():
        at, real, piece = given.get(place, (0.0, 0, pcm[:0]))
        delivered += 1
        if real and np.array_equal(piece, _decoded(packet)):
            right += 1
            waits.append(max(0.0, at * 1000 - packet.arrival_us / 1000))
    inside = np.flatnonzero(covered)
    holes = int((~covered[inside[0] : inside[-1]]).sum())
    return Given(Assembled(pcm), right / delivered, waits, holes)


def _collect(
    stream: MediaStream, now: float, call: Call, given: dict[int, tuple[float, int, Samples]]
) -> None:
    for position, real, octets in take_pieces(stream):
        given[position + call.first_sample] = now, real, np.frombuffer(octets, np.int16)


def _first_of_each(call: Call) -> dict[int, RtpPacket]:
    found: dict[int, RtpPacket] = {}
    for place, packet in zip(call.places, call.packets, strict=True):
        found.setdefault(place, packet)
    return found


def silence(call: Call) -> Assembled:
    pcm = np.zeros(len(call.pcm) // 2, np.int16)
    newest = -1
    for place, packet in zip(call.places, call.packets, strict=True):
        if place > newest:
            newest = place
            pcm[place : place + len(packet.payload)] = _decoded(packet)
    return Assembled(pcm)


def as_it_comes(call: Call) -> Assembled:
    pcm = np.concatenate([_decoded(packet) for packet in call.packets])
    size = len(call.packets[0].payload)
    places = np.array(call.places)
    begins = [int((places < start).sum()) * size for start in range(0, len(call.pcm) // 2, PIECE)]
    return Assembled(pcm, begins)


def judge(call: Call, stream: Assembled, pesq: Pesq, stoi: Stoi) -> tuple[float, float]:
    """Give PESQ (narrow band) and STOI, means of the pieces that have speech."""
    spoken = np.frombuffer(call.pcm, np.int16)
    mos, intelligible = [], []
    for n, start in enumerate(range(0, len(spoken) - PIECE, PIECE)):
        original = spoken[start : start + PIECE]
        begin = start if stream.begins is None else stream.begins[n]
        heard = stream.pcm[begin : begin + PIECE]
        if len(heard) < PIECE or np.sqrt(np.mean(original.astype(float) ** 2)) <= SPEECH_RMS:
            continue
        mos.append(pesq(8000, original, heard, "nb"))
        intelligible.append(stoi(original.astype(float), heard.astype(float), 8000))
    return statistics.fmean(mos), statistics.fmean(intelligible)
