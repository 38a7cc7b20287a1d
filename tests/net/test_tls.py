"""Which names a certificate proves to us (RFC 5922 section 7.1)."""

from __future__ import annotations

import pytest

from rapida_media.net.tls import proven_names


@pytest.mark.parametrize(
    ("names", "proven"),
    [
        ([("DNS", "Sip.Carrier.example")], {"sip.carrier.example"}),
        ([("DNS", "a.example"), ("DNS", "b.example")], {"a.example", "b.example"}),
        # DNS names count only where there is no SIP URI.
        ([("URI", "sip:carrier.example"), ("DNS", "a.example")], {"carrier.example"}),
        ([("URI", "https://carrier.example"), ("DNS", "a.example")], {"a.example"}),
        ([("URI", "sip:bob@carrier.example")], set()),
        ([("DNS", "*.carrier.example")], set()),
        ([("IP Address", "192.0.2.1"), ("DirName", "x")], set()),
    ],
)
def test_a_certificate_proves_its_domains(names: list[tuple[str, str]], proven: set[str]) -> None:
    assert proven_names({"subjectAltName": tuple(names)}) == proven


@pytest.mark.parametrize("certificate", [None, {}, {"subject": ()}])
def test_none_proves_nothing(certificate: dict[str, object] | None) -> None:
    assert proven_names(certificate) == frozenset()
