"""Exotel's Connect API: orders, and its errors."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from rapida_media.testing.exotel.phone_call import PhoneCall
from rapida_media.testing.platform import RestServer

if TYPE_CHECKING:
    from rapida_media.testing.exotel.platform import ExotelPlatform

STREAM_URL_LIMIT, CUSTOM_FIELD_LIMIT, LONGEST_CALL_S = 600, 128, 14_400
_FLOW = re.compile(r"http://my\.exotel\.com/([^/]+)/exoml/start_voice/([0-9]+)")
# Local to the account's region, without an offset.
_WHEN = "2026-10-08 15:30:00"


class ApiError(Exception):
    """Answered as Exotel answers errors."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class ConnectApi(RestServer):
    """refuse: the next order is answered with this (status, message) instead."""

    def __init__(self, platform: ExotelPlatform) -> None:
        super().__init__()
        self.refuse: tuple[int, str] | None = None
        self._platform = platform

    def add_routes(self, app: web.Application) -> None:
        calls = "/v1/Accounts/{account}/Calls"
        app.router.add_post(f"{calls}/connect.json", self._create)
        app.router.add_get(f"{calls}/{{call}}.json", self._fetch)

    async def _create(self, request: web.Request) -> web.Response:
        try:
            self._authenticate(request)
            if self.refuse is not None:
                refuse, self.refuse = self.refuse, None
                raise ApiError(*refuse)
            form = [(name, str(value)) for name, value in (await request.post()).items()]
            call = self._order(dict(form))
            events = {value for name, value in form if name == "StatusCallbackEvents[]"}
            call.events = frozenset(events or {"terminal"})
        except ApiError as error:
            return _refusal(error)
        return web.json_response({"Call": self._represent(call, "in-progress")})

    async def _fetch(self, request: web.Request) -> web.Response:
        try:
            self._authenticate(request)
            call = self._platform.calls.get(request.match_info["call"])
            if call is None:
                raise ApiError(404, "No call found")
        except ApiError as error:
            return _refusal(error)
        return web.json_response({"Call": self._represent(call, call.state)})

    def _authenticate(self, request: web.Request) -> None:
        pair = f"{self._platform.api_key}:{self._platform.api_token}"
        wanted = f"Basic {b64encode(pair.encode()).decode()}"
        is_ours = request.match_info["account"] == self._platform.account_sid
        if request.headers.get("Authorization") != wanted or not is_ours:
            raise ApiError(401, "Authenticate")

    def _order(self, said: Mapping[str, str]) -> PhoneCall:
        _check(said)
        webhook_url = None if "StreamUrl" in said else self._applet(said["Url"])
        call = self._platform.new_call("outbound-dial", said["From"], said["CallerId"])
        call.custom_field = said.get("CustomField", "")
        call.status_callback = said.get("StatusCallback")
        if said.get("StatusCallbackContentType") == "application/json":
            call.callback_method = "JSON"

        async def stream_url() -> str | None:
            if not await call.rings():
                return None
            return said["StreamUrl"] if webhook_url is None else await call.ask_applet(webhook_url)

        call.begin(stream_url)
        return call

    def _applet(self, url: str) -> str:
        found = _FLOW.fullmatch(url)
        if found is None or found[1] != self._platform.account_sid:
            raise ApiError(400, "Invalid Url")
        webhook_url = self._platform.flows.get(found[2])
        if webhook_url is None:
            raise ApiError(404, "No such app")
        return webhook_url

    def _represent(self, call: PhoneCall, status: str) -> dict[str, Any]:
        account = self._platform.account_sid
        nothing = ("ParentCallSid", "To", "EndTime", "Duration", "Price", "AnsweredBy")
        return {
            **dict.fromkeys((*nothing, "RecordingUrl")),
            "Sid": call.id,
            "DateCreated": _WHEN,
            "DateUpdated": _WHEN,
            "AccountSid": account,
            "From": call.from_,
            "PhoneNumberSid": call.to,
            "Status": status,
            "StartTime": _WHEN,
            "Direction": "outbound-api",
            "Uri": f"/v1/Accounts/{account}/Calls/{call.id}.json",
        }


def _refusal(error: ApiError) -> web.Response:
    said = {"Status": error.status, "Message": error.message, "Code": None}
    return web.json_response({"RestException": said}, status=error.status)


def _check(said: Mapping[str, str]) -> None:
    """Raise what an order is refused with."""
    is_direct = "StreamUrl" in said
    wrong = (
        (not re.fullmatch(r"\+?[0-9]{6,15}", said.get("From", "")), "Invalid From"),
        (not said.get("CallerId"), "Invalid CallerId"),
        (is_direct == ("Url" in said), "expected StreamUrl or Url"),
        (is_direct and said.get("StreamType") != "bidirectional", "Invalid StreamType"),
        (len(said.get("StreamUrl", "")) > STREAM_URL_LIMIT, "StreamUrl is too long"),
        (len(said.get("CustomField", "")) > CUSTOM_FIELD_LIMIT, "CustomField is too long"),
        (int(said.get("TimeLimit", "0")) > LONGEST_CALL_S, "Invalid TimeLimit"),
    )
    for is_wrong, message in wrong:
        if is_wrong:
            raise ApiError(400, message)
