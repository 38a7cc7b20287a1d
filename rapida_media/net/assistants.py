"""The assistants of the configuration with their agents made, for every way a call can arrive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rapida_media.agents.base import Agent, AgentContext, make_agent
from rapida_media.agents.prologue import with_prologue
from rapida_media.call.routing import Router
from rapida_media.config import Assistant, Credential
from rapida_media.errors import ConfigError
from rapida_media.media.wav import read_wav


class Assistants:
    """default_agent: spec of the agent for calls that no assistant matches; None refuses them.

    ConfigError for an assistant whose agent cannot be made: better now than at its first call.
    """

    def __init__(
        self,
        assistants: Mapping[str, Assistant],
        default_agent: str | None,
        context: AgentContext,
    ) -> None:
        default = Assistant("", default_agent) if default_agent else None
        self._default_agent = default_agent
        self._context = context
        self._named = assistants
        self._router = Router(assistants, default)
        self._agents = {
            each.name: _prepare(each, context)
            for each in (*assistants.values(), *([default] if default else []))
        }

    def others(
        self, assistants: Mapping[str, Assistant], credentials: Mapping[str, Credential]
    ) -> Assistants:
        """Make the agents of other assistants, with the same default. Reads files and imports
        modules, so not in the thread of the calls. ConfigError."""
        context = replace(self._context, credentials=credentials)
        return Assistants(assistants, self._default_agent, context)

    def use(self, others: Assistants) -> None:
        """Be these from now on; calls in progress have their agents."""
        self._named, self._router, self._agents = others._named, others._router, others._agents
        self._context = others._context

    def route(self, user: str) -> Assistant | None:
        """Give the assistant that takes a call to ``user``, None when nobody does."""
        return self._router.route(user)

    def named(self, name: str) -> Assistant | None:
        return self._named.get(name)

    def agent(self, assistant: Assistant) -> Agent:
        """Give the assistant's agent, recording and greeting included."""
        return self._agents[assistant.name]


def _prepare(assistant: Assistant, context: AgentContext) -> Agent:
    context = replace(context, bot=assistant.bot, credential=assistant.credential)
    recordings = context.recordings if assistant.record else None
    try:
        agent = make_agent(assistant.agent, context)
        greeting = read_wav(assistant.greeting) if assistant.greeting is not None else None
    except ConfigError as error:
        if not assistant.name:  # of the command line
            raise
        raise ConfigError(f"[assistants.{assistant.name}] {error}") from error.__cause__
    return with_prologue(agent, greeting, recordings)
