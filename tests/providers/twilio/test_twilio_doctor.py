"""What ``rapida-media doctor`` says of an account with Twilio, without asking Twilio."""

from __future__ import annotations

from pathlib import Path

from providers.diagnosed import warnings_of
from recorded_twilio import ACCOUNT

from rapida_media.config import load_config
from rapida_media.net.doctor import Diagnosis, examine

TOKEN = "0123456789abcdef" * 2


async def diagnose(folder: Path, sid: str, token: str) -> Diagnosis:
    (folder / "rapida.toml").write_text(
        '[sip]\nlisten = ["udp:127.0.0.1:0"]\n[http]\nlisten = "127.0.0.1:0"\n'
        'public_url = "https://voice.example.com"\n[credentials.main]\nprovider = "twilio"\n'
        f'account_sid = "{sid}"\nauth_token = "{token}"\n'
        '[assistants.support]\nagent = "echo"\ncredential = "main"\n'
    )
    return await examine(load_config(folder / "rapida.toml"), folder)


async def test_it_prints_the_urls_to_paste(tmp_path: Path) -> None:
    diagnosis = await diagnose(tmp_path, ACCOUNT, TOKEN)
    assert warnings_of(diagnosis) == []
    base = "https://voice.example.com/v1/talk/twilio"
    assert [each.url for each in diagnosis.entrances if each.provider == "twilio"] == [
        f"{base}/call/support", f"{base}/event/support",
    ]  # fmt: skip


async def test_it_warns_of_what_does_not_look_like_twilios_and_shows_none_of_it(
    tmp_path: Path,
) -> None:
    diagnosis = await diagnose(tmp_path, TOKEN, "tell-nobody")
    assert warnings_of(diagnosis) == [
        "account_sid does not look like one of twilio's",
        "auth_token does not look like one of twilio's",
    ]
    assert diagnosis.healthy, "a simulated account may look otherwise"
    assert "tell-nobody" not in diagnosis.to_text()
