"""What ``rapida-media doctor`` says of an account with Exotel, without asking Exotel."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from providers.diagnosed import faults_of, warnings_of
from recorded_exotel import API_KEY, API_TOKEN, TOKEN
from simulated_exotel import KEYS

from rapida_media.config import load_config
from rapida_media.net.doctor import Diagnosis, examine
from rapida_media.providers.exotel import SPEC
from rapida_media.providers.registry import check_credentials


async def diagnose(folder: Path, keys: str) -> Diagnosis:
    (folder / "rapida.toml").write_text(
        '[sip]\nlisten = ["udp:127.0.0.1:0"]\n[http]\nlisten = "127.0.0.1:0"\n'
        'public_url = "https://voice.example.com"\n'
        f'[credentials.main]\nprovider = "exotel"\n{keys}\n'
        '[assistants.support]\nagent = "echo"\ncredential = "main"\n'
    )
    return await examine(load_config(folder / "rapida.toml"), folder)


async def test_it_prints_the_urls_to_paste_whole(tmp_path: Path) -> None:
    diagnosis = await diagnose(tmp_path, KEYS)
    assert warnings_of(diagnosis) == faults_of(diagnosis) == []
    base = "https://voice.example.com/v1/talk/exotel"
    assert [each.url for each in diagnosis.entrances if each.provider == "exotel"] == [
        f"{base}/call/support/{TOKEN}", f"{base}/event/support/{TOKEN}",
    ]  # fmt: skip


async def test_it_warns_of_what_does_not_look_like_exotels_and_shows_none_of_it(
    tmp_path: Path,
) -> None:
    keys = KEYS.replace("fedcba9876543210", "tell-nobody", 1).replace("012345", "xyz", 1)
    diagnosis = await diagnose(tmp_path, keys)
    assert warnings_of(diagnosis) == [
        "api_key does not look like one of exotel's",
        "api_token does not look like one of exotel's",
    ]
    assert diagnosis.healthy, "a simulated account may look otherwise"
    assert "tell-nobody" not in diagnosis.to_text()


async def test_it_names_what_cannot_be_worked_with(tmp_path: Path) -> None:
    keys = KEYS.replace(TOKEN, "short") + '\naddresses = "203.0.113.0/33"'
    diagnosis = await diagnose(tmp_path, keys)
    (fault,) = faults_of(diagnosis)
    assert fault.startswith("path_token: expected 16 to 128 letters, digits")
    assert not diagnosis.healthy


async def test_the_configuration_of_its_page_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[3] / "docs" / "providers" / "exotel.md").read_text()
    for name, value in (
        ("RAPIDA_API_KEY", "0" * 32), ("EXOTEL_API_KEY", API_KEY),
        ("EXOTEL_API_TOKEN", API_TOKEN), ("EXOTEL_PATH_TOKEN", TOKEN),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    (tmp_path / "rapida.toml").write_text(page.split("```toml\n")[1].split("```")[0])
    config = load_config(tmp_path / "rapida.toml")
    check_credentials(config.credentials.values())
    documented = {
        name for row in page.split("| key of the account | |")[1].split("\n\n")[0].splitlines()
        for name in re.findall(r"`(\w+)`", row.split("|")[1] if "|" in row else "")
    }  # fmt: skip
    assert documented == {key.name for key in SPEC.credential_keys} | {"api_base"}
