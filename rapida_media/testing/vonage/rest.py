"""The calls of Vonage's Voice API: orders, changes, and its errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jwt
from aiohttp import web

from rapida_media.testing.platform import RestServer
from rapida_media.testing.vonage.documents import (
    DIGITS,
    NccoError,
    check_endpoint,
    read_ncco,
)
from rapida_media.testing.vonage.phone_call import ENDED, VonageCall

if TYPE_CHECKING:
    from rapida_media.testing.vonage.platform import VonagePlatform

ORDER_MEMBERS = frozenset({
    "to", "from", "random_from_number", "ncco", "answer_url", "answer_method", "event_url",
    "event_method", "machine_detection", "advanced_machine_detection", "length_timer",
    "ringing_timer",
})  # fmt: skip
TITLES = {400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


class ApiError(Exception):
    """Answered as Vonage answers errors. name: of the member at fault."""

    def __init__(self, status: int, detail: str, name: str | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.name = status, detail, name

    def answer(self) -> web.Response:
        said: dict[str, Any] = {
            "type": "https://developer.vonage.com/api-errors",
            "title": TITLES.get(self.status, "Error"),
            "detail": self.detail,
            "instance": "0123456789abcdef",
        }
        if self.name is not None:
            said["invalid_parameters"] = [{"name": self.name, "reason": self.detail}]
        return web.json_response(said, status=self.status)


class CallsApi(RestServer):
    """refuse: the next order is answered with this status instead."""

    def __init__(self, platform: VonagePlatform) -> None:
        super().__init__()
        self.refuse: int | None = None
        self._platform = platform
        self._tokens: set[str] = set()

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post("/v1/calls", self._answered(self._create))
        app.router.add_put("/v1/calls/{call}", self._answered(self._change))
        app.router.add_get("/v1/calls/{call}", self._answered(self._fetch))

    def _answered(self, work: Any) -> Any:
        async def handler(request: web.Request) -> web.Response:
            try:
                self._authenticate(request)
                said = json.loads(await request.read() or b"{}")
                if not isinstance(said, dict):
                    raise ApiError(400, "expected an object")
                answer: web.Response = await work(request, said)
            except ValueError:
                return ApiError(400, "expected JSON").answer()
            except ApiError as error:
                return error.answer()
            return answer

        return handler

    def _authenticate(self, request: web.Request) -> None:
        """Check the application's token; every one is good once."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        try:
            claims = jwt.decode(
                token,
                self._platform.public_key,
                algorithms=["RS256"],
                options={"require": ["iat", "jti", "exp"]},
            )
        except jwt.PyJWTError as error:
            raise ApiError(401, f"the token is refused: {error}") from None
        ours = claims.get("application_id") == self._platform.application_id
        if scheme != "Bearer" or not ours or claims["jti"] in self._tokens:
            raise ApiError(401, "the token is another application's, or was used before")
        self._tokens.add(claims["jti"])

    # -- orders --------------------------------------------------------------------------------

    async def _create(self, request: web.Request, said: dict[str, Any]) -> web.Response:
        if self.refuse is not None:
            status, self.refuse = self.refuse, None
            raise ApiError(status, "refused for the test")
        _check_order(said)
        from_ = said.get("from", {}).get("number") or "15005550007"
        to = said["to"][0].get("number") or said["to"][0].get("uri")
        call = self._platform.new_call("outbound", from_, to)
        (call.event_url,) = said.get("event_url", [None])
        call.event_method = said.get("event_method", "POST")
        call.begin(lambda: self._ring(call, said))
        made = {"uuid": call.id, "status": "started", "direction": "outbound"}
        return web.json_response({**made, "conversation_uuid": call.conversation}, status=201)

    async def _ring(self, call: VonageCall, said: dict[str, Any]) -> Any:
        """Ring at the callee; gives the NCCO to follow once it is picked up."""
        callee = self._platform.callee
        call.microphone = callee.microphone
        call.tell_state()
        call.enter("ringing")
        patience_s = said.get("ringing_timer", 60)
        if not await call.ring(min(callee.ring_s, patience_s)):
            return None
        if callee.ring_s > patience_s:
            call.enter("timeout")
            return None
        if callee.ends is not None:  # "rejected/declined": a status, and its detail
            status, _, detail = callee.ends.partition("/")
            call.end(status, detail)
            return None
        call.enter("answered")
        if "answer_url" in said:
            return await call.fetch(said["answer_url"][0], said.get("answer_method", "GET"))
        return said["ncco"]

    async def _change(self, request: web.Request, said: dict[str, Any]) -> web.Response:
        call = self._find(request)
        if call.state in ENDED:
            raise ApiError(400, "the call is over")
        if said.get("action") == "hangup":
            call.hang_up()
        elif said.get("action") == "transfer":
            await self._transfer(call, said.get("destination"))
        else:
            raise ApiError(400, "expected hangup or transfer", "action")
        return web.Response(status=204)

    async def _transfer(self, call: VonageCall, destination: Any) -> None:
        if not isinstance(destination, dict) or destination.get("type") != "ncco":
            raise ApiError(400, "expected an ncco", "destination")
        if call.state != "answered":
            raise ApiError(400, "the call is not answered")
        if "url" in destination:
            call.give(await call.fetch(destination["url"][0], "GET"))
            return
        _check_ncco(destination.get("ncco"))
        call.give(destination["ncco"])

    async def _fetch(self, request: web.Request, said: dict[str, Any]) -> web.Response:
        call = self._find(request)
        return web.json_response({
            "_links": {"self": {"href": f"/v1/calls/{call.id}"}},
            "uuid": call.id,
            "conversation_uuid": call.conversation,
            "to": {"type": "phone", "number": call.to},
            "from": {"type": "phone", "number": call.from_},
            "status": call.state,
            "direction": call.direction,
        })  # fmt: skip

    def _find(self, request: web.Request) -> VonageCall:
        call = self._platform.calls.get(request.match_info["call"])
        if call is None:
            raise ApiError(404, "there is no such call")
        return call


def _check_order(said: dict[str, Any]) -> None:
    for name in sorted(set(said) - ORDER_MEMBERS):
        raise ApiError(400, "unknown member", name)
    to = said.get("to")
    if not isinstance(to, list) or len(to) != 1:
        raise ApiError(400, "expected a list of one endpoint", "to")
    try:
        check_endpoint(to[0])
    except NccoError as error:
        raise ApiError(400, str(error), "to") from None
    number = said.get("from", {}).get("number")
    if ("from" in said) == bool(said.get("random_from_number")):
        raise ApiError(400, "expected either from or random_from_number", "from")
    if "from" in said and not DIGITS.fullmatch(str(number)):
        raise ApiError(400, "expected digits", "from")
    if ("ncco" in said) == ("answer_url" in said):
        raise ApiError(400, "expected either ncco or answer_url", "ncco")
    for name in ("answer_url", "event_url"):
        if not isinstance(said.get(name, []), list):
            raise ApiError(400, "expected a list", name)
    if not 1 <= said.get("ringing_timer", 60) <= 120:
        raise ApiError(400, "expected 1 to 120", "ringing_timer")
    if "ncco" in said:
        _check_ncco(said["ncco"])


def _check_ncco(document: object) -> None:
    try:
        read_ncco(document)
    except NccoError as error:
        raise ApiError(400, str(error), "ncco") from None
