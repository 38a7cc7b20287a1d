"""ACME's media stream: JSON texts, μ-law at 8 kHz in base64."""

import base64
import binascii
import json

from rapida_media.providers.stream import (
    PCMU,
    AudioReceived,
    DigitReceived,
    Malformed,
    MarkReached,
    Started,
    Stopped,
)


class AcmeStream:
    receives = sends = PCMU
    chunk_ms = 20

    def receive(self, message):
        try:
            said = json.loads(message)
            kind = said["type"]
            if kind == "audio":
                return [AudioReceived(base64.b64decode(said["data"]), said.get("n"))]
            if kind == "hello":
                return [Started(said["call"], parameters=said.get("parameters", {}))]
            if kind == "key":
                return [DigitReceived(said["key"])]
            if kind == "played":
                return [MarkReached(said["mark"])]
            if kind == "bye":
                return [Stopped(said.get("why", ""))]
        except (ValueError, TypeError, KeyError, RecursionError, binascii.Error) as error:
            return [Malformed(repr(error))]
        return []

    def media(self, payload):
        return json.dumps({"type": "audio", "data": base64.b64encode(payload).decode()})

    def clear(self):
        return json.dumps({"type": "stop"})

    def mark(self, name):
        return json.dumps({"type": "mark", "mark": name})

    def goodbye(self):
        return None
