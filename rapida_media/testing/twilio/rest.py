"""The Calls resource of Twilio's REST API: orders, changes, and its errors."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from aiohttp import web

from rapida_media.testing.platform import RestServer
from rapida_media.testing.twilio.documents import TwimlError, read_twiml
from rapida_media.testing.twilio.phone_call import ENDED, Document, PhoneCall

if TYPE_CHECKING:
    from rapida_media.testing.twilio.platform import TwilioPlatform

TWIML_LIMIT = 4000
_DIALLABLE = re.compile(r"\+[1-9][0-9]{6,14}|(sip|client):.+")


class ApiError(Exception):
    """Answered as Twilio answers errors."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class CallsApi(RestServer):
    """refuse: the next order is answered with this (status, code) instead."""

    def __init__(self, platform: TwilioPlatform) -> None:
        super().__init__()
        self.refuse: tuple[int, int] | None = None
        self._platform = platform

    def add_routes(self, app: web.Application) -> None:
        calls = "/2010-04-01/Accounts/{account}/Calls"
        app.router.add_post(f"{calls}.json", self._answered(self._create))
        app.router.add_post(f"{calls}/{{call}}.json", self._answered(self._update))
        app.router.add_get(f"{calls}/{{call}}.json", self._answered(self._fetch))

    def _answered(self, work: Any) -> Any:
        async def handler(request: web.Request) -> web.Response:
            try:
                self._authenticate(request)
                form = parse_qsl(await request.text(), keep_blank_values=True)
                status, call = await work(request, form)
            except ApiError as error:
                more = f"https://www.twilio.com/docs/errors/{error.code}"
                said = {"code": error.code, "message": error.message, "more_info": more}
                return web.json_response({**said, "status": error.status}, status=error.status)
            return web.json_response(self._represent(call), status=status)

        return handler

    def _authenticate(self, request: web.Request) -> None:
        pair = f"{self._platform.account_sid}:{self._platform.auth_token}"
        wanted = f"Basic {b64encode(pair.encode()).decode()}"
        if request.headers.get("Authorization") != wanted:
            raise ApiError(401, 20003, "Authenticate")
        if request.match_info["account"] != self._platform.account_sid:
            raise _unknown(request)

    async def _create(
        self, request: web.Request, form: list[tuple[str, str]]
    ) -> tuple[int, PhoneCall]:
        if self.refuse is not None:
            (status, code), self.refuse = self.refuse, None
            raise ApiError(status, code, "refused for the test")
        said = dict(form)
        _check_order(said, self._platform.numbers)
        call = self._platform.new_call("outbound-api", said["From"], said["To"])
        call.status_callback = said.get("StatusCallback")
        named = {value for name, value in form if name == "StatusCallbackEvent"}
        call.events = frozenset(named or {"completed"})
        call.begin(lambda: self._ring(call, said))
        return 201, call

    async def _ring(self, call: PhoneCall, said: dict[str, str]) -> Document:
        """Ring at the callee; gives the TwiML to run once it is picked up."""
        callee = self._platform.callee
        call.microphone = callee.microphone
        call.enter("initiated")
        call.enter("ringing")
        if not await call.ring(callee.ring_s):
            return None
        if callee.ends is not None:
            call.enter(callee.ends)
            return None
        call.enter("in-progress")
        if "Url" in said:
            return await call.fetch(said["Url"], said.get("Method", "POST"))
        return said["Twiml"]

    async def _update(
        self, request: web.Request, form: list[tuple[str, str]]
    ) -> tuple[int, PhoneCall]:
        call, said = self._find(request), dict(form)
        status = said.get("Status")
        if status not in (None, "completed", "canceled"):
            raise ApiError(400, 20001, f"Invalid Status {status}")
        if call.state in ENDED:
            raise ApiError(400, 21220, "Call is not in-progress. Cannot redirect.")
        if status is not None:
            if status == "completed" or call.state != "in-progress":
                call.hang_up()
        elif call.state != "in-progress":
            raise ApiError(400, 21220, "Call is not in-progress. Cannot redirect.")
        elif "Twiml" in said:
            _check_twiml(said["Twiml"])
            call.give(said["Twiml"])
        else:
            raise ApiError(400, 20001, "expected Status or Twiml")
        return 200, call

    async def _fetch(
        self, request: web.Request, form: list[tuple[str, str]]
    ) -> tuple[int, PhoneCall]:
        return 200, self._find(request)

    def _find(self, request: web.Request) -> PhoneCall:
        call = self._platform.calls.get(request.match_info["call"])
        if call is None:
            raise _unknown(request)
        return call

    def _represent(self, call: PhoneCall) -> dict[str, Any]:
        account = self._platform.account_sid
        nothing = ("date_created", "date_updated", "start_time", "end_time", "duration", "price")
        return {
            **dict.fromkeys(nothing),
            "sid": call.id,
            "account_sid": account,
            "api_version": "2010-04-01",
            "status": call.state,
            "direction": call.direction,
            "to": call.to,
            "from": call.from_,
            "price_unit": "USD",
            "queue_time": "0",
            "answered_by": None,
            "parent_call_sid": None,
            "caller_name": None,
            "uri": f"/2010-04-01/Accounts/{account}/Calls/{call.id}.json",
            "subresource_uris": {},
        }


def _unknown(request: web.Request) -> ApiError:
    return ApiError(404, 20404, f"The requested resource {request.path} was not found")


def _check_order(said: dict[str, str], numbers: frozenset[str]) -> None:
    if not said.get("To"):
        raise ApiError(400, 21201, "No 'To' number is specified")
    if not _DIALLABLE.fullmatch(said["To"]):
        raise ApiError(400, 21211, f"Invalid 'To' Phone Number: {said['To']}")
    if not said.get("From"):
        raise ApiError(400, 21213, "No 'From' number is specified")
    if numbers and said["From"] not in numbers:
        raise ApiError(400, 21210, "'From' phone number not verified")
    if "Url" not in said and "Twiml" not in said:
        raise ApiError(400, 21205, "Url parameter is required")
    if "Url" not in said:
        _check_twiml(said["Twiml"])


def _check_twiml(document: str) -> None:
    if len(document) > TWIML_LIMIT:
        raise ApiError(400, 20001, f"Twiml is longer than {TWIML_LIMIT} characters")
    try:
        read_twiml(document)
    except TwimlError as error:
        raise ApiError(400, int(error.code), str(error)) from None
