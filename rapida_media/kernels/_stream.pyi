from collections.abc import Collection, Mapping
from typing import Protocol

from rapida_media.kernels._rtp import ReceptionReport

# Frame flags.
CONCEALED: int  # part of the frame was made up
SILENCE: int  # nothing but (nearly) zero samples
TALKSPURT_START: int  # marker, or the first audio after a pause
DIGIT: int  # part of it lay under a telephone-event and was muted

class Audio:
    """One bus frame: 20 ms of s16le mono, 640 bytes at the bus's 16 kHz.

    pts: position in samples since the line began; lost time keeps its length.
    flags: CONCEALED, SILENCE, TALKSPURT_START and DIGIT, or-ed.
    """

    pts: int
    flags: int
    pcm: bytes
    __match_args__ = ("pcm", "pts", "level_dbov")

    def __init__(self, pts: int, flags: int, pcm: bytes) -> None: ...
    @property
    def level_dbov(self) -> int:
        """The level, 0 (overload) to -127 (silence), as RFC 6464 measures it."""

    @property
    def concealed(self) -> bool:
        """Part of it was lost on the way and is an extrapolation."""

    @property
    def silence(self) -> bool:
        """There is nothing in it to hear."""

class SrtpSender(Protocol):
    """libsrtp's ``srtp_protect`` and a session for it, as addresses."""

    @property
    def function(self) -> int: ...
    @property
    def session(self) -> int: ...

class SrtpReceiver(Protocol):
    """libsrtp's ``srtp_unprotect`` and ``srtp_remove_stream``, and a session for them.

    mki: what precedes the last tag_bytes of every packet, empty for nothing.
    """

    @property
    def function(self) -> int: ...
    @property
    def remove_function(self) -> int: ...
    @property
    def session(self) -> int: ...
    @property
    def mki(self) -> bytes: ...
    @property
    def tag_bytes(self) -> int: ...

class MediaStream:
    """One RTP audio stream, both directions, without sockets or clocks.

    Encodings are "PCMU", "PCMA" and "L16/16000"; audio on this side is s16le mono at 16 kHz.
    `now` is finite monotonic seconds. A stream belongs to one thread at a time. What the peer does
    wrong is counted; LocalProtocolError means that we are misused and nothing has changed.
    """

    def __init__(
        self,
        *,
        ssrc: int,
        sequence_number: int,
        timestamp: int,
        gap_wait_ms: float = 40.0,
        playout_limit_ms: int = 600_000,
        jitter: str = "immediate",
        framed: bool = True,
        multiplexed: bool = False,
    ) -> None:
        """Make a stream that knows no peer yet.

        ssrc, sequence_number, timestamp: of the first packet sent, drawn at random by the caller
        (RFC 3550 section 5.1). gap_wait_ms: the longest that packets behind a hole wait for it to
        fill; where packets keep their order they soon leave at once.
        playout_limit_ms: most audio that `write` queues. jitter: "immediate" hands every packet up
        at once, in its place; "adaptive" and "fixed:N" (a delay of N ms, 0 to 400) give an even
        stream, 20 ms every 20 ms from the first packet on, for a person who listens. framed False,
        with "immediate": each packet is a frame of its own length (320 samples at most) at the
        encoding's own rate, and so is each stretch that was concealed. multiplexed: STUN and DTLS
        come on the RTP port (RFC 7983) and are given by `next_datagram`.
        """

    def configure(
        self,
        *,
        receive: Mapping[int, str],
        send_payload_type: int,
        send_encoding: str,
        receive_events: Collection[int] | Mapping[int, int] = (),
        send_event: int | None = None,
        remote: tuple[str, int] | None,
        sending: bool = True,
        receiving: bool = True,
        silence: str = "send",
        receive_noise: Collection[int] = (),
        send_noise: int | None = None,
        packet_ms: int = 20,
        rtcp_mux: bool = False,
    ) -> None:
        """Take the outcome of an offer and answer; may be called again at any time.

        receive: encodings by payload type. receive_events, send_event: payload types of
        telephone-event (RFC 4733), with their clock rates (8000, 16000, 48000 Hz) where a mapping
        says them, else at the audio's. remote: numeric address from
        the SDP; None or port 0 sends nothing. Another remote than before undoes the latch. While
        not sending, ticks pass but queued audio stays. receiving False: counted, not played.
        silence: with nothing queued, "send" encoded silence or "suppress" packets.
        receive_noise, send_noise: payload types of comfort noise (RFC 3389); with send_noise,
        pauses are told by it, at the RTP clock of send_encoding, and nothing else is sent in them.
        packet_ms: the length of audio packets: 10, 20, 40 or, if it fits in 1280 bytes, 60.
        rtcp_mux: RTCP comes on the RTP port (RFC 5761) and is given by `next_rtcp`.
        """

    def secure(self, *, sender: SrtpSender | None, receiver: SrtpReceiver | None) -> None:
        """Protect what is sent and take nothing but what is authentic (RFC 3711); None: plain RTP.

        A direction whose object stays the same goes on where it was. Both are kept alive.
        """

    def receive_datagram(self, data: bytes, source: tuple[str, int], now: float) -> None:
        """Account for one datagram; source is a numeric address. Bad packets are counted."""

    def next_timeout(self) -> float | None:
        """Give when `handle_timeout` is due: a hole's wait is over, a digit's end was lost."""

    def handle_timeout(self, now: float) -> None: ...
    @property
    def has_news(self) -> bool:
        """Whether a frame, a digit, a mark or RTCP waits to be taken."""

    def next_frame(self) -> Audio | None:
        """Take the next 20 ms; its pts counts samples since the first packet."""

    def pull(self, now: float, duration_ms: int) -> bytes:
        """Give the next 1 to 20 ms at the encoding's own rate (8 kHz for G.711), s16le mono.

        For an owner that plays on a clock of its own; there are no frames from then on. Only with
        "adaptive" and "fixed:N".
        """

    def next_digit(self) -> tuple[str, int, int] | None:
        """Take the next digit heard: ("0"-"9", "*", "#", "A"-"D" or "flash", duration_ms, pts)."""

    @property
    def ssrc(self) -> int:
        """What we send under."""

    @property
    def source_ssrc(self) -> int | None:
        """The SSRC of the source that is heard."""

    @property
    def source_heard_at(self) -> float:
        """When its newest packet came, as the receiver's clock had it; 0 before there was one."""

    @property
    def send_rate_hz(self) -> int:
        """The RTP clock rate of what is sent."""

    @property
    def sender_counts(self) -> tuple[int, int]:
        """Packets and payload octets sent under the current SSRC."""

    def timestamp_at(self, now: float) -> int:
        """Give the RTP timestamp of that instant on the clock of what is sent."""

    def reception_report(self) -> ReceptionReport | None:
        """Report on the current source; the fraction lost covers the time since the last report."""

    def next_rtcp(self) -> tuple[bytes, tuple[str, int], float] | None:
        """Take an RTCP datagram that came on the RTP port, where from and when."""

    def next_datagram(self) -> tuple[bytes, tuple[str, int], float] | None:
        """Take a STUN or DTLS datagram of a `multiplexed` stream, where from and when."""

    def take_collision(self) -> bool:
        """Whether another source has used our SSRC since the last time."""

    def change_ssrc(self, ssrc: int) -> None:
        """Go on sending as another source (RFC 3550 section 8.2)."""

    def relay_to(self, other: MediaStream | None) -> None:
        """Have another stream send on what this one receives, as it is; None: no longer.

        Audio in the encoding that stream sends, at its own payload type, and telephone-events where
        its far end takes them, with its own SSRC, sequence numbers and timestamps. What is written
        to it has the word. LocalProtocolError when a third stream does that already.
        """

    @property
    def relaying(self) -> bool:
        """False too once audio came that the other stream's far end does not take."""

    def listen(self, listened: bool) -> None:
        """While relaying: whether frames are made all the same."""

    def start(self, now: float) -> None:
        """Anchor the 20 ms schedule; the first packet is due now."""

    def write(self, pcm: bytes) -> int:
        """Queue audio of any length; return the samples accepted, the rest is dropped, counted."""

    def clear(self) -> int:
        """Drop what is queued; return the ms of the current utterance that were sent.

        An utterance begins when audio is written to an empty queue. Digits not yet begun are
        dropped, marks not yet reached come back as not played. The packet sent last stands, and
        speech that is cut fades out over the first 5 ms of the next.
        """

    def mark(self, mark_id: int) -> None:
        """Ask to hear, by `next_mark`, when all that is queued before it has been sent."""

    def next_mark(self) -> tuple[int, bool] | None:
        """Take the next mark that was reached (True) or cleared (False)."""

    def send_digits(self, digits: str, duration_ms: int = 100, gap_ms: int = 50) -> None:
        """Queue telephone-events behind the audio: 20 to 60000 ms each, no audio under them.

        Digits are 0-9 * # A-D, and ! for the hook flash. Long events go out in segments.

        The gap after each is rounded up to whole ticks and at least 40 ms: the end packet is
        repeated in it.
        """

    @property
    def queued_ms(self) -> int:
        """Audio that waits to be sent, rounded up."""

    @property
    def idle(self) -> bool:
        """Whether all audio, digits and marks have been sent."""

    def observe_sent(self, observed: bool) -> None:
        """Have `next_sent_frame` give what is sent from now on; costs a decode a packet."""

    def next_sent_frame(self) -> Audio | None:
        """Take 20 ms of what was really sent; its pts counts samples since the start."""

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, tuple[str, int]]]:
        """Give all packets due by now; ten late ticks are caught up, more are skipped."""

    def next_send_time(self) -> float:
        """Give when the next tick is due; infinity before `start`."""

    @property
    def remote(self) -> tuple[str, int] | None:
        """Where packets go: the SDP address until another one has latched."""

    @property
    def first_received_at(self) -> float | None:
        """When the first packet that was believed came."""

    @property
    def first_sent_at(self) -> float | None:
        """When the first packet was handed out to be sent."""

    @property
    def packets_received(self) -> int:
        """RTP packets of the current and all earlier sources."""

    def playout_state(self) -> tuple[int, int, bool]:
        """Give position, in samples since the first, samples made up while waiting, in a pause.

        For those who measure "adaptive" and "fixed:N" from outside.
        """

    def statistics(self) -> dict[str, int | float | None]:
        """Give all counts and figures; docs/call-quality.md says what they mean."""

class PayloadDecoder:
    """RTP payload → s16le mono 16 kHz, resampler state carried on. An odd L16 byte is ignored."""

    def __init__(self, encoding: str) -> None: ...
    def decode(self, payload: bytes) -> bytes: ...

class PayloadEncoder:
    """s16le mono 16 kHz → RTP payload, resampler state carried on; pairs of samples only."""

    def __init__(self, encoding: str) -> None: ...
    def encode(self, pcm: bytes) -> bytes: ...
