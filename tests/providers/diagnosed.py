"""What ``rapida-media doctor`` says of the account ``main``."""

from __future__ import annotations

from rapida_media.net.doctor import WARNING, Diagnosis


def warnings_of(diagnosis: Diagnosis) -> list[str]:
    return [
        each.text
        for each in diagnosis.findings
        if (each.subject, each.result) == ("[credentials.main]", WARNING)
    ]
