"""Calls that an operator orders: checked, recorded as queued, then placed by their provider.

``place`` returns once the call has a record; everything after that is an event of the journal. The
same idempotency key gives the same call, also to two orders at once and after a restart.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from rapida_media import clock
from rapida_media.agents.base import Agent
from rapida_media.call.endings import ended
from rapida_media.call.guard import is_sip_uri, uri_fault
from rapida_media.call.records import CallRecord
from rapida_media.config import Assistant, Config
from rapida_media.config.trunk import header_fault
from rapida_media.errors import ConfigError, RapidaError
from rapida_media.ids import IdSource
from rapida_media.net.engine import Engine
from rapida_media.net.logs import redact
from rapida_media.net.provider_lines import Refused
from rapida_media.net.sip_call import SipCall
from rapida_media.sip.uri import unescape, user_of

log = logging.getLogger(__name__)

SIP = "sip"
# Keys that are remembered here; older ones are in the store of records.
REMEMBERED = 10_000


class Records(Protocol):
    """Where calls that are over are found."""

    async def get(self, call_id: str) -> CallRecord | None: ...
    async def find_by_key(self, idempotency_key: str) -> CallRecord | None: ...


@dataclass(frozen=True, slots=True)
class Order:
    """What an operator orders. provider, trunk: None for what the configuration suggests.

    headers: more of the INVITE, over SIP.
    """

    assistant: str
    to: str
    from_: str | None = None
    provider: str | None = None
    trunk: str | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    idempotency_key: str | None = None
    ring_seconds: int = 60
    headers: Mapping[str, str] = field(default_factory=dict)


class Orders:
    """records: where an earlier run's keys are found."""

    def __init__(self, config: Config, engine: Engine, records: Records, ids: IdSource) -> None:
        self._config = config
        self._engine = engine
        self._guard = engine.guard
        self._records = records
        self._ids = ids
        self._by_key: OrderedDict[str, tuple[CallRecord, Order]] = OrderedDict()
        self._locks: dict[str, asyncio.Lock] = {}
        self._holders: Counter[str] = Counter()  # of each key's lock, those who wait included
        self._tasks: set[asyncio.Task[None]] = set()

    def use(self, config: Config) -> None:
        """Place the orders to come by another configuration."""
        self._config = config

    async def place(self, order: Order) -> CallRecord:
        """Check and record a call and have it placed; Refused says why not."""
        key = order.idempotency_key
        if key is None:
            return await self._place(order)
        lock = self._locks.setdefault(key, asyncio.Lock())
        self._holders[key] += 1
        try:
            async with lock:
                known = await self._known(key, order)
                if known is not None:
                    return known
                record = await self._place(order)
                self._by_key[key] = (record, order)
                if len(self._by_key) > REMEMBERED:
                    self._by_key.popitem(last=False)
                return record
        finally:
            self._holders[key] -= 1
            if not self._holders[key]:
                del self._holders[key], self._locks[key]

    async def _known(self, key: str, order: Order) -> CallRecord | None:
        """Give the call this key made, as it is now; Refused when that was another order."""
        remembered, same = self._by_key.get(key), True
        if remembered is not None:
            record, first = remembered
            same = first == order
            live = self._engine.journal.live.get(record.id)
            record = live or await self._records.get(record.id) or record
        else:
            found = await self._records.find_by_key(key)
            if found is None:
                return None
            # By a trunk or a provider a number may have got a prefix and a domain.
            number = order.to.lstrip("+0")
            same = found.assistant == order.assistant and number in unescape(found.called)
            record = found
        if not same:
            raise Refused(409, "the key belongs to another order", field="idempotency_key")
        return record

    def allow_transfer(self, record: CallRecord, target: str) -> None:
        """Refuse to send a call where it could not be placed to."""
        if record.provider == SIP and not is_sip_uri(target):
            raise Refused(422, "a call over sip is sent to a SIP URI", field="to")
        _check_uri(target, "to")
        why = self._guard.check_target(
            target, trunk=record.trunk, credential=record.credential, ordered=True
        )
        if why is not None:
            raise Refused(403, why, kind="not-allowed", field="to")

    def hang_up(self, record: CallRecord, reason: str) -> None:
        """End a call for an operator; one that was not answered is canceled."""
        engine = self._engine
        reason = reason if record.answered else "canceled"
        if (call := engine.signalling(record.id)) is not None:
            call.hang_up(reason)
        else:  # its server is being looked for: the order finds out that it is over
            engine.journal.ended(record.id, reason=reason, failure_class="caller")

    def cancel(self) -> None:
        """Place nothing more."""
        for task in self._tasks:
            task.cancel()

    async def _place(self, order: Order) -> CallRecord:
        assistant = self._config.assistants.get(order.assistant)
        if assistant is None:
            raise Refused(422, f"there is no assistant {order.assistant!r}", field="assistant")
        _check_uri(order.to, "to")
        _check_uri(order.from_ or "", "from")
        account = self._config.credentials.get(assistant.credential or "")
        provider = order.provider or (account.provider if account is not None else SIP)
        self._check_limits(assistant)
        if provider == SIP:
            return self._place_sip(order, assistant)
        return await self._place_at(provider, order, assistant)

    async def _place_at(self, provider: str, order: Order, assistant: Assistant) -> CallRecord:
        calls = self._engine.provider_calls
        if order.trunk is not None:
            raise Refused(422, "only calls over sip go by a trunk", field="trunk")
        if order.headers:
            raise Refused(422, "only calls over sip have header fields", field="headers")
        if (spec := calls.specs.get(provider)) is None or spec.telephony is None:
            raise Refused(422, f"there is no provider {provider!r}", field="provider")
        try:
            credential = calls.credential_of(provider, assistant)
        except Refused as refused:  # 404 is for the provider, whose URL names what is not there
            raise Refused(422, str(refused), field="provider") from None
        self._check_target(order, trunk=None, credential=credential)
        self._engine.admit()
        with self._guard.placing(assistant.name):
            return await calls.place(
                provider,
                assistant,
                to=order.to,
                from_=order.from_ or next(iter(assistant.numbers), ""),
                parameters={**assistant.parameters, **order.parameters},
                call_id=self._ids.token(),
                idempotency_key=order.idempotency_key,
                ring_seconds=order.ring_seconds,
            )

    def _place_sip(self, order: Order, assistant: Assistant) -> CallRecord:
        for name, value in order.headers.items():
            if (fault := header_fault(name, value)) is not None:
                raise Refused(422, fault, field="headers")
        if not is_sip_uri(order.to):
            trunk: str | None = self._trunk_for(order)
        elif order.trunk is None:
            trunk = self._guard.trunk_of(order.to)
        else:
            raise Refused(422, "a SIP URI names its server itself", field="trunk")
        self._check_target(order, trunk=trunk, credential=None)
        self._engine.admit()
        record = CallRecord(
            id=self._ids.token(),
            provider=SIP,
            direction="outbound",
            caller=order.from_ or "",
            called=order.to,
            created_at=clock.wall(),
            assistant=assistant.name,
            trunk=trunk,
            parameters={**assistant.parameters, **order.parameters},
            idempotency_key=order.idempotency_key,
        )
        self._engine.journal.created(record)
        task = asyncio.get_running_loop().create_task(
            self._dial(record, order, self._engine.assistants.agent(assistant)),
            name=f"order {record.id}",
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return record

    async def _dial(self, record: CallRecord, order: Order, agent: Agent) -> None:
        """Task root of one order over SIP: from its record to its INVITE."""
        engine = self._engine
        try:
            call = await self._invite(record, order, agent)
        except ConfigError as error:
            self._failed(record, "unreachable", error)
        except RapidaError as error:
            self._failed(record, "no_capacity", error)
        except Exception as error:
            log.exception("the order failed", extra={"call_id": record.id})
            self._failed(record, "engine_error", error)
        except asyncio.CancelledError as error:
            self._failed(record, "engine_stopping", error)
            raise
        else:
            if record.id not in engine.journal.live:  # given up while its server was looked for
                call.hang_up("canceled")
                return
            asyncio.get_running_loop().call_later(order.ring_seconds, _ring_no_longer, call)

    async def _invite(self, record: CallRecord, order: Order, agent: Agent) -> SipCall:
        engine = self._engine
        headers = tuple(order.headers.items())
        if record.trunk is not None:
            caller_id = order.from_
            if caller_id is not None and is_sip_uri(caller_id):
                caller_id = user_of(caller_id)
            return await engine.dial_trunk(
                record.trunk, record.called, agent,
                caller_id=caller_id, headers=headers, ordered=record,
            )  # fmt: skip
        target = await engine.resolve(record.called)
        return engine.dial(target, agent, from_uri=_caller_uri(order.from_, target.local_host),
                           headers=headers, ordered=record)  # fmt: skip

    def _failed(self, record: CallRecord, reason: str, error: BaseException) -> None:
        log.warning("the order failed: %s", redact(str(error)), extra={"call_id": record.id})
        facts = ended(reason).facts()
        self._engine.journal.ended(record.id, **facts, cause=str(error) or None)

    # -- checks --------------------------------------------------------------------------------

    def _check_limits(self, assistant: Assistant) -> None:
        denial = self._guard.check_limits(assistant, clock.wall())
        if denial is not None:
            raise Refused(403, denial.detail, kind=denial.kind, field=denial.field)

    def _check_target(self, order: Order, *, trunk: str | None, credential: str | None) -> None:
        why = self._guard.check_target(order.to, trunk=trunk, credential=credential, ordered=True)
        if why is not None:
            raise Refused(403, why, kind="not-allowed", field="to")

    def _trunk_for(self, order: Order) -> str:
        """The trunk the order names; without one, the only one there is."""
        trunks = [trunk.name for trunk in self._config.trunks.values() if trunk.server is not None]
        if order.trunk is not None:
            if order.trunk not in trunks:
                raise Refused(
                    422, f"there is no trunk {order.trunk!r} to call out by", field="trunk"
                )
            return order.trunk
        if len(trunks) != 1:
            which = "there is none" if not trunks else f"there are {', '.join(sorted(trunks))}"
            raise Refused(422, f"expected a trunk to call the number by; {which}", field="trunk")
        return trunks[0]


def _check_uri(target: str, field: str) -> None:
    if is_sip_uri(target) and (fault := uri_fault(target)) is not None:
        raise Refused(422, fault, field=field)


def _caller_uri(caller: str | None, local_host: str) -> str | None:
    if caller is None or is_sip_uri(caller):
        return caller
    host = f"[{local_host}]" if ":" in local_host else local_host
    return f"sip:{caller}@{host}"


def _ring_no_longer(call: SipCall) -> None:
    if not call.call.answered and not call.finished.done():
        call.hang_up("no_answer")
