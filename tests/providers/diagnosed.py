"""What ``rapida-media doctor`` says of the account ``main``."""

from __future__ import annotations

from rapida_media.net.doctor import FAULT, WARNING, Diagnosis


def warnings_of(diagnosis: Diagnosis) -> list[str]:
    return _found(diagnosis, WARNING)


def faults_of(diagnosis: Diagnosis) -> list[str]:
    return _found(diagnosis, FAULT)


def _found(diagnosis: Diagnosis, result: str) -> list[str]:
    return [
        each.text
        for each in diagnosis.findings
        if (each.subject, each.result) == ("[credentials.main]", result)
    ]
