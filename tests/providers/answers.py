"""A provider's REST API as a list of answers."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

from rapida_media.providers.http import HttpReply, HttpRequest


class Answers:
    """``HttpClient`` that gives one answer after the other and keeps what was asked."""

    def __init__(self, *answers: tuple[int, object]) -> None:
        self.answers = [
            HttpReply(status, {}, json.dumps(body).encode()) for status, body in answers
        ]
        self.asked: list[HttpRequest] = []

    async def send(self, request: HttpRequest) -> HttpReply:
        self.asked.append(request)
        return self.answers.pop(0)

    @property
    def forms(self) -> list[dict[str, list[str]]]:
        return [parse_qs(each.body.decode(), strict_parsing=True) for each in self.asked]

    @property
    def documents(self) -> list[Any]:
        return [json.loads(each.body) for each in self.asked]
