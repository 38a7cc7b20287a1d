"""``rapida-media simulate twilio`` against ``rapida-media serve``, as a user runs them."""

from __future__ import annotations

from pathlib import Path

import pytest
from providers.commands import check_a_webhook_and_an_order, configure
from recorded_twilio import ACCOUNT, TOKEN

from rapida_media import cli
from rapida_media.cli import main

KEYS = f'account_sid = "{ACCOUNT}"\nauth_token = "{TOKEN}"'


async def test_it_calls_a_webhook_and_takes_an_order(tmp_path: Path) -> None:
    await check_a_webhook_and_an_order(tmp_path, "twilio", KEYS, rate_hz=8000, error="11200")


def test_it_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "set_up_logging", lambda form, level: None)
    _, api = configure(tmp_path, "twilio", KEYS)
    words = ["simulate", "twilio", "--config", str(tmp_path / "rapida.toml")]
    assert main(words) == 2
    assert "--url brings a call" in capsys.readouterr().err
    assert main([*words, "--listen", f"127.0.0.1:{api}", "--credential", "other"]) == 2
    assert "--credential NAME chooses" in capsys.readouterr().err
