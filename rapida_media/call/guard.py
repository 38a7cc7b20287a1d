"""Against toll fraud: which numbers may be called, how many at once, and for how much a day.

A stolen API key must not be able to call premium numbers all night. Nothing may be called that the
configuration does not name: prefixes under ``allow`` of a trunk or an account, and hosts of SIP
URIs under ``[sip] dial_hosts``. Without ``allow``, only numbers that stand in the configuration.
The same for everybody: an order, an agent, a bot, a far end that refers or redirects. But an agent
is the operator's own code: where ``dial_hosts`` is not given it may call every URI that is no
number of a trunk, and so may whom it listens to.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from rapida_media.call.records import CallRecord
from rapida_media.call.trunk_uri import SEPARATORS, trunk_of_uri, uri_by_trunk
from rapida_media.config import EVERYTHING, Assistant, Config
from rapida_media.errors import RemoteProtocolError
from rapida_media.sip.uri import parse_uri, unescape

DAY_S = 86_400.0
# Calls whose cost is remembered: a day of 50 calls a minute.
REMEMBERED = 100_000
# Shorter ones are extensions of a PBX.
SHORTEST_NUMBER = 7
_BRIDGE = "bridge:"


@dataclass(frozen=True, slots=True)
class Denial:
    """Why a call may not be placed. kind: a word for programs; field: of the order."""

    kind: str
    detail: str
    field: str | None = None


class Ledger:
    """What the outbound calls of each assistant cost in the last 24 hours; a journal's sink.

    price: what a minute of a call costs.  live: the calls that go on.  An answered minute that has
    begun is counted whole, as carriers do.
    """

    def __init__(
        self, price: Callable[[CallRecord], float], live: Mapping[str, CallRecord]
    ) -> None:
        self._price = price
        self._live = live
        self._ended: deque[tuple[float, str | None, float]] = deque(maxlen=REMEMBERED)

    def record_changed(self, record: CallRecord) -> None:
        if record.ended_at is None or record.direction != "outbound":
            return
        if cost := self._cost(record, record.ended_at):
            self._ended.append((record.ended_at, record.assistant, cost))

    def take_up(self, records: Iterable[CallRecord]) -> None:
        """Take calls of an earlier run into account; in any order, before any of this run."""
        for record in sorted(records, key=lambda each: each.ended_at or 0.0):
            self.record_changed(record)

    def spent(self, assistant: str, wall: float) -> float:
        """Give what one assistant spent in the 24 hours before ``wall`` (seconds of the epoch)."""
        while self._ended and self._ended[0][0] < wall - DAY_S:
            self._ended.popleft()
        over = sum(cost for _, name, cost in self._ended if name == assistant)
        now = sum(
            self._cost(record, wall)
            for record in self._live.values()
            if record.assistant == assistant and record.direction == "outbound"
        )
        return over + now

    def _cost(self, record: CallRecord, until: float) -> float:
        if record.answered_at is None:
            return 0.0
        minutes = -(-max(1.0, until - record.answered_at) // 60)
        return minutes * self._price(record)


class TollGuard:
    """What the configuration allows to be called.

    live: the calls that go on. default_agent: the agent's spec for calls that no assistant takes;
    whom it bridges to is named by it.
    """

    def __init__(
        self, config: Config, live: Mapping[str, CallRecord], default_agent: str | None = None
    ) -> None:
        self._live = live
        self._default_agent = default_agent or ""
        self._prices: dict[tuple[str, str], float] = {}
        self._placing: Counter[str] = Counter()  # by assistant
        self.ledger = Ledger(self._price, live)
        self.use(config)

    def use(self, config: Config) -> None:
        """Allow what another configuration allows, from now on."""
        self._config = config
        # Calls by a trunk or with an account that is gone still cost what they did.
        self._prices |= {("trunk", each.name): each.price_per_minute
                         for each in config.trunks.values()}  # fmt: skip
        self._prices |= {("credential", each.name): each.price_per_minute
                         for each in config.credentials.values()}  # fmt: skip
        self._named = {
            number.translate(SEPARATORS)
            for assistant in config.assistants.values()
            for number in assistant.numbers
        } | {trunk.caller_id for trunk in config.trunks.values() if trunk.caller_id is not None}
        agents = (self._default_agent, *(each.agent for each in config.assistants.values()))
        self._bridged = {each[len(_BRIDGE) :] for each in agents if each.startswith(_BRIDGE)}

    def trunk_of(self, uri: str) -> str | None:
        """Name the trunk a SIP URI belongs to, None for one of nobody's."""
        try:
            trunk = trunk_of_uri(parse_uri(uri), self._config.trunks.values())
        except RemoteProtocolError:
            return None
        return None if trunk is None else trunk.name

    def uri_of(self, target: str, trunk: str | None) -> str | None:
        """Give the SIP URI of what a far end names: itself, or what a tel URI is by a trunk; None
        for what cannot be called."""
        if is_sip_uri(target):
            return target
        return uri_by_trunk(target, self._config.trunks.get(trunk or ""))

    def check(
        self, target: str, wall: float, *, assistant: str | None, trunk: str | None = None
    ) -> str | None:
        """Say why an assistant's agent may not call a target now, None when it may.

        target: a SIP URI, or a number of the trunk.
        """
        known = self._config.assistants.get(assistant or "")
        limit = None if known is None else self.check_limits(known, wall)
        return self.check_target(target, trunk=trunk) if limit is None else limit.detail

    def check_target(
        self,
        target: str,
        *,
        trunk: str | None = None,
        credential: str | None = None,
        ordered: bool = False,
    ) -> str | None:
        """Say why a SIP URI, or a number by a trunk or with an account, may not be called.

        ordered: over HTTP, by whoever holds a key.
        """
        if is_sip_uri(target):
            return self.check_uri(target, ordered=ordered)
        return self.check_number(target, trunk=trunk, credential=credential)

    def check_number(self, number: str, *, trunk: str | None, credential: str | None) -> str | None:
        """Say why a number may not be called by a trunk or with an account, None when it may."""
        allow: Collection[str] = ()
        table = "[trunks.NAME]"
        if trunk is not None:
            if (way := self._config.trunks.get(trunk)) is None:
                return f"there is no [trunks.{trunk}]"
            allow, table = way.allow, f"[trunks.{trunk}]"
        elif credential is not None:
            account, table = self._config.credentials.get(credential), f"[credentials.{credential}]"
            allow = account.allow if account is not None else ()
        number = number.translate(SEPARATORS)
        if number in self._named or EVERYTHING in allow:
            return None
        # A prefix with a plus allows no number without: what that means is the carrier's guess.
        if any(number.startswith(prefix) and number[1:].isdigit() for prefix in allow):
            return None
        return f"the number begins with nothing that {table} allow names"

    def check_uri(self, uri: str, *, ordered: bool = False) -> str | None:
        """Say why a SIP URI may not be called, None when it may: its host is named, or it is of a
        trunk that allows its number, or nothing forbids it to agents."""
        if uri in self._bridged:
            return None
        if (fault := uri_fault(uri)) is not None:
            return fault
        parsed = parse_uri(uri)
        host, user = parsed.host.lower(), unescape(parsed.user or "")
        named = self._config.sip.dial_hosts
        if any(_matches(host, allowed) for allowed in named or ()):
            return None
        trunk = trunk_of_uri(parsed, self._config.trunks.values())
        if named is None and not ordered and (trunk is None or not _is_phone_number(user)):
            return None
        if trunk is None:
            return "the host is none that [sip] dial_hosts names"
        return self.check_number(user, trunk=trunk.name, credential=None)

    @contextmanager
    def placing(self, assistant: str) -> Iterator[None]:
        """Count a call of an assistant that may be placed and has no record yet."""
        self._placing[assistant] += 1
        try:
            yield
        finally:
            self._placing[assistant] -= 1

    def check_limits(self, assistant: Assistant, wall: float) -> Denial | None:
        """Say why an assistant may place no call now, None when it may."""
        if assistant.max_outbound_calls:
            active = self._placing[assistant.name] + sum(
                1
                for record in self._live.values()
                if record.assistant == assistant.name and record.direction == "outbound"
            )
            if active >= assistant.max_outbound_calls:
                return Denial(
                    "too-many-calls",
                    f"[assistants.{assistant.name}] max_outbound_calls: "
                    f"{assistant.max_outbound_calls} are in progress",
                )
        if assistant.spend_per_day:
            spent = self.ledger.spent(assistant.name, wall)
            if spent >= assistant.spend_per_day:
                return Denial(
                    "spend-limit",
                    f"[assistants.{assistant.name}] spend_per_day: {spent:.2f} of "
                    f"{assistant.spend_per_day:.2f} are spent",
                )
        return None

    def _price(self, record: CallRecord) -> float:
        by_account = self._prices.get(("credential", record.credential or ""), 0.0)
        return self._prices.get(("trunk", record.trunk or ""), by_account)


def is_sip_uri(target: str) -> bool:
    """Tell a SIP URI from a number."""
    return target.lower().startswith(("sip:", "sips:"))


def uri_fault(target: str) -> str | None:
    """Say why a text is no SIP URI, None where it is one."""
    try:
        parse_uri(target)
    except RemoteProtocolError as error:
        return f"no SIP URI: {error}"
    return None


def _is_phone_number(user: str) -> bool:
    """Tell what a carrier may charge for from names and extensions."""
    digits = user.partition(";")[0].translate(SEPARATORS).removeprefix("+")
    return digits.isdigit() and len(digits) >= SHORTEST_NUMBER


def _matches(host: str, allowed: str) -> bool:
    """Compare a URI's host with a name or a network of the configuration."""
    if allowed == EVERYTHING:
        return True
    try:
        network = ip_network(allowed)
    except ValueError:
        return host == allowed
    try:
        return ip_address(host.strip("[]")) in network
    except ValueError:
        return False
