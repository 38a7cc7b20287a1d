"""What ``rapida-media doctor`` says of an account with Vonage, without asking Vonage."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorded_vonage import API_KEY, APPLICATION, PRIVATE_KEY, SECRET

from rapida_media.config import load_config
from rapida_media.errors import ConfigError
from rapida_media.net.doctor import WARNING, Diagnosis, examine
from rapida_media.providers.registry import check_credentials


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


def warnings(diagnosis: Diagnosis) -> list[str]:
    found = diagnosis.findings
    return [
        each.text
        for each in found
        if (each.subject, each.result) == ("[credentials.main]", WARNING)
    ]


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
    assert warnings(diagnosis) == []
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
        private_key="tell-nobody",
        signature_secret="short",
        api_key="?",
        socket_authorization="never",
    )
    assert warnings(diagnosis) == [
        f"{name} does not look like one of vonage's"
        for name in (
            "application_id", "private_key", "signature_secret", "api_key", "socket_authorization",
        )
    ]  # fmt: skip
    assert "tell-nobody" not in diagnosis.to_text()


def test_a_key_that_is_missing_or_unknown_is_named(tmp_path: Path) -> None:
    for keys, name in (
        ({"application_id": APPLICATION, "private_key": "x"}, "signature_secret: missing"),
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
