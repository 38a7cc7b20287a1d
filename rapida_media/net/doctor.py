"""``rapida-media doctor``: looks whether a configuration can work here, before calls find out.

Each examination gives findings; a fault is what ``serve`` would fail on or calls would suffer from.
Nothing is changed, and nothing of a secret is shown but the token of URLs that are to be pasted.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from rapida_media import clock
from rapida_media.agents.base import AgentContext, make_agent
from rapida_media.config import Assistant, Config, transports_of
from rapida_media.config.store import MEMORY
from rapida_media.errors import ConfigError
from rapida_media.ids import SystemIds
from rapida_media.media.wav import read_wav
from rapida_media.net import record_tables
from rapida_media.net.local_address import reachable
from rapida_media.net.redis_contexts import RedisContexts
from rapida_media.net.reload import check_codecs
from rapida_media.net.resolver import Resolver
from rapida_media.net.udp import numeric_family
from rapida_media.providers.registry import account_of, check_credentials, odd_keys, providers
from rapida_media.sip.address import format_host

OK, WARNING, FAULT = "ok", "warning", "fault"
EXPIRES_SOON_DAYS = 21
RESOLVE_S = 5.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Finding:
    """result: ``ok``, ``warning`` or ``fault``. subject: the part of the configuration."""

    result: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Entrance:
    """How calls get to an assistant. url: what to paste into the provider, or to call."""

    assistant: str
    provider: str
    url: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found, and how calls come in; it is healthy without a fault."""

    findings: tuple[Finding, ...]
    entrances: tuple[Entrance, ...]

    @property
    def healthy(self) -> bool:
        return all(finding.result != FAULT for finding in self.findings)

    def to_dict(self) -> dict[str, object]:
        return {"healthy": self.healthy, **asdict(self)}

    def to_text(self) -> str:
        lines = [f"{each.result:8} {each.subject}: {each.text}" for each in self.findings]
        lines += ["", "Calls come in by:"] if self.entrances else []
        lines += [f"  {each.assistant}  {each.provider}  {each.url}" for each in self.entrances]
        return "\n".join(lines)


def unreadable(error: ConfigError) -> Diagnosis:
    """Give what there is to say of a file that is no configuration."""
    return Diagnosis((Finding(FAULT, "configuration", str(error)),), ())


async def examine(config: Config, directory: Path) -> Diagnosis:
    """Look at everything. directory: where agents' relative files and modules are looked up."""
    findings = [
        *_exposure(config),
        *_listeners(config),
        *_media_ports(config),
        *_certificate(config),
        *_authorities(config),
        *_credentials(config),
        *_agents(config, directory),
        *_codecs(config),
        *_records(config),
        *_recordings(config),
    ]
    slow: list[Callable[[Config], Awaitable[list[Finding]]]] = [_trunks, _redis]
    for found in await asyncio.gather(*(look(config) for look in slow)):
        findings += found
    return Diagnosis(tuple(findings), tuple(_entrances(config)))


def _exposure(config: Config) -> Iterator[Finding]:
    try:
        config.check_exposure()
    except ConfigError as error:
        yield Finding(FAULT, "configuration", str(error))
    else:
        yield Finding(OK, "configuration", "is complete")


def _listeners(config: Config) -> Iterator[Finding]:
    wanted = [
        (f"[sip] listen {each}", each.transport, each.host, each.port) for each in config.sip.listen
    ]
    http = config.http.listen
    wanted.append((f"[http] listen {http}", "tcp", http.host, http.port))
    if (audiosocket := config.audiosocket.listen) is not None:
        subject = f"[audiosocket] listen {audiosocket}"
        wanted.append((subject, "tcp", audiosocket.host, audiosocket.port))
    for subject, transport, host, port in wanted:
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        with socket.socket(numeric_family(host), kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                taken = "in use: fine if that is the engine itself"
                in_use = "in use" in str(error)
                text = taken if in_use else (error.strerror or str(error))
                yield Finding(WARNING if in_use else FAULT, subject, text)
            else:
                yield Finding(OK, subject, "is free")


def _media_ports(config: Config) -> Iterator[Finding]:
    first, last = config.rtp.ports
    pairs = (last - first - first % 2 + 1) // 2
    calls = config.limits.max_calls
    text = f"{pairs} port pairs for {calls} calls at once"
    yield Finding(OK if pairs >= calls else FAULT, "[rtp] ports", text)


def _certificate(config: Config) -> Iterator[Finding]:
    sip, subject = config.sip, "[sip] tls_certificate"
    if sip.tls_certificate is None or sip.tls_key is None:
        return
    try:
        chain = x509.load_pem_x509_certificates(sip.tls_certificate.read_bytes())
        key = load_pem_private_key(sip.tls_key.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        yield Finding(FAULT, subject, f"cannot be read: {error}")
        return
    public = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if key.public_key().public_bytes(*public) != chain[0].public_key().public_bytes(*public):
        yield Finding(FAULT, "[sip] tls_key", "belongs to another certificate")
    days = (chain[0].not_valid_after_utc - datetime.fromtimestamp(clock.wall(), UTC)).days
    text = f"for {_names(chain[0])}, expires in {days} days"
    if days < 0:
        yield Finding(FAULT, subject, f"for {_names(chain[0])}, has expired")
    else:
        yield Finding(WARNING if days < EXPIRES_SOON_DAYS else OK, subject, text)


def _authorities(config: Config) -> Iterator[Finding]:
    """Whom TLS trusts: those who vouch for the servers we connect to, and for our clients."""
    sip, now = config.sip, datetime.fromtimestamp(clock.wall(), UTC)
    for key, path in (("tls_ca", sip.tls_ca), ("tls_client_ca", sip.tls_client_ca)):
        if path is None:
            continue
        subject = f"[sip] {key}"
        try:
            found = x509.load_pem_x509_certificates(path.read_bytes())
        except (OSError, ValueError) as error:
            yield Finding(FAULT, subject, f"cannot be read: {error}")
            continue
        ended = [each for each in found if each.not_valid_after_utc < now]
        for each in ended:
            name = each.subject.rfc4514_string()
            kind = FAULT if len(ended) == len(found) else WARNING
            yield Finding(kind, subject, f"{name} has expired")
        if not ended:
            yield Finding(OK, subject, f"{len(found)} to trust")


def _names(certificate: x509.Certificate) -> str:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return "no host name (RFC 5922 wants a subjectAltName)"
    return ", ".join(str(name.value) for name in names)


def _credentials(config: Config) -> Iterator[Finding]:
    for credential in config.credentials.values():
        subject = f"[credentials.{credential.name}]"
        try:
            check_credentials([credential])
        except ConfigError as error:
            yield Finding(FAULT, subject, str(error).removeprefix(subject).strip())
        else:
            yield Finding(OK, subject, f"has what {credential.provider} wants")
        for name in odd_keys(credential):
            text = f"{name} does not look like one of {credential.provider}'s"
            yield Finding(WARNING, subject, text)
    if config.credentials and config.http.public_url is None:
        text = "missing: providers reach us only where this names a public https address"
        yield Finding(WARNING, "[http] public_url", text)


def _agents(config: Config, directory: Path) -> Iterator[Finding]:
    every = AgentContext(directory, config.store.recordings, credentials=config.credentials)
    for assistant in config.assistants.values():
        subject = f"[assistants.{assistant.name}]"
        context = replace(every, bot=assistant.bot, credential=assistant.credential)
        try:
            make_agent(assistant.agent, context)
            if assistant.greeting is not None:
                read_wav(assistant.greeting)
        except (ConfigError, OSError) as error:
            yield Finding(FAULT, subject, str(error))
        else:
            yield Finding(OK, subject, f"agent {assistant.agent.partition(':')[0]} can be made")
            if assistant.agent.startswith("websocket:ws://"):
                text = "what is said to the bot is not encrypted; write wss:// where it is far away"
                yield Finding(WARNING, subject, text)


def _codecs(config: Config) -> Iterator[Finding]:
    for trunk in config.trunks.values():
        subject = f"[trunks.{trunk.name}]"
        try:
            check_codecs([trunk])
        except ConfigError as error:
            yield Finding(FAULT, subject, str(error).removeprefix(subject).strip())


def _records(config: Config) -> Iterator[Finding]:
    path, subject = config.store.records, "[store] records"
    if not path.exists():
        yield _writable(subject, path.parent, f"{path} will be made")
        return
    try:
        with contextlib.closing(record_tables.open_for_reading(path)) as database:
            (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
            (count,) = database.execute("SELECT count(*) FROM calls").fetchone()
    except sqlite3.Error as error:
        yield Finding(FAULT, subject, f"{path}: {error}")
        return
    if verdict != "ok":
        yield Finding(FAULT, subject, f"{path} is damaged: {verdict}")
    elif not os.access(path, os.W_OK):
        yield Finding(FAULT, subject, f"{path} cannot be written")
    else:
        yield Finding(OK, subject, f"{path} holds {count} calls")


def _recordings(config: Config) -> Iterator[Finding]:
    if not any(each.record or each.agent == "record" for each in config.assistants.values()):
        return
    folder = config.store.recordings
    existing = folder if folder.exists() else folder.parent
    yield _writable("[store] recordings", existing, f"{folder} is used")


def _writable(subject: str, folder: Path, text: str) -> Finding:
    if os.access(folder, os.W_OK | os.X_OK):
        return Finding(OK, subject, text)
    return Finding(FAULT, subject, f"the folder {folder} cannot be written")


async def _trunks(config: Config) -> list[Finding]:
    resolver = Resolver(
        SystemIds(),
        transports=transports_of(config.sip.listen),
        ipv6=any(":" in each.host for each in config.sip.listen),
    )
    findings = []
    for trunk in config.trunks.values():
        subject = f"[trunks.{trunk.name}]"
        server = [trunk.server] if trunk.server is not None else []
        # A host that may call is often the server, too, and has then other records besides.
        known: dict[str, set[str]] = {}
        for host, port in server:
            servers = await _bounded(resolver.resolve(host, port, trunk.transport))
            known[host] = {each.host for each in servers}
        for host in trunk.names:
            known[host] = known.get(host, set()) | {*await _bounded(resolver.behind(host))}
        for host, addresses in known.items():
            where = f"is {', '.join(sorted(addresses))}" if addresses else "cannot be resolved"
            findings.append(Finding(OK if addresses else FAULT, subject, f"{host} {where}"))
    return findings


async def _bounded(lookup: Awaitable[list[T]]) -> list[T]:
    """Give what a look-up finds in time; nothing where it takes longer."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(RESOLVE_S):
            return await lookup
    return []


async def _redis(config: Config) -> list[Finding]:
    if config.store.contexts == MEMORY:
        return [Finding(OK, "[store] contexts", "in memory, for one engine")]
    store = RedisContexts(config.store.contexts)
    await store.start()
    problem = store.problem
    await store.close()
    if problem is None:
        return [Finding(OK, "[store] contexts", "Redis answers")]
    return [Finding(FAULT, "[store] contexts", problem)]


def _entrances(config: Config) -> Iterator[Entrance]:
    listen = config.sip.listen[0]
    host = format_host(config.sip.external_address or reachable(listen.host))
    by = "" if listen.transport == "udp" else f";transport={listen.transport}"
    base = config.http.public_url or f"http://{config.http.listen}"
    specs = providers()
    used = sorted({each.provider for each in config.credentials.values()})
    for assistant in config.assistants.values():
        for user in (assistant.name, *assistant.numbers):
            yield Entrance(assistant.name, "sip", f"sip:{user}@{host}:{listen.port}{by}")
        for provider in used:
            if provider in specs and specs[provider].stream is not None:
                url, tail = f"{base}/v1/talk/{provider}", _webhook_tail(config, assistant, provider)
                yield Entrance(assistant.name, provider, f"{url}/call/{assistant.name}{tail}")
                yield Entrance(assistant.name, provider, f"{url}/event/{assistant.name}{tail}")


def _webhook_tail(config: Config, assistant: Assistant, provider: str) -> str:
    """Give the token that ends the webhooks' paths, where the provider has such a thing: it is
    made to be pasted, and the URLs are good for nothing without it."""
    account = account_of(config.credentials, assistant.credential, provider)
    key = providers()[provider].webhook_token
    return f"/{account.values[key]}" if account is not None and key in account.values else ""
