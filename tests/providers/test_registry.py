"""Providers are found by folder and by entry point; accounts are checked against them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rapida_media.config import Credential
from rapida_media.errors import ConfigError
from rapida_media.providers import registry
from rapida_media.providers.base import CredentialKey, ProviderSpec, refuse_everything
from rapida_media.providers.http import WebhookRequest

MODULE = """
from rapida_media.providers.base import CredentialKey, ProviderSpec
SPEC = ProviderSpec(
    name="tin-can",
    audio="string",
    digits="none",
    credential_keys=(CredentialKey("knot", secret=True), CredentialKey("length", required=False)),
)
TAKEN = ProviderSpec(name="sip", audio="", digits="")
WRONG = "no spec"
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package on the path with entry points, as pip leaves one behind."""
    (tmp_path / "tin_can.py").write_text(MODULE)
    (tmp_path / "broken_can.py").write_text("raise RuntimeError('it does not even import')")
    info = tmp_path / "tin_can-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tin-can\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[rapida_media.providers]\ntin-can = tin_can:SPEC\nbroken = broken_can:SPEC\n"
        "taken = tin_can:TAKEN\nwrong = tin_can:WRONG\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    registry.providers.cache_clear()
    yield tmp_path
    registry.providers.cache_clear()


def test_the_folders_of_the_package_are_found() -> None:
    assert "sip" in registry.providers()


def test_a_package_brings_a_provider_and_a_broken_one_harms_nobody(
    package: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = registry.providers()
    assert found["tin-can"].audio == "string"
    assert found["sip"].transfers
    said = sorted(record.getMessage() for record in caplog.records)
    assert said == [
        "provider broken cannot be loaded",
        "provider sip: there is one of that name already",
        "provider wrong: tin_can:WRONG is no ProviderSpec",
    ]
    assert "tin-can" in registry.format_table(found.values())


@pytest.mark.parametrize(
    ("credential", "sentence"),
    [
        (Credential("a", "tin-cam"), "[credentials.a] provider: there is no provider 'tin-cam'"),
        (Credential("a", "tin-can"), "[credentials.a] knot: missing; tin-can wants it"),
        (
            Credential("a", "tin-can", {"knot": "x", "lenght": "3"}),
            "[credentials.a] lenght: unknown key; known for tin-can are knot, length",
        ),
    ],
)
def test_an_account_that_cannot_work_is_a_sentence(
    package: Path, credential: Credential, sentence: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        registry.check_credentials([credential])
    assert str(caught.value).startswith(sentence)


def test_an_account_that_can_work_passes(package: Path) -> None:
    registry.check_credentials([Credential("a", "tin-can", {"knot": "x"})])


def test_a_spec_that_says_nothing_about_it_verifies_nothing() -> None:
    spec = ProviderSpec(name="x", audio="", digits="", credential_keys=(CredentialKey("k"),))
    assert spec.verify is refuse_everything
    assert spec.verify(WebhookRequest("GET", "https://x/"), None) is not None
