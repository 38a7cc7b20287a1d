"""What ``rapida-media doctor`` says of an account with Vonage, without asking Vonage."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from providers.diagnosed import warnings_of
from recorded_vonage import API_KEY, APPLICATION, PRIVATE_KEY, SECRET

from rapida_media.config import load_config
from rapida_media.errors import ConfigError
from rapida_media.net.doctor import Diagnosis, examine
from rapida_media.providers.registry import check_credentials
from rapida_media.providers.vonage import SPEC


def write(folder: Path, **keys: str) -> Path:
    account = "".join(f"{name} = '''{value}'''\n" for name, value in keys.items())
    path = folder / "rapida.toml"
    path.write_text(
        '[sip]\nlisten = ["udp:127.0.0.1:0"]\n[http]\nlisten = "127.0.0.1:0"\n'
        'public_url = "https://voice.example.com"\n'
        f'[credentials.main]\nprovider = "vonage"\n{account}'
        '[assistants.support]\nagent = "echo"\ncredential = "main"\n'
    )
    return path


async def diagnose(folder: Path, **keys: str) -> Diagnosis:
    return await examine(load_config(write(folder, **keys)), folder)


@pytest.mark.parametrize("key", [PRIVATE_KEY, PRIVATE_KEY.replace("\n", "\\n")])
async def test_it_prints_the_urls_to_paste(tmp_path: Path, key: str) -> None:
    diagnosis = await diagnose(
        tmp_path,
        application_id=APPLICATION,
        private_key=key,
        signature_secret=SECRET,
        api_key=API_KEY,
        socket_authorization="optional",
    )
    assert warnings_of(diagnosis) == []
    base = "https://voice.example.com/v1/talk/vonage"
    assert [each.url for each in diagnosis.entrances if each.provider == "vonage"] == [
        f"{base}/call/support", f"{base}/event/support",
    ]  # fmt: skip
    assert "PRIVATE KEY" not in diagnosis.to_text()


async def test_it_warns_of_what_does_not_look_like_vonages_and_shows_none_of_it(
    tmp_path: Path,
) -> None:
    diagnosis = await diagnose(
        tmp_path,
        application_id="my app",
        private_key=PRIVATE_KEY,
        signature_secret="tell-nobody",
        api_key="?",
        socket_authorization="never",
    )
    assert warnings_of(diagnosis) == [
        f"{name} does not look like one of vonage's"
        for name in (
            "application_id", "signature_secret", "api_key", "socket_authorization",
        )
    ]  # fmt: skip
    assert "tell-nobody" not in diagnosis.to_text()


def test_a_key_that_is_missing_or_unknown_or_none_is_named(tmp_path: Path) -> None:
    for keys, name in (
        ({"application_id": APPLICATION, "private_key": "x"}, "private_key: expected an RSA key"),
        ({"application_id": APPLICATION, "private_key": PRIVATE_KEY}, "signature_secret: missing"),
        (
            {
                "application_id": APPLICATION,
                "private_key": "x",
                "signature_secret": "y",
                "api_secret": "z",
            },
            "api_secret: unknown key",
        ),
    ):
        config = load_config(write(tmp_path, **keys))
        with pytest.raises(ConfigError, match=name):
            check_credentials(config.credentials.values())


def test_the_configuration_of_its_page_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[3] / "docs" / "providers" / "vonage.md").read_text()
    monkeypatch.setenv("RAPIDA_API_KEY", "0" * 32)
    monkeypatch.setenv("VONAGE_SIGNATURE_SECRET", SECRET)
    (tmp_path / "private.key").write_text(PRIVATE_KEY)
    (tmp_path / "rapida.toml").write_text(page.split("```toml\n")[1].split("```")[0])
    config = load_config(tmp_path / "rapida.toml")
    check_credentials(config.credentials.values())
    keys = page.split("| key of the account | |")[1].split("\n\n")[0]
    documented = {
        name
        for row in keys.strip().splitlines()
        for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    assert documented == {key.name for key in SPEC.credential_keys} | {"api_base"}
