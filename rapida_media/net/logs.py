"""Structured logs: text for people, JSON lines for machines, a call id on every line about a call.

Phone numbers are redacted once, by ``redact``; whoever logs a number goes through it.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from rapida_media.sip.redaction import redact_numbers as redact

__all__ = ["redact", "set_up_logging"]


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        call = f" [{record.call_id}]" if hasattr(record, "call_id") else ""
        line = f"{when} {record.levelname.lower():7} {record.getMessage()}{call}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if hasattr(record, "call_id"):
            entry["call_id"] = record.call_id
        entry |= getattr(record, "fields", {})
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def set_up_logging(form: str, level: str) -> None:
    """Send all logs to standard error. form: ``text`` or ``json``; level: a logging level name."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if form == "json" else _TextFormatter())
    # Who logs, in which thread and process, is looked up for each line, and no line shows it: the
    # logging HOWTO's "Optimization" names these switches.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
