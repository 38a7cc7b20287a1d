"""From an agent's name in the configuration to the coroutine function that talks on a call.

echo   silence   play:FILE.wav   record   tone:440   bridge:sip:user@host
websocket:URL   python:package.module:function
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from inspect import isasyncgenfunction, iscoroutinefunction, isfunction, signature
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING

from rapida_media.agents.bot_link import BotShell
from rapida_media.agents.bridge import bridge
from rapida_media.agents.builtin import echo, play, record, silence, tone
from rapida_media.agents.modules import import_fresh
from rapida_media.agents.websocket import BotPlace, websocket
from rapida_media.config import BotConfig, Credential
from rapida_media.config.bot import check_bot_url
from rapida_media.errors import ConfigError, RemoteProtocolError
from rapida_media.ids import IdSource, SystemIds
from rapida_media.media.wav import read_wav
from rapida_media.sip.uri import parse_uri

if TYPE_CHECKING:
    from rapida_media.call.call import Call

Agent = Callable[["Call"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class AgentContext:
    """Where agents find things: relative files and modules, and the place for recordings.

    bots: opens the connections of ``websocket:``, None where no agent is put on a call.
    credentials: every account there is.  bot, credential: of the assistant whose agent is made.
    """

    directory: Path
    recordings: Path
    bots: BotShell | None = None
    ids: IdSource = field(default_factory=SystemIds)
    credentials: Mapping[str, Credential] = field(default_factory=dict)
    bot: BotConfig = field(default_factory=BotConfig)
    credential: str | None = None


def make_agent(spec: str, context: AgentContext) -> Agent:
    """Make the agent that ``spec`` names; ConfigError names what is wrong with it."""
    kind, colon, argument = spec.partition(":")
    factory = _FACTORIES.get(kind)
    if factory is None:
        known = " ".join(_FACTORIES)
        if argument.startswith("//"):  # a URL, which may hold secrets
            raise ConfigError(f"agent {kind}:…: write a bot's URL as {_WITH_ARGUMENT['websocket']}")
        raise ConfigError(f"agent {spec!r}: there is no agent {kind!r}; known are: {known}")
    if bool(colon and argument) != (kind in _WITH_ARGUMENT):
        form = _WITH_ARGUMENT.get(kind, kind)
        raise ConfigError(f"agent {spec!r}: write it as {form}")
    return factory(argument, context)


def _make_play(argument: str, context: AgentContext) -> Agent:
    return play(read_wav(context.directory / argument))


def _make_tone(argument: str, context: AgentContext) -> Agent:
    try:
        hz = float(argument)
    except ValueError:
        hz = 0.0
    if not 20 <= hz <= 7000:
        raise ConfigError(f"agent tone:{argument}: expected a frequency from 20 to 7000 Hz")
    return tone(hz)


def _make_bridge(argument: str, context: AgentContext) -> Agent:
    try:
        parse_uri(argument)
    except RemoteProtocolError as error:
        raise ConfigError(f"agent bridge:{argument}: expected a SIP URI: {error}") from None
    return bridge(argument)


def _make_websocket(argument: str, context: AgentContext) -> Agent:
    bot = context.bot
    try:
        urls = [check_bot_url(argument)]
    except ValueError as error:
        raise ConfigError(f"agent websocket: {error}") from None
    apology = None
    kind, _, name = bot.fallback.partition(":")
    if kind == "play":
        apology = read_wav(context.directory / name)
    elif kind != "hangup":
        urls.append(bot.fallback)
    place = BotPlace(tuple(urls), bot, _signer(context), apology, context.ids)
    return websocket(place, context.bots)


def _signer(context: AgentContext) -> Credential | None:
    """Give the account whose secrets a bot knows: the assistant's, else the only one there is."""
    name = context.bot.credential or context.credential
    if name is not None:
        return context.credentials.get(name)
    of_vendor = [
        each for each in context.credentials.values() if each.provider == context.bot.dialect
    ]
    return of_vendor[0] if len(of_vendor) == 1 else None


def _make_python(argument: str, context: AgentContext) -> Agent:
    module_name, colon, function_name = argument.partition(":")
    if not (module_name and colon and function_name):
        raise ConfigError(f"agent python:{argument}: write it as python:package.module:function")
    try:
        module = import_fresh(module_name, context.directory)
    except (Exception, SystemExit) as error:  # whatever the module does
        reason = str(error) if isinstance(error, ImportError) else _told(error, module_name)
        raise ConfigError(f"agent python:{argument}: cannot import it: {reason}") from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise ConfigError(
            f"agent python:{argument}: module {module_name} has no function {function_name}"
        )
    if (fault := _unfit(function)) is not None:
        raise ConfigError(
            f"agent python:{argument}: {fault}; write async def {function_name}(call)"
        )
    agent: Agent = function
    return agent


def _told(error: BaseException, module_name: str) -> str:
    """Say what a module did when it was imported, and in which line of its own."""
    own = f"{module_name.rpartition('.')[2]}.py"
    frames = [each for each in extract_tb(error.__traceback__) if Path(each.filename).name == own]
    where = f", in {own}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def _unfit(function: Callable[..., object]) -> str | None:
    """Say why a function is no agent, as far as that can be seen without calling it."""
    if isasyncgenfunction(function):
        return "it yields, and would never run"
    # One that wraps another, or an object that is called, may well give something to await.
    plain = isfunction(function) and not hasattr(function, "__wrapped__")
    if plain and not iscoroutinefunction(function):
        return "it is no async function"
    try:
        signature(function).bind("call")
    except TypeError:
        return "it does not take one argument, the call"
    except ValueError:  # compiled code without a signature
        return None
    return None


_FACTORIES: dict[str, Callable[[str, AgentContext], Agent]] = {
    "echo": lambda argument, context: echo,
    "silence": lambda argument, context: silence,
    "play": _make_play,
    "record": lambda argument, context: record(context.recordings),
    "tone": _make_tone,
    "bridge": _make_bridge,
    "websocket": _make_websocket,
    "python": _make_python,
}
_WITH_ARGUMENT = {
    "play": "play:FILE.wav",
    "tone": "tone:HERTZ, for example tone:440",
    "bridge": "bridge:sip:user@host",
    "websocket": "websocket:wss://HOST/PATH",
    "python": "python:package.module:function",
}
