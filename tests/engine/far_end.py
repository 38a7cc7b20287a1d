"""What a far end does with requests of the engine: wait for one, answer it as the test says."""

from __future__ import annotations

from collections.abc import Sequence

from rapida_media.sip.builder import build_response
from rapida_media.sip.message import Request

from .phone import PhoneCall
from .waiting import PATIENCE_S, eventually


async def request_number(
    call: PhoneCall, method: str, number: int = 1, patience: float = PATIENCE_S
) -> Request:
    """Wait for the engine's ``number``-th request of a method; repeats count once."""

    def find() -> Request | None:
        seen = {request.cseq.number: request for request in call.requests(method)}
        return seen[sorted(seen)[number - 1]] if len(seen) >= number else None

    found: Request = await eventually(find, patience)
    return found


def answer(
    call: PhoneCall,
    request: Request,
    status: int = 200,
    *,
    headers: Sequence[tuple[str, str]] = (),
    body: str = "",
) -> None:
    phone = call.phone
    fields = [("Contact", f"<sip:phone@{phone.host}:{phone.port}>"), *headers]
    if body:
        fields.append(("Content-Type", "application/sdp"))
    response = build_response(request, status, to_tag="phone", headers=fields, body=body.encode())
    phone.send(response.raw)
