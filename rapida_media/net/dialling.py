"""Calls of ours: a new one to a URI or by a trunk, and the next session of one that moves.

Owned by the engine; ``Placing`` resolves the targets of calls that move.
"""

from __future__ import annotations

from rapida_media import clock
from rapida_media.agents.base import Agent
from rapida_media.call.call import CallInfo
from rapida_media.call.records import CallRecord
from rapida_media.call.second_leg import DialOrder
from rapida_media.errors import LocalProtocolError, RapidaError
from rapida_media.ids import IdSource
from rapida_media.net.calls import Calls
from rapida_media.net.resolver import Resolver
from rapida_media.net.sip_call import CallShell, SipCall
from rapida_media.net.target import Target, resolve_target
from rapida_media.net.trunks import Trunks
from rapida_media.sdp.codec import DEFAULT_CODECS
from rapida_media.sdp.offer_answer import OfferAnswer
from rapida_media.sip.address import format_host
from rapida_media.sip.digest import Credentials
from rapida_media.sip.endpoint import SipEndpoint
from rapida_media.sip.uri import escape_user
from rapida_media.sip.user_agent import Headers


class Dialling:
    """endpoint: set once the engine listens."""

    endpoint: SipEndpoint

    def __init__(
        self, calls: Calls, trunks: Trunks, resolver: Resolver, ids: IdSource, shell: CallShell
    ) -> None:
        self._calls = calls
        self._trunks = trunks
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
        ordered: CallRecord | None = None,
    ) -> SipCall:
        """Call a resolved SIP URI; the agent starts when it is answered, with early_agent as soon
        as the callee sends early media. None: somebody else acts on the call.

        srtp: "off", "optional" or "required". credentials: who we are, also in From unless from_uri
        names another, and what answers a challenge. headers: more of the INVITE. ordered: the
        call's record, where it was journalled before; its id, assistant and parameters are the
        call's.
        RapidaError when no port is free, LocalProtocolError for what cannot be written. The
        result's ``finished`` tells the end.
        """
        caller = from_uri or f"sip:rapida@{format_host(target.local_host)}"
        if from_uri is None and credentials is not None:
            caller = f"sip:{escape_user(credentials.username)}@{target.host}"
        call = self._calls.make(
            CallInfo(
                id=ordered.id if ordered is not None else self._ids.token(),
                provider="sip",
                direction="outbound",
                caller=caller,
                called=target.uri,
                assistant=ordered.assistant if ordered is not None else None,
                trunk=trunk,
                parameters=ordered.parameters if ordered is not None else {},
            ),
            agent,
            address=target.local_host,
            codecs=codecs,
            srtp=srtp,
            early_agent=early_agent,
        )
        if call is None:
            raise RapidaError("no RTP port pair is free")
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
            )
        except LocalProtocolError:
            call.discard()
            raise
        self._calls.add(session, call)
        self._shell.drain_signalling(now)

    async def dial_trunk(
        self,
        trunk: str,
        number: str,
        agent: Agent,
        *,
        codecs: tuple[str, ...] | None = None,
        early_agent: bool = False,
        caller_id: str | None = None,
        headers: Headers = (),
        ordered: CallRecord | None = None,
    ) -> SipCall:
        """Call a number by a trunk of the configuration.

        codecs, caller_id: in place of the trunk's. Raises as ``dial`` does, and ConfigError when
        the trunk is unknown or its server cannot be found.
        """
        way = await self._trunks.outbound(trunk, number, caller_id)
        return self.dial(
            way.target,
            agent,
            codecs=codecs or way.codecs,
            srtp=way.srtp,
            early_agent=early_agent,
            credentials=way.credentials,
            from_uri=way.from_uri,
            headers=(*way.headers, *headers),
            trunk=trunk,
            ordered=ordered,
        )

    async def dial_for(self, spoken: str | None, order: DialOrder) -> SipCall:
        """Make the second leg that the agent of a call ordered.

        It offers the codec spoken in that call before all others, so that payloads can pass from
        one to the other as they are. Raises as ``dial`` and ``dial_trunk`` do.
        """
        headers = order.headers
        if order.trunk is not None:
            way = await self._trunks.outbound(order.trunk, order.uri, order.caller_id)
            codecs = _preferring(spoken, way.codecs or DEFAULT_CODECS)
            return self.dial(
                way.target,
                None,
                codecs=codecs,
                srtp=way.srtp,
                credentials=way.credentials,
                from_uri=way.from_uri,
                headers=(*way.headers, *headers),
                trunk=order.trunk,
            )
        target = await resolve_target(order.uri, "udp", self._resolver)
        user = escape_user(order.caller_id or "rapida")
        return self.dial(
            target,
            None,
            codecs=_preferring(spoken, DEFAULT_CODECS),
            from_uri=f"sip:{user}@{format_host(target.local_host)}",
            headers=headers,
        )

    def move(self, call: SipCall, target: Target, headers: Headers) -> None:
        """Send the INVITE of the session a call moves to; its mover hears what comes of it."""
        now = clock.monotonic()
        negotiation = call.negotiation.successor(OfferAnswer(self._ids))
        session = self.endpoint.invite(
            target=target.uri,
            destination=target.addresses[0],
            others=target.addresses[1:],
            from_uri=call.local_uri,
            body=negotiation.offer(),
            headers=headers,
            now=now,
        )
        self._calls.move(session, call)
        call.sessions.add(session)
        call.mover.placed(session, negotiation)
        self._shell.drain_signalling(now)


def _preferring(first: str | None, codecs: tuple[str, ...]) -> tuple[str, ...]:
    """Put one of the codecs in front of the others."""
    return tuple(sorted(codecs, key=lambda each: each != first))
