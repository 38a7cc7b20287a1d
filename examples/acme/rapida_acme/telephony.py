"""ACME's webhooks and REST interface."""

import hashlib
import hmac
import json

from rapida_media.errors import ProviderError
from rapida_media.providers.base import CallInfo, StatusInfo
from rapida_media.providers.http import HttpRequest, Reply

STATES = {
    "dialing": "initiated",
    "ringing": "ringing",
    "up": "in-progress",
    "done": "completed",
    "engaged": "busy",
    "unanswered": "no-answer",
    "error": "failed",
}


def verify(request, credential):
    """ACME signs URL and body with the account's secret."""
    if credential is None:
        return "there is no account"
    secret = credential.values["secret"].encode()
    said = request.url.encode() + request.body
    signature = hmac.new(secret, said, hashlib.sha256).hexdigest()
    shown = request.headers.get("x-acme-signature", "")
    if not hmac.compare_digest(signature.encode(), shown.encode("utf-8", "replace")):
        return "the signature is wrong"
    return None


class AcmeTelephony:
    def __init__(self, credential, http):
        self.credential = credential
        self.http = http

    def receive_call(self, request):
        said = request.fields()
        if "call" not in said:
            raise ProviderError("expected a call")
        return CallInfo(said["call"], said.get("from", ""), said.get("to", ""), raw="ringing")

    def inbound_call(self, call, media_url, event_url):
        return Reply.json({"connect": media_url, "news": event_url})

    def refuse_call(self, reason):
        return Reply.json({"refuse": reason})

    async def outbound_call(self, order):
        said = {
            "to": order.to,
            "from": order.from_,
            "connect": order.media_url,
            "news": order.event_url,
        }
        made = await self.ask("POST", "/calls", said)
        return CallInfo(made["call"], order.from_, order.to, raw="accepted")

    def status_callback(self, request, call):
        return self.catch_all_status_callback(request)

    def catch_all_status_callback(self, request):
        said = request.fields()
        if "call" not in said or "status" not in said:
            return None
        return StatusInfo(said["call"], said["status"], STATES.get(said["status"]))

    async def hang_up(self, call):
        try:
            await self.ask("DELETE", f"/calls/{call.provider_call_id}", {})
        except ProviderError as error:
            if error.code != 404:  # it is over already
                raise

    async def ask(self, method, path, said):
        base = self.credential.api_base or "https://api.acme.example/v1"
        reply = await self.http.send(
            HttpRequest(
                method,
                base + path,
                {
                    "authorization": f"Bearer {self.credential.values['secret']}",
                    "content-type": "application/json",
                },
                json.dumps(said).encode(),
                repeatable=method == "DELETE",
            )
        )
        if reply.status >= 300:
            raise ProviderError(
                f"ACME answered {reply.status}",
                code=reply.status,
                retry_after_s=reply.retry_after_s,
            )
        return reply.json or {}
