"""What is checked before a message is acted on (RFC 3261 sections 8.1.1, 8.1.3, 8.2, 16.3).

Called through ``Request.validate`` and ``Response.validate``. Lenient where RFC 4475 calls a
message valid or where an RFC 2543 element sends less (no tag, no branch, no Max-Forwards), strict
where a guess could act on another message than the peer meant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rapida_media.errors import RemoteProtocolError

if TYPE_CHECKING:
    from rapida_media.sip.message import Message, Request, Response

# Fields that must not come twice: an element before us may have acted on the other one.
_SINGLE = {
    "from": "From",
    "to": "To",
    "call-id": "Call-ID",
    "cseq": "CSeq",
    "max-forwards": "Max-Forwards",
    "content-length": "Content-Length",
    "content-type": "Content-Type",
}
# The methods registered with IANA for SIP.
_METHODS = """
    ACK BYE CANCEL INFO INVITE MESSAGE NOTIFY OPTIONS PRACK PUBLISH REFER REGISTER SUBSCRIBE
    UPDATE"""
REGISTERED_METHODS = frozenset(_METHODS.split())


def validate_request(request: Request) -> None:
    """Refuse a request that no transaction or dialog may see.

    Raises RemoteProtocolError with the status that answers it: 505 another SIP version, 501
    method unknown to SIP whose CSeq names another, 416 Request-URI of another scheme, 400
    everything else. What depends on who we are (405, 415, 420, 481, 482 …) is left to the caller.
    """
    if request.version != "SIP/2.0":
        raise RemoteProtocolError("this element speaks SIP/2.0", 505)
    _check_fields(request)
    if request.cseq.method != request.method:
        status = 400 if request.method in REGISTERED_METHODS else 501
        raise RemoteProtocolError("CSeq names another method than the request line", status)
    if request.uri.headers:
        # Section 19.1.1, table 1: a Request-URI has no header component.
        raise RemoteProtocolError("header component in the Request-URI", 400)


def validate_response(response: Response) -> None:
    """Refuse a response that must not reach a transaction.

    Raises RemoteProtocolError without a status: responses are dropped, never answered.
    """
    try:
        if response.version != "SIP/2.0":
            raise RemoteProtocolError("this element speaks SIP/2.0")
        _check_fields(response)
    except RemoteProtocolError as fault:
        raise RemoteProtocolError(str(fault)) from None


def _check_fields(message: Message) -> None:
    index = message.index
    if index.defect is not None:
        raise RemoteProtocolError(index.defect, 400)
    for key, name in _SINGLE.items():
        row = index.fields.get(key)
        if row is not None and len(row) != 2:
            raise RemoteProtocolError(f"more than one {name}", 400)
    # Reading a typed value is its check, also of being there.
    _ = message.vias, message.from_, message.to, message.call_id, message.cseq
    _ = message.max_forwards, message.contacts, message.content_type
    if "route" in index.fields or "record-route" in index.fields:
        _ = message.routes, message.record_routes
    if message.missing_body_bytes:
        raise RemoteProtocolError("Content-Length is greater than the body", 400)
