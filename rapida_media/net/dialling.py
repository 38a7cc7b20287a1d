"""Calls of ours: a new one to a URI or by a trunk, and the next session of one that moves.

Owned by the engine; ``Placing`` resolves the targets of calls that move.
"""

from __future__ import annotations

from dataclasses import replace

from rapida_media import clock
from rapida_media.agents.base import Agent
from rapida_media.call.call import CallInfo
from rapida_media.call.guard import is_sip_uri, uri_fault
from rapida_media.call.identity import ANONYMOUS
from rapida_media.call.records import CallRecord
from rapida_media.call.second_leg import DialOrder
from rapida_media.errors import ConfigError, DialError, LocalProtocolError, RapidaError
from rapida_media.ids import IdSource
from rapida_media.net.assistants import Assistants
from rapida_media.net.calls import Calls
from rapida_media.net.resolver import Resolver
from rapida_media.net.second_legs import Owner
from rapida_media.net.sip_call import CallShell, SipCall
from rapida_media.net.target import Target, resolve_target
from rapida_media.net.trunks import Outbound, Trunks
from rapida_media.sdp.codec import DEFAULT_CODECS
from rapida_media.sdp.offer_answer import OfferAnswer
from rapida_media.sip.address import format_host
from rapida_media.sip.builder import REASONS
from rapida_media.sip.digest import Credentials
from rapida_media.sip.endpoint import SipEndpoint
from rapida_media.sip.outgoing import MAX_FORWARDS
from rapida_media.sip.outgoing_session import OutgoingSession
from rapida_media.sip.uri import escape_user, user_of
from rapida_media.sip.user_agent import Headers

FORBIDDEN, TOO_MANY_HOPS = 403, 483


class Dialling:
    """endpoint: set once the engine listens. assistants: whose calls may be sent elsewhere by those
    they called."""

    endpoint: SipEndpoint

    def __init__(
        self,
        calls: Calls,
        trunks: Trunks,
        resolver: Resolver,
        ids: IdSource,
        shell: CallShell,
        *,
        assistants: Assistants,
    ) -> None:
        self._calls = calls
        self._assistants = assistants
        self._trunks = trunks
        self._guard = shell.guard
        self._resolver = resolver
        self._ids = ids
        self._shell = shell

    def dial(
        self,
        target: Target,
        agent: Agent | None,
        *,
        codecs: tuple[str, ...] | None = None,
        srtp: str = "off",
        early_agent: bool = False,
        credentials: Credentials | None = None,
        from_uri: str | None = None,
        headers: Headers = (),
        assistant: str | None = None,
        ordered: CallRecord | None = None,
    ) -> SipCall:
        """Call a resolved SIP URI; the agent starts when it is answered, with early_agent as soon
        as the callee sends early media. None: somebody else acts on the call.

        srtp: "off", "optional" or "required". credentials: who we are, also in From unless from_uri
        names another, and what answers a challenge. headers: more of the INVITE. assistant: whose
        agent ordered it. ordered: the call's record, where it was journalled before; its id,
        assistant and parameters are the call's.
        RapidaError when no port is free, LocalProtocolError for what cannot be written. The
        result's ``finished`` tells the end.
        """
        if from_uri is None and credentials is not None:
            from_uri = f"sip:{escape_user(credentials.username)}@{target.host}"
        caller = from_uri or f"sip:rapida@{format_host(target.local_host)}"
        way = Outbound(target, caller, credentials=credentials, codecs=codecs, srtp=srtp)
        return self._dial(
            way,
            agent,
            early_agent=early_agent,
            headers=headers,
            assistant=assistant,
            ordered=ordered,
        )

    async def dial_trunk(
        self,
        trunk: str,
        whom: str,
        agent: Agent,
        *,
        codecs: tuple[str, ...] | None = None,
        early_agent: bool = False,
        caller_id: str | None = None,
        headers: Headers = (),
        ordered: CallRecord | None = None,
    ) -> SipCall:
        """Call a number, or a SIP URI that belongs to it, by a trunk of the configuration.

        codecs, caller_id: in place of the trunk's. Raises as ``dial`` does, and ConfigError when
        the trunk is unknown or its server cannot be found.
        """
        way = await self._trunks.outbound(trunk, whom, caller_id)
        way = replace(way, codecs=codecs or way.codecs)
        return self._dial(way, agent, early_agent=early_agent, headers=headers, ordered=ordered)

    async def dial_for(self, owner: Owner, order: DialOrder) -> SipCall:
        """Make the second leg that the agent of a call ordered.

        It offers the codec spoken in that call before all others, so that payloads can pass from
        one to the other as they are. DialError (403) for what may not be called; else raises as
        ``dial`` and ``dial_trunk`` do.
        """
        if order.trunk is None and not is_sip_uri(order.uri):
            raise ConfigError(f"{order.uri!r} is no SIP URI, and no trunk is named to call it by")
        if is_sip_uri(order.uri) and (fault := uri_fault(order.uri)) is not None:
            raise ConfigError(fault)
        assistant = owner.info.assistant
        self._ask_guard(order, assistant)
        # A call that comes back to us through others must not go round for ever: what takes the
        # place of a proxy counts the hops down like one (RFC 7332 section 4).
        hops = owner.info.max_forwards
        if not hops:
            raise DialError(TOO_MANY_HOPS, REASONS[TOO_MANY_HOPS])
        private = owner.info.private and order.caller_id in _names(owner.info.caller)
        way = await self.way_to(order.uri, order.trunk, order.caller_id, private=private)
        self._ask_guard(order, assistant)  # others may have dialled meanwhile
        codecs = _preferring(owner.codec, way.codecs or DEFAULT_CODECS)
        return self._dial(
            replace(way, codecs=codecs),
            None,
            headers=order.headers,
            assistant=assistant,
            max_forwards=hops - 1,
        )

    def _ask_guard(self, order: DialOrder, assistant: str | None) -> None:
        why = self._guard.check(order.uri, clock.wall(), assistant=assistant, trunk=order.trunk)
        if why is not None:
            raise DialError(FORBIDDEN, f"not allowed: {why}")

    async def way_to(
        self, whom: str, trunk: str | None, caller_id: str | None, private: bool = False
    ) -> Outbound:
        """Find out how to call a SIP URI, by its trunk where it belongs to one, or a number by a
        trunk. private: the callee is not to learn who calls. ConfigError."""
        if is_sip_uri(whom):
            owner = self._guard.trunk_of(whom)
            if trunk not in {None, owner}:
                raise ConfigError(f"the URI is none of the trunk {trunk!r}")
            trunk = owner
        if trunk is not None:
            return await self._trunks.outbound(trunk, whom, caller_id, private=private)
        target = await resolve_target(whom, None, self._resolver)
        if private:
            return Outbound(target, ANONYMOUS)
        user = escape_user(caller_id or "rapida")
        return Outbound(target, f"sip:{user}@{format_host(target.local_host)}")

    def _dial(
        self,
        way: Outbound,
        agent: Agent | None,
        *,
        early_agent: bool = False,
        headers: Headers = (),
        assistant: str | None = None,
        max_forwards: int = MAX_FORWARDS,
        ordered: CallRecord | None = None,
    ) -> SipCall:
        """headers: more of the INVITE. max_forwards: how many elements may pass it on."""
        name = ordered.assistant if ordered is not None else assistant
        known = self._assistants.named(name or "")
        call = self._calls.make(
            CallInfo(
                id=ordered.id if ordered is not None else self._ids.token(),
                provider="sip",
                direction="outbound",
                caller=way.from_uri,
                called=way.target.uri,
                assistant=name,
                trunk=way.trunk,
                parameters=ordered.parameters if ordered is not None else {},
                max_forwards=max_forwards,
            ),
            agent,
            address=way.target.local_host,
            codecs=way.codecs,
            srtp=way.srtp,
            early_agent=early_agent,
            follow_transfers=known is not None and known.follow_transfers,
            jitter=known.jitter if known is not None else None,
        )
        if call is None:
            raise RapidaError("no RTP port pair is free")
        call.headers = headers
        now = clock.monotonic()
        try:
            session = self._invite(way, call.negotiation.offer(), headers, max_forwards, now)
        except LocalProtocolError:
            call.discard()
            raise
        self._calls.add(session, call)
        self._shell.drain_signalling(now)
        return call

    def _invite(
        self,
        way: Outbound,
        offer: bytes,
        headers: Headers,
        max_forwards: int,
        now: float,
    ) -> OutgoingSession:
        return self.endpoint.invite(
            target=way.target.uri,
            destination=way.target.addresses[0],
            others=way.target.addresses[1:],
            from_uri=way.from_uri,
            body=offer,
            credentials=way.credentials,
            headers=(*way.headers, *headers),
            max_forwards=max_forwards,
            now=now,
        )

    def move(self, call: SipCall, way: Outbound, headers: Headers) -> None:
        """Send the INVITE of the session a call moves to; its mover hears what comes of it.

        To a trunk it goes as every call by that trunk; else as the call was until now. A call of
        ours that is redirected has no more hops for that.
        """
        now = clock.monotonic()
        by_trunk = way.trunk is not None
        media = {"srtp": way.srtp, **({"codecs": way.codecs} if way.codecs else {})}
        negotiation = call.negotiation.successor(
            OfferAnswer(self._ids), **(media if by_trunk else {})
        )
        if not by_trunk:
            way = replace(way, from_uri=call.local_uri)
        hops = MAX_FORWARDS if call.call.answered else call.info.max_forwards
        session = self._invite(way, negotiation.offer(), headers, hops, now)
        self._calls.move(session, call)
        call.sessions.add(session)
        call.mover.placed(session, negotiation)
        self._shell.drain_signalling(now)


def _names(caller: str) -> tuple[str | None, ...]:
    """Give what an agent may call a caller by."""
    return caller, user_of(caller)


def _preferring(first: str | None, codecs: tuple[str, ...]) -> tuple[str, ...]:
    """Put one of the codecs in front of the others."""
    return tuple(sorted(codecs, key=lambda each: each != first))
