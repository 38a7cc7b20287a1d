"""``rapida-media simulate vonage`` against ``rapida-media serve``, as a user runs them."""

from __future__ import annotations

from pathlib import Path

import pytest
from providers.commands import check_a_webhook_and_an_order, configure
from recorded_vonage import APPLICATION, PRIVATE_KEY, SECRET

from rapida_media import cli
from rapida_media.cli import main

KEYS = (
    f'application_id = "{APPLICATION}"\nsignature_secret = "{SECRET}"\n'
    'private_key = "file:private.key"'
)


async def test_it_calls_a_webhook_and_takes_an_order(tmp_path: Path) -> None:
    (tmp_path / "private.key").write_text(PRIVATE_KEY)
    await check_a_webhook_and_an_order(
        tmp_path, "vonage", KEYS, rate_hz=16_000, error="webhook failed"
    )


def test_it_says_what_is_wrong_with_the_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "set_up_logging", lambda form, level: None)
    configure(tmp_path, "vonage", KEYS)
    (tmp_path / "private.key").write_text("not one")
    words = ["simulate", "vonage", "--config", str(tmp_path / "rapida.toml"), "--url", "http://a"]
    assert main(words) == 2
    assert "[credentials.main] private_key: expected an RSA key" in capsys.readouterr().err
