"""What all calls of an engine have around them, whichever way they come.

Made by the engine, handed to the registries of calls and by them to each call.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rapida_media.call.guard import TollGuard
from rapida_media.call.journal import Journal
from rapida_media.ids import IdSource
from rapida_media.net.agent_task import AgentsAtWork
from rapida_media.net.assistants import Assistants
from rapida_media.net.disk import DiskThread
from rapida_media.net.errands import Errands
from rapida_media.net.media import MediaShell
from rapida_media.net.second_legs import Place
from rapida_media.net.turnstile import Turnstile


@dataclass(slots=True, kw_only=True)
class Shell:
    """ids: name calls. turnstile: lets them in. assistants: who takes them. journal: hears of them.

    guard: what agents may call. dial_for: calls somebody for an agent, over SIP. disk: what
    recordings are written by. agents: those that outlive their call. errands: what providers and
    stores are asked. media: set at the start.
    """

    ids: IdSource
    turnstile: Turnstile
    assistants: Assistants
    journal: Journal
    guard: TollGuard
    dial_for: Place
    disk: DiskThread
    agents: AgentsAtWork
    errands: Errands = field(default_factory=Errands)
    media: MediaShell = field(init=False)
