"""The configuration: ``load_config`` turns ``rapida.toml`` into frozen values.

Called once by the command line. Every fault is a ConfigError whose sentence names the table, the
key, what was expected and what was found; values that came from the environment or from a file
are never repeated in it. An unknown key is refused with the nearest known one suggested.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rapida_media.config.audiosocket import AudioSocketConfig as AudioSocketConfig
from rapida_media.config.audiosocket import read_audiosocket
from rapida_media.config.bot import BotConfig as BotConfig
from rapida_media.config.bot import read_bot
from rapida_media.config.http import Credential as Credential
from rapida_media.config.http import HttpConfig as HttpConfig
from rapida_media.config.http import HttpListen as HttpListen
from rapida_media.config.http import read_credential, read_http
from rapida_media.config.numbers import EVERYTHING as EVERYTHING
from rapida_media.config.numbers import check_owners
from rapida_media.config.sip import Listen as Listen
from rapida_media.config.sip import SipConfig as SipConfig
from rapida_media.config.sip import parse_listen as parse_listen
from rapida_media.config.sip import read_sip
from rapida_media.config.sip import transports_of as transports_of
from rapida_media.config.store import StoreConfig as StoreConfig
from rapida_media.config.store import read_store
from rapida_media.config.table import Table, one_of, some_text
from rapida_media.config.trunk import SRTP_MODES as SRTP_MODES
from rapida_media.config.trunk import Trunk as Trunk
from rapida_media.config.trunk import check_trunks, read_trunk
from rapida_media.errors import ConfigError

DEFAULT_PATH = "rapida.toml"
FIXED_DELAY_MAX_MS = 400


@dataclass(frozen=True, slots=True)
class RtpConfig:
    """``[rtp]``. ports: first and last, both usable.  media_timeout: seconds without a packet.

    jitter: "immediate" for those who recognise speech; "adaptive" or "fixed:N" (ms) for those who
    listen. gap_wait_ms: the longest that a missing packet is waited for before its place is
    concealed, with "immediate".
    rtcp_mux: offer RTCP on the RTP port (RFC 5761); an offer of it is taken in any case.
    comfort_noise: offer and take RFC 3389, so that either side may stop sending in pauses.
    """

    ports: tuple[int, int] = (10000, 20000)
    jitter: str = "immediate"
    gap_wait_ms: float = 40.0
    rtcp_mux: bool = False
    comfort_noise: bool = False
    media_timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class LimitsConfig:
    """``[limits]``.

    ring_seconds: how long a call over SIP may stay unanswered: as long as a proxy waits (RFC 3261
    section 16.6, Timer C) unless given.
    """

    max_calls: int = 500
    calls_per_second: float = 50.0
    max_call_seconds: float = 14400.0
    drain_seconds: float = 60.0
    ring_seconds: float = 180.0


@dataclass(frozen=True, slots=True)
class Assistant:
    """``[assistants.NAME]``: the agent behind called numbers.

    answer: "auto", or "agent" when the agent decides.  greeting: WAV file played first.
    follow_transfers: the far end may send the call elsewhere (REFER).
    credential: the account it calls out and hangs up with, for calls over a provider.
    max_outbound_calls: how many it may place at once; spend_per_day: for how much in 24 hours, in
    the unit of price_per_minute. 0: no limit.
    jitter: as in ``[rtp]``, for its calls over SIP and from browsers; None for what stands there.
    bot: how to talk to the agent where it is ``websocket:URL``.
    """

    name: str
    agent: str
    numbers: tuple[str, ...] = ()
    greeting: Path | None = None
    record: bool = False
    parameters: Mapping[str, object] = field(default_factory=dict)
    answer: str = "auto"
    follow_transfers: bool = False
    credential: str | None = None
    max_outbound_calls: int = 0
    spend_per_day: float = 0.0
    jitter: str | None = None
    bot: BotConfig = field(default_factory=BotConfig)


@dataclass(frozen=True, slots=True)
class Config:
    """Everything ``serve`` needs to know. The defaults are what runs without a configuration."""

    sip: SipConfig = field(default_factory=SipConfig)
    rtp: RtpConfig = RtpConfig()
    limits: LimitsConfig = LimitsConfig()
    store: StoreConfig = field(default_factory=StoreConfig)
    http: HttpConfig = field(default_factory=HttpConfig)
    audiosocket: AudioSocketConfig = field(default_factory=AudioSocketConfig)
    credentials: Mapping[str, Credential] = field(default_factory=dict)
    assistants: Mapping[str, Assistant] = field(default_factory=dict)
    trunks: Mapping[str, Trunk] = field(default_factory=dict)

    def check_exposure(self) -> None:
        """Raise ConfigError when others than this machine could call us and nobody may.

        Called by ``serve`` after the command line has had its say. Without a trunk there is no
        list of callers, and an open SIP port is found by scanners within minutes. Without an API
        key everybody is an operator.
        """
        if not self.http.listen.is_loopback and not self.http.api_keys:
            raise ConfigError(
                f"[http] listen: {self.http.listen} can be reached from other machines, but there "
                'is no key to ask them for; add api_keys = ["env:RAPIDA_API_KEY"] under [http], '
                "or listen on 127.0.0.1"
            )
        audiosocket = self.audiosocket
        if audiosocket.listen and not (audiosocket.listen.is_loopback or audiosocket.hosts):
            raise ConfigError(
                f"[audiosocket] listen: {audiosocket.listen} can be reached from other machines, "
                'and nobody is named who may; add hosts = ["192.0.2.10"], the addresses of your '
                "Asterisk, or listen on 127.0.0.1"
            )
        if self.trunks:
            return
        for listen in self.sip.listen:
            if not listen.is_loopback:
                raise ConfigError(
                    f"[sip] listen: {listen} can be reached from other machines, but no trunk says "
                    "who may call; add a table such as [trunks.carrier] with "
                    'hosts = ["198.51.100.0/24"], or listen on 127.0.0.1'
                )


def load_config(path: str | Path | None = None) -> Config:
    """Read a configuration file; without a path ``rapida.toml`` if there is one, else defaults.

    ``file:`` values, the greeting and the folder of recordings are relative to the file's own
    folder. Raises ConfigError.
    """
    if path is None:
        if not Path(DEFAULT_PATH).exists():
            return Config()
        path = DEFAULT_PATH
    file = Path(path)
    try:
        document = tomllib.loads(file.read_text("utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: no valid TOML: {error}") from error
    return parse_config(document, folder=file.parent)


def parse_config(
    document: Mapping[str, Any],
    folder: Path = Path(),
    environment: Mapping[str, str] = os.environ,
) -> Config:
    """Check a parsed document and give its values. Raises ConfigError."""
    root = Table("", document, folder, environment)
    config = Config(
        sip=read_sip(root.table("sip")),
        rtp=_rtp(root.table("rtp")),
        limits=_limits(root.table("limits")),
        store=read_store(root.table("store")),
        http=read_http(root.table("http")),
        audiosocket=read_audiosocket(root.table("audiosocket")),
        credentials={
            name: read_credential(name, table) for name, table in root.tables("credentials")
        },
        assistants={name: _assistant(name, table) for name, table in root.tables("assistants")},
        trunks={name: read_trunk(name, table) for name, table in root.tables("trunks")},
    )
    root.finish()
    check_owners({name: each.numbers for name, each in config.assistants.items()})
    _check_credentials(config)
    check_trunks(config.trunks.values(), transports_of(config.sip.listen))
    return config


def _rtp(table: Table) -> RtpConfig:
    default = RtpConfig()
    config = RtpConfig(
        ports=table.text("ports", _ports) or default.ports,
        jitter=table.text("jitter", _jitter) or default.jitter,
        gap_wait_ms=table.number("gap_wait_ms", default.gap_wait_ms),
        rtcp_mux=table.flag("rtcp_mux"),
        comfort_noise=table.flag("comfort_noise"),
        media_timeout=table.number("media_timeout", default.media_timeout, above=0),
    )
    table.finish()
    return config


def _limits(table: Table) -> LimitsConfig:
    default = LimitsConfig()
    config = LimitsConfig(
        max_calls=table.whole("max_calls", default.max_calls),
        calls_per_second=table.number("calls_per_second", default.calls_per_second, above=0),
        max_call_seconds=table.number("max_call_seconds", default.max_call_seconds, above=0),
        drain_seconds=table.number("drain_seconds", default.drain_seconds),
        ring_seconds=table.number("ring_seconds", default.ring_seconds, above=0),
    )
    table.finish()
    return config


def _assistant(name: str, table: Table) -> Assistant:
    agent = table.text("agent", some_text)
    if agent is None:
        raise table.fault("agent", 'missing; expected one such as "echo"')
    assistant = Assistant(
        name=name,
        agent=agent,
        numbers=table.texts("numbers", some_text) or (),
        greeting=table.path("greeting"),
        record=table.flag("record"),
        parameters=table.mapping("parameters"),
        answer=table.text("answer", one_of("auto", "agent")) or "auto",
        follow_transfers=table.flag("follow_transfers"),
        credential=table.text("credential", some_text),
        max_outbound_calls=table.whole("max_outbound_calls", 0, least=0),
        spend_per_day=table.number("spend_per_day", 0.0),
        jitter=table.text("jitter", _jitter),
        bot=read_bot(table, agent),
    )
    table.finish()
    return assistant


def _ports(text: str) -> tuple[int, int]:
    first_text, _, last_text = text.partition("-")
    digits = first_text + last_text
    if digits.isascii() and digits.isdigit() and first_text and last_text and len(digits) <= 10:
        first, last = int(first_text), int(last_text)
        # RFC 3550 section 11: an even RTP port and the odd one above it; less cannot hold a pair.
        if first >= 1024 and last <= 65535 and first + first % 2 < last:
            return first, last
    raise ValueError(
        'expected "FIRST-LAST" within 1024-65535, with room for an even port and the next'
    )


def _jitter(text: str) -> str:
    name, _, delay = text.partition(":")
    fixed = name == "fixed" and delay.isascii() and delay.isdigit() and len(delay) <= 3
    if text in ("immediate", "adaptive") or (fixed and int(delay) <= FIXED_DELAY_MAX_MS):
        return text
    raise ValueError(f"expected immediate, adaptive or fixed:0 to fixed:{FIXED_DELAY_MAX_MS}")


def _check_credentials(config: Config) -> None:
    for assistant in config.assistants.values():
        named = {"credential": assistant.credential, "bot_credential": assistant.bot.credential}
        for key, name in named.items():
            if name is not None and name not in config.credentials:
                raise ConfigError(
                    f"[assistants.{assistant.name}] {key}: there is no table [credentials.{name}]"
                )
