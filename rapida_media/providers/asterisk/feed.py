"""The events of ARI: how calls of ours go, and what is to be done when they are answered or over.

    StasisStart of the phone        bridge, phone into it, external media
    StasisStart of the media        media into the bridge
    ChannelDestroyed of the phone   media and bridge go
    ChannelDestroyed of the media   the bridge goes

State follows the phone's channel alone. The end of the media its socket tells, and the engine hangs
the phone up then, unless it was sent elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from rapida_media.config import Credential
from rapida_media.providers.asterisk.ari import CONNECTION_ID, Ari, context_of, media_of, phone_of
from rapida_media.providers.asterisk.states import CHANNEL_STATES, DIAL_STATES, state_of_cause
from rapida_media.providers.base import FeedNews, MediaToOpen, StatusInfo
from rapida_media.providers.http import HttpReply, HttpRequest

NOTHING = FeedNews()


class AriFeed:
    """``EventFeed`` of one account."""

    def __init__(self, ari: Ari) -> None:
        self._ari = ari

    @property
    def upgrade(self) -> HttpRequest:
        return self._ari.events

    def receive(self, message: str) -> FeedNews:
        try:
            said = json.loads(message)
        except (ValueError, RecursionError):
            return NOTHING
        if not isinstance(said, dict):
            return NOTHING
        reader = self._READERS.get(str(said.get("type")))
        return NOTHING if reader is None else reader(self, said)

    def answered(self, reply: HttpReply) -> MediaToOpen | None:
        """Read a media channel's: it names the connection where it waits for us."""
        said = reply.json
        if not isinstance(said, dict) or not isinstance(said.get("channelvars"), dict):
            return None
        connection_id = said["channelvars"].get(CONNECTION_ID)
        context_id, is_media = context_of(str(said.get("id")))
        if not is_media or not isinstance(connection_id, str) or not connection_id:
            return None
        return MediaToOpen(context_id, self._ari.media(connection_id)) if self._ari.waits else None

    def look(self, provider_call_id: str) -> HttpRequest:
        return self._ari.look(provider_call_id)

    def _started(self, said: Mapping[str, Any]) -> FeedNews:
        channel_id, context_id, is_media = _channel(said, "channel")
        if not context_id:
            return NOTHING
        give_up = (self._ari.hang_up(phone_of(context_id), "failure"),)
        if is_media:
            return FeedNews(requests=(self._ari.join(channel_id, context_id),), on_failure=give_up)
        return FeedNews(
            (StatusInfo(channel_id, "StasisStart", "in-progress", context_id=context_id),),
            self._ari.attach(context_id),
            give_up,
        )

    def _dialled(self, said: Mapping[str, Any]) -> FeedNews:
        channel_id, context_id, is_media = _channel(said, "peer")
        status = said.get("dialstatus")
        if not context_id or is_media or not isinstance(status, str):
            return NOTHING
        state = DIAL_STATES.get(status, "initiated" if not status else None)
        # How it ended, its cause says more exactly.
        state = state if state in ("initiated", "ringing", "in-progress") else None
        return FeedNews(
            (StatusInfo(channel_id, f"Dial {status}".strip(), state, context_id=context_id),)
        )

    def _changed(self, said: Mapping[str, Any]) -> FeedNews:
        channel_id, context_id, is_media = _channel(said, "channel")
        raw = _state(said)
        if not context_id or is_media or raw not in CHANNEL_STATES:
            return NOTHING
        return FeedNews((StatusInfo(channel_id, raw, CHANNEL_STATES[raw], context_id=context_id),))

    def _destroyed(self, said: Mapping[str, Any]) -> FeedNews:
        channel_id, context_id, is_media = _channel(said, "channel")
        if not context_id:
            return NOTHING
        bridge = self._ari.close_bridge(context_id)
        if is_media:
            return FeedNews(requests=(bridge,))
        cause = said.get("cause")
        cause = cause if isinstance(cause, int) else 0
        text = said.get("cause_txt")
        state = state_of_cause(cause, answered=_state(said) == "Up")
        news = StatusInfo(
            channel_id, f"cause {cause}", state, cause, text if isinstance(text, str) else None,
            context_id=context_id,
        )  # fmt: skip
        if state != "completed":
            return FeedNews((news,))
        return FeedNews((news,), (self._ari.hang_up(media_of(context_id)), bridge))

    _READERS: ClassVar[Mapping[str, Callable[[AriFeed, Mapping[str, Any]], FeedNews]]] = {
        "StasisStart": _started,
        "Dial": _dialled,
        "ChannelStateChange": _changed,
        "ChannelDestroyed": _destroyed,
    }


def ari_feed(credential: Credential) -> AriFeed | None:
    """Make what follows an account's events; None where the account is not meant for ARI."""
    try:
        return AriFeed(Ari(credential))
    except LookupError:
        return None


def _channel(said: Mapping[str, Any], name: str) -> tuple[str, str, bool]:
    """Give a channel's id, the context it belongs to, and whether it brings the media."""
    channel = said.get(name)
    channel_id = channel.get("id") if isinstance(channel, dict) else None
    return (channel_id, *context_of(channel_id)) if isinstance(channel_id, str) else ("", "", False)


def _state(said: Mapping[str, Any]) -> str:
    channel = said.get("channel")
    state = channel.get("state") if isinstance(channel, dict) else None
    return state if isinstance(state, str) else ""
