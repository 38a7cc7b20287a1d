"""The softphone behind ``rapida-media call``: place one call, play, press keys, record, report."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from rapida_media import clock
from rapida_media.agents.events import Answered, Digit, HangUp
from rapida_media.call.call import Call
from rapida_media.call.recording import Recording
from rapida_media.config import (
    EVERYTHING,
    Config,
    Listen,
    RtpConfig,
    SipConfig,
    Trunk,
    load_config,
)
from rapida_media.errors import ConfigError, RemoteProtocolError
from rapida_media.ids import SystemIds
from rapida_media.legs.rtp_leg import DIGITS
from rapida_media.media.wav import read_wav
from rapida_media.net.call_report import Report, report_of
from rapida_media.net.engine import Engine
from rapida_media.net.resolver import Resolver
from rapida_media.net.sip_call import SipCall
from rapida_media.net.target import Target, resolve_target, towards
from rapida_media.net.tls import Tls
from rapida_media.sdp.codec import SUPPORTED
from rapida_media.sip.digest import Credentials
from rapida_media.sip.uri import parse_uri

# Without --duration: how long to listen when nothing is played, and after what was played.
LISTEN_S = 10.0
TAIL_S = 0.5
# How long --hold-at holds.
HOLD_S = 2.0
MEDIA_PORTS = (20_000, 29_999)
REQUEST_TERMINATED = 487


@dataclass(frozen=True, slots=True)
class CallOptions:
    """The command line of ``rapida-media call``. uri: a number where a trunk is named, which is
    one of the configuration."""

    uri: str
    play: Path | None = None
    record: Path | None = None
    duration_s: float | None = None
    dtmf: str | None = None
    codecs: tuple[str, ...] | None = None
    transport: str = "udp"
    srtp: str | None = None  # the trunk's, off without one
    tls_ca: Path | None = None
    credentials: Credentials | None = None
    timeout_s: float = 60.0
    trace: bool = False
    pcap: Path | None = None
    hold_at_s: float | None = None
    transfer_to: str | None = None
    config: Path | None = None
    trunk: str | None = None


async def place_call(options: CallOptions) -> Report:
    """Call, wait for the end, and report. RapidaError when the call cannot even be tried."""
    speech = read_wav(options.play) if options.play else b""
    _check(options)
    trunk = _trunk(options)
    target = await _target(options, trunk)
    engine = Engine(_config(options, target, trunk), directory=Path.cwd(), default_agent=None)
    await engine.start()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            path = options.record or Path(scratch) / "call.wav"
            phone = Softphone(options, speech, path)
            call = await _dial(engine, options, target, phone)
            if options.pcap is not None:
                engine.capture(call.call.id, options.pcap)
            await _wait_for_end(call, options.timeout_s)
            await engine.drain()  # the agent closes the recording
            report = _report(options, call.call, phone)
    finally:
        await engine.stop()
    if options.trace:  # now that the BYE is answered
        report.trace = engine.trace(call.call.id, whole=True)
    return report


def _check(options: CallOptions) -> None:
    """Refuse, before anybody is called, what could not be done later."""
    if strange := set(options.dtmf or "") - DIGITS:
        raise ConfigError(f"--dtmf: expected 0-9 * # A-D, got {''.join(sorted(strange))!r}")
    if options.transfer_to is not None and not _can_be_referred_to(options.transfer_to):
        raise ConfigError(
            "--transfer-to: expected a SIP URI such as sip:carol@127.0.0.1, "
            f"got {options.transfer_to!r}"
        )
    for name, path in (("--record", options.record), ("--pcap", options.pcap)):
        if path is not None:
            _check_writable(name, path)
    if options.tls_ca is not None:
        try:
            Tls(SipConfig(tls_ca=options.tls_ca)).client()
        except ConfigError as error:
            reason = str(error).removeprefix("[sip] tls_ca: ")
            raise ConfigError(f"--tls-ca: {options.tls_ca}: {reason}") from None


def _check_writable(name: str, path: Path) -> None:
    existed = path.exists()
    try:
        path.open("ab").close()
        if not existed:
            path.unlink()
    except OSError as error:
        raise ConfigError(f"{name}: {path} cannot be written: {error.strerror}") from None


def _can_be_referred_to(uri: str) -> bool:
    try:
        return not parse_uri(uri).headers
    except RemoteProtocolError:
        return False


async def _dial(engine: Engine, options: CallOptions, target: Target, phone: Softphone) -> SipCall:
    codecs = _codecs(options)
    if options.trunk is not None:
        return await engine.dial_trunk(
            options.trunk, options.uri, phone.run, codecs=codecs, early_agent=True
        )
    return engine.dial(
        target,
        phone.run,
        codecs=codecs,
        srtp=options.srtp or "off",
        early_agent=True,
        credentials=options.credentials,
    )


def _trunk(options: CallOptions) -> Trunk | None:
    """Find the trunk to call by. It does not register us: others do, who want to be called."""
    if options.trunk is None:
        if options.config is not None:
            raise ConfigError("--config is for --trunk, which is missing")
        return None
    if options.credentials is not None:
        raise ConfigError("--user and --password: the trunk has its own")
    trunk = load_config(options.config).trunks.get(options.trunk)
    if trunk is None or trunk.server is None:
        raise ConfigError(f"--trunk: no trunk {options.trunk!r} with a server to call by")
    return replace(trunk, register=False, ping_seconds=0, srtp=options.srtp or trunk.srtp)


async def _target(options: CallOptions, trunk: Trunk | None) -> Target:
    resolver = Resolver(SystemIds())
    if trunk is None:
        return await resolve_target(options.uri, options.transport, resolver)
    assert trunk.server is not None, "a trunk without one was refused"
    host, port = trunk.server
    return towards(options.uri, host, await resolver.resolve(host, port, trunk.transport))


def _config(options: CallOptions, target: Target, trunk: Trunk | None) -> Config:
    return Config(
        sip=SipConfig(
            listen=(Listen(target.addresses[0].transport, target.local_host, 0),),
            tls_ca=options.tls_ca,
            dial_hosts=(EVERYTHING,),  # who uses it says whom to call
        ),
        rtp=RtpConfig(ports=MEDIA_PORTS),
        trunks={} if trunk is None else {trunk.name: trunk},
    )


def _codecs(options: CallOptions) -> tuple[str, ...] | None:
    names = {name: name for name in SUPPORTED} | {"L16": "L16/16000"}
    if options.codecs is None:
        return None
    wanted = [each.strip().upper() for each in options.codecs]
    if unknown := [each for each in wanted if each not in names]:
        raise ConfigError(f"--codec: {unknown[0]!r} is unknown; known are pcmu, pcma, g722, l16")
    return tuple(names[each] for each in wanted)


class Softphone:
    """The agent on our side of the call. It records early media and speaks after the answer."""

    def __init__(self, options: CallOptions, speech: bytes, path: Path) -> None:
        self._options = options
        self._speech = speech
        self._path = path
        self.recording: Recording | None = None
        self.digits: list[str] = []
        self.held: bool | None = None
        self.transfer_status: int | None = None
        self._answered_or_over = asyncio.Event()

    async def run(self, call: Call) -> None:
        self.recording = Recording(call.leg, self._path, sent_left=True)
        listening = asyncio.create_task(self._listen(call))
        if not call.answered:
            await self._answered_or_over.wait()
        speaking = asyncio.create_task(self._speak(call))
        await asyncio.wait(
            (listening, speaking),
            timeout=self._options.duration_s,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if self._options.transfer_to is not None and call.ended is None:
            outcome = await call.transfer(self._options.transfer_to)
            self.transfer_status = outcome.status
        await call.hang_up("local_bye")
        speaking.cancel()
        await listening
        self.recording.close()
        await asyncio.gather(speaking, return_exceptions=True)
        if not speaking.cancelled():
            speaking.result()

    async def _listen(self, call: Call) -> None:
        async for event in call:
            if isinstance(event, Digit):
                self.digits.append(event.digit)
            elif isinstance(event, Answered | HangUp):
                self._answered_or_over.set()

    async def _speak(self, call: Call) -> None:
        """Do what was asked for; returns when the call may end, never with --duration."""
        await asyncio.gather(self._talk(call), self._hold(call))
        await asyncio.sleep(TAIL_S)
        if self._options.duration_s is not None:
            await asyncio.Event().wait()

    async def _hold(self, call: Call) -> None:
        if self._options.hold_at_s is None:
            return
        await asyncio.sleep(self._options.hold_at_s)
        self.held = call.ended is None and await call.hold()
        if self.held:
            call.timeline.note("held", clock.monotonic())
            await asyncio.sleep(HOLD_S)
            self.held = call.ended is None and await call.resume()
            call.timeline.note("resumed", clock.monotonic() if self.held else None)

    async def _talk(self, call: Call) -> None:
        if self._options.dtmf:
            await call.send_digits(self._options.dtmf)
        if self._speech:
            call.write(self._speech)
            await call.drain()
        elif not self._options.dtmf:
            await asyncio.sleep(LISTEN_S)


async def _wait_for_end(call: SipCall, timeout_s: float) -> None:
    """Wait for the end of the call; interrupted or unanswered for too long, hang up first."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, call.hang_up, "interrupted")
    ringing = loop.call_later(timeout_s, _give_up, call)
    try:
        await call.finished
    finally:
        ringing.cancel()


def _give_up(call: SipCall) -> None:
    if not call.call.answered:
        call.hang_up("no_answer")


def _report(options: CallOptions, call: Call, phone: Softphone) -> Report:
    report = report_of(options.uri, call)
    report.digits = phone.digits
    report.held, report.transfer_status = phone.held, phone.transfer_status
    if call.answered and options.hold_at_s is not None:
        report.held = bool(phone.held)  # the call may have ended before it was time
    if call.answered and options.transfer_to is not None:
        report.transfer_status = phone.transfer_status or REQUEST_TERMINATED
    if phone.recording is not None and phone.recording.error is None:
        report.measure(phone.recording.path)
    return report
