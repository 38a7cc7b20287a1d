"""Calls of ours: a new one to a URI or by a trunk, and the next session of one that moves.

Owned by the engine; ``Placing`` resolves the targets of calls that move.
"""

from __future__ import annotations

from rapida_media import clock
from rapida_media.agents.base import Agent
from rapida_media.call.call import CallInfo
from rapida_media.call.guard import TollGuard, is_sip_uri, uri_fault
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
from rapida_media.sip.uri import escape_user
from rapida_media.sip.user_agent import Headers

FORBIDDEN, TOO_MANY_HOPS = 403, 483


class Dialling:
    """endpoint: set once the engine listens. assistants: whose calls may be sent elsewhere by those
    they called. guard: what agents may call."""

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
        guard: TollGuard,
    ) -> None:
        self._calls = calls
        self._assistants = assistants
        self._trunks = trunks
        self._guard = guard
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
        trunk: str | None = None,
        assistant: str | None = None,
        max_forwards: int = MAX_FORWARDS,
        ordered: CallRecord | None = None,
    ) -> SipCall:
        """Call a resolved SIP URI; the agent starts when it is answered, with early_agent as soon
        as the callee sends early media. None: somebody else acts on the call.

        srtp: "off", "optional" or "required". credentials: who we are, also in From unless from_uri
        names another, and what answers a challenge. headers: more of the INVITE. assistant: whose
        agent ordered it. max_forwards: how many elements may pass it on. ordered: the
        call's record, where it was journalled before; its id, assistant and parameters are the
        call's.
        RapidaError when no port is free, LocalProtocolError for what cannot be written. The
        result's ``finished`` tells the end.
        """
        caller = from_uri or f"sip:rapida@{format_host(target.local_host)}"
        if from_uri is None and credentials is not None:
            caller = f"sip:{escape_user(credentials.username)}@{target.host}"
        name = ordered.assistant if ordered is not None else assistant
        known = self._assistants.named(name or "")
        call = self._calls.make(
            CallInfo(
                id=ordered.id if ordered is not None else self._ids.token(),
                provider="sip",
                direction="outbound",
                caller=caller,
                called=target.uri,
                assistant=name,
                trunk=trunk,
                parameters=ordered.parameters if ordered is not None else {},
                max_forwards=max_forwards,
            ),
            agent,
            address=target.local_host,
            codecs=codecs,
            srtp=srtp,
            early_agent=early_agent,
            follow_transfers=known is not None and known.follow_transfers,
            jitter=known.jitter if known is not None else None,
        )
        if call is None:
            raise RapidaError("no RTP port pair is free")
        call.headers = headers
        self._invite(call, target, caller, credentials, headers)
        return call

    def _invite(
        self,
        call: SipCall,
        target: Target,
        caller: str,
        credentials: Credentials | None,
        headers: Headers,
    ) -> None:
        now = clock.monotonic()
        try:
            session = self.endpoint.invite(
                target=target.uri,
                destination=target.addresses[0],
                others=target.addresses[1:],
                from_uri=caller,
                body=call.negotiation.offer(),
                now=now,
                credentials=credentials,
                headers=headers,
                max_forwards=call.info.max_forwards,
            )
        except LocalProtocolError:
            call.discard()
            raise
        self._calls.add(session, call)
        self._shell.drain_signalling(now)

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
        return self._dial(
            way,
            agent,
            codecs=codecs or way.codecs,
            early_agent=early_agent,
            headers=headers,
            ordered=ordered,
        )

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
        way = await self.way_to(order.uri, order.trunk, order.caller_id)
        self._ask_guard(order, assistant)  # others may have dialled meanwhile
        codecs = _preferring(owner.codec, way.codecs or DEFAULT_CODECS)
        return self._dial(
            way,
            None,
            codecs=codecs,
            headers=order.headers,
            assistant=assistant,
            max_forwards=hops - 1,
        )

    def _ask_guard(self, order: DialOrder, assistant: str | None) -> None:
        why = self._guard.check(order.uri, clock.wall(), assistant=assistant, trunk=order.trunk)
        if why is not None:
            raise DialError(FORBIDDEN, f"not allowed: {why}")

    async def way_to(self, whom: str, trunk: str | None, caller_id: str | None) -> Outbound:
        """Find out how to call a SIP URI, by its trunk where it belongs to one, or a number by a
        trunk. ConfigError."""
        if is_sip_uri(whom):
            owner = self._guard.trunk_of(whom)
            if trunk not in {None, owner}:
                raise ConfigError(f"the URI is none of the trunk {trunk!r}")
            trunk = owner
        if trunk is not None:
            return await self._trunks.outbound(trunk, whom, caller_id)
        target = await resolve_target(whom, None, self._resolver)
        user = escape_user(caller_id or "rapida")
        return Outbound(target, f"sip:{user}@{format_host(target.local_host)}")

    def _dial(
        self,
        way: Outbound,
        agent: Agent | None,
        *,
        codecs: tuple[str, ...] | None,
        early_agent: bool = False,
        headers: Headers,
        assistant: str | None = None,
        max_forwards: int = MAX_FORWARDS,
        ordered: CallRecord | None = None,
    ) -> SipCall:
        call = self.dial(
            way.target,
            agent,
            codecs=codecs,
            srtp=way.srtp,
            early_agent=early_agent,
            credentials=way.credentials,
            from_uri=way.from_uri,
            headers=(*way.headers, *headers),
            trunk=way.trunk,
            assistant=assistant,
            max_forwards=max_forwards,
            ordered=ordered,
        )
        call.headers = headers  # what the trunk adds, another way has not
        return call

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
        session = self.endpoint.invite(
            target=way.target.uri,
            destination=way.target.addresses[0],
            others=way.target.addresses[1:],
            from_uri=way.from_uri if by_trunk else call.local_uri,
            body=negotiation.offer(),
            credentials=way.credentials,
            headers=(*way.headers, *headers),
            max_forwards=MAX_FORWARDS if call.call.answered else call.info.max_forwards,
            now=now,
        )
        self._calls.move(session, call)
        call.sessions.add(session)
        call.mover.placed(session, negotiation)
        self._shell.drain_signalling(now)


def _preferring(first: str | None, codecs: tuple[str, ...]) -> tuple[str, ...]:
    """Put one of the codecs in front of the others."""
    return tuple(sorted(codecs, key=lambda each: each != first))
