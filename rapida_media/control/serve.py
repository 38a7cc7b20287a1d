"""``rapida-media serve``: read the configuration, listen, take calls, drain on a signal.

SIGHUP has it read its configuration again.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from rapida_media.config import DEFAULT_PATH, Config, HttpListen, Listen, load_config
from rapida_media.control.app import ControlServer, Folders
from rapida_media.control.reload import Reloader
from rapida_media.errors import ConfigError
from rapida_media.net.descriptors import make_room
from rapida_media.net.engine import Engine
from rapida_media.net.local_address import reachable
from rapida_media.net.metrics import Metrics
from rapida_media.net.stores import Stores
from rapida_media.sip.address import format_host_port

log = logging.getLogger(__name__)

DEFAULT_AGENT = "echo"
# For agents whose calls the stop has ended, once all else is over.
AGENTS_S = 1.0


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """The command line of ``rapida-media serve``; None where it says nothing."""

    config: Path | None = None
    sip: tuple[Listen, ...] | None = None
    http: HttpListen | None = None
    agent: str | None = None


async def serve(options: ServeOptions) -> int:
    """Serve until SIGTERM or SIGINT, then drain; a second signal ends the calls at once."""
    options = _with_file(options)
    reloader = Reloader(lambda: _configuration(options)[0])
    # From now on: who is asked to reload while starting must not die of it.
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloader.ask)
    config, directory = _configuration(options)
    make_room(config.limits.max_calls)
    stores = Stores(config.store)
    engine = Engine(
        config,
        directory=directory,
        default_agent=options.agent or DEFAULT_AGENT,
        contexts=stores.contexts,
    )
    await stores.open(engine.journal)
    folders = Folders(config.store.recordings, config.store.prompts)
    metrics = Metrics(engine, stores)
    server = ControlServer(
        config,
        engine,
        stores.records,
        folders,
        problems=stores.problems,
        metrics=metrics.render,
    )
    try:
        await _run(engine, server, stores, config, reloader)
    finally:
        await stores.close()
    return 0


async def _run(
    engine: Engine, server: ControlServer, stores: Stores, config: Config, reloader: Reloader
) -> None:
    signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, signals.put_nowait, number)
    await engine.start()
    try:
        await server.start()
    except ConfigError:
        await engine.stop()
        raise
    _spare_the_collector()
    _say_how_to_call(engine, server, config)
    reloader.start(server)
    engine.provider_calls.hang_up_left_open(stores.records.left_open)
    await signals.get()
    reloader.stop()
    await _drain(engine, signals, config.limits.drain_seconds)
    await engine.stop()
    await server.stop()
    if left := await engine.agents_ended(AGENTS_S):
        log.warning("%d agents still had something to do after their calls; they are cut off", left)


def _spare_the_collector() -> None:
    """Have the garbage collector stop the audio as rarely as can be.

    What exists now lives as long as the process. SIP calls leave no circles behind
    (tests/engine/test_gone_at_once.py), so there are those of WebSockets and of agents to look for.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 5, 10)


def _with_file(options: ServeOptions) -> ServeOptions:
    """Name the file that is read without being named: when it is gone one day, that is a fault and
    no wish for the defaults."""
    if options.config is None and Path(DEFAULT_PATH).exists():
        return replace(options, config=Path(DEFAULT_PATH))
    return options


def _configuration(options: ServeOptions) -> tuple[Config, Path]:
    config = load_config(options.config)
    if options.sip is not None:
        config = replace(config, sip=replace(config.sip, listen=options.sip))
    if options.http is not None:
        config = replace(config, http=replace(config.http, listen=options.http))
    config.check_exposure()
    return config, options.config.parent if options.config is not None else Path.cwd()


async def _drain(
    engine: Engine, signals: asyncio.Queue[signal.Signals], drain_seconds: float
) -> None:
    log.info("stopping: %d calls in progress", engine.active_calls)
    second = asyncio.ensure_future(signals.get())
    drained = asyncio.ensure_future(engine.drain())
    await asyncio.wait(
        (second, drained), timeout=drain_seconds, return_when=asyncio.FIRST_COMPLETED
    )
    second.cancel()
    drained.cancel()


def _say_how_to_call(engine: Engine, server: ControlServer, config: Config) -> None:
    log.info("listening for HTTP on %s", server.address)
    for each in engine.sip_addresses:
        where = format_host_port(each.host, each.port)
        log.info("listening for SIP on %s:%s", each.transport, where)
    first = engine.sip_addresses[0]
    host = config.sip.external_address or reachable(first.host)
    by = "" if first.transport == "udp" else f";transport={first.transport}"
    uri = f"sip:echo@{format_host_port(host, first.port)}{by}"
    base = config.http.public_url or f"http://{server.address}"
    print(f"Ready. Call {uri} with any SIP phone, or from another shell:", file=sys.stderr)
    print(f"  rapida-media call '{uri}' --play speech.wav --record back.wav", file=sys.stderr)
    print(f"Webhooks of providers: {base}/v1/talk/PROVIDER/call/ASSISTANT", file=sys.stderr)
    print(f"Call from a browser, and watch the calls: http://{server.address}/", file=sys.stderr)
