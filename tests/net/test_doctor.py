"""The doctor finds what would go wrong, says where, and shows no secret."""

from __future__ import annotations

import datetime
import json
import socket
import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path

import pytest
import trustme

from rapida_media import cli
from rapida_media.cli import main
from rapida_media.config import parse_config
from rapida_media.net import doctor
from rapida_media.net.doctor import FAULT, OK, WARNING, Diagnosis, examine
from rapida_media.net.resolver import Resolver
from rapida_media.sip.address import Address

LOOPBACK = (
    '[sip]\nlisten = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"]\n[http]\nlisten = "127.0.0.1:0"\n'
)


async def diagnose(folder: Path, text: str) -> Diagnosis:
    return await examine(parse_config(tomllib.loads(text), folder, {}), folder)


def found(diagnosis: Diagnosis, subject: str) -> tuple[str, str]:
    (finding,) = (each for each in diagnosis.findings if each.subject == subject)
    return finding.result, finding.text


async def test_a_good_configuration_is_healthy_and_shows_how_to_call(tmp_path: Path) -> None:
    diagnosis = await diagnose(
        tmp_path,
        '[sip]\nlisten = ["udp:127.0.0.1:0"]\nexternal_address = "203.0.113.7"\n'
        '[assistants.support]\nagent = "echo"\nnumbers = ["+15550100"]\n'
        '[trunks.carrier]\nhosts = ["127.0.0.1"]\n',
    )
    assert diagnosis.healthy, diagnosis.to_text()
    assert [each.url for each in diagnosis.entrances] == [
        "sip:support@203.0.113.7:0",
        "sip:+15550100@203.0.113.7:0",
    ]
    assert found(diagnosis, "[trunks.carrier]") == (OK, "127.0.0.1 is 127.0.0.1")


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_what_to_call_names_the_transport_that_is_listened_on(
    tmp_path: Path, transport: str
) -> None:
    keys = 'tls_certificate = "c.pem"\ntls_key = "k.pem"\n' if transport == "tls" else ""
    diagnosis = await diagnose(
        tmp_path,
        f'[sip]\nlisten = ["{transport}:127.0.0.1:0"]\n{keys}'
        '[assistants.support]\nagent = "echo"\n',
    )
    (entrance,) = diagnosis.entrances
    assert entrance.url == f"sip:support@127.0.0.1:0;transport={transport}"


async def test_a_host_that_calls_and_is_called_is_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is called may stand in SRV records, and who calls in those of the name itself."""
    servers_and_callers: tuple[list[str], list[str]] = ([], [])

    async def resolve(self: Resolver, *asked: object) -> list[Address]:
        return [Address(each, 5060) for each in servers_and_callers[0]]

    async def behind(self: Resolver, domain: str) -> list[str]:
        return servers_and_callers[1]

    monkeypatch.setattr(Resolver, "resolve", resolve)
    monkeypatch.setattr(Resolver, "behind", behind)
    text = f'{LOOPBACK}[trunks.carrier]\nhosts = ["carrier.example"]\n'
    for known, finding in (
        ((["192.0.2.1"], ["192.0.2.2"]), (OK, "is 192.0.2.1, 192.0.2.2")),
        ((["192.0.2.1"], []), (OK, "is 192.0.2.1")),
        (([], []), (FAULT, "cannot be resolved")),
    ):
        servers_and_callers = known
        result, told = finding
        diagnosis = await diagnose(tmp_path, text)
        assert found(diagnosis, "[trunks.carrier]") == (result, f"carrier.example {told}")


async def test_a_port_in_use_is_a_warning_and_a_foreign_address_a_fault(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"udp:127.0.0.1:{taken.getsockname()[1]}"
        text = f'[sip]\nlisten = ["{address}", "udp:192.0.2.7:5060"]\n'
        diagnosis = await diagnose(tmp_path, text)
    assert found(diagnosis, f"[sip] listen {address}")[0] == WARNING
    assert found(diagnosis, "[sip] listen udp:192.0.2.7:5060")[0] == FAULT
    assert "[trunks.carrier]" in found(diagnosis, "configuration")[1]


async def test_certificates_are_looked_at(tmp_path: Path) -> None:
    ca = trustme.CA()
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=5)
    text = LOOPBACK.replace("[http]", 'tls_certificate = "cert.pem"\ntls_key = "key.pem"\n[http]')

    def write(certificate: trustme.LeafCert, key: trustme.LeafCert) -> None:
        (tmp_path / "cert.pem").write_bytes(certificate.cert_chain_pems[0].bytes())
        (tmp_path / "key.pem").write_bytes(key.private_key_pem.bytes())

    good, ending = ca.issue_cert("sip.example.com"), ca.issue_cert("b", not_after=soon)
    ended = ca.issue_cert("c", not_after=soon - datetime.timedelta(days=9))
    write(good, good)
    result, said = found(await diagnose(tmp_path, text), "[sip] tls_certificate")
    assert result == OK
    assert said.startswith("for sip.example.com, expires in ")
    write(ending, ending)
    assert found(await diagnose(tmp_path, text), "[sip] tls_certificate") == (
        WARNING, "for b, expires in 4 days",
    )  # fmt: skip
    write(ended, ended)
    assert found(await diagnose(tmp_path, text), "[sip] tls_certificate") == (
        FAULT, "for c, has expired",
    )  # fmt: skip
    write(good, ending)
    assert found(await diagnose(tmp_path, text), "[sip] tls_key")[0] == FAULT
    (tmp_path / "key.pem").write_text("no key")
    assert found(await diagnose(tmp_path, text), "[sip] tls_certificate")[0] == FAULT


async def test_authorities_are_looked_at(tmp_path: Path) -> None:
    text = LOOPBACK.replace("[http]", 'tls_client_ca = "ca.pem"\n[http]').replace("tcp:", "tls:")
    text = text.replace("[http]", 'tls_certificate = "x"\ntls_key = "x"\n[http]')
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    assert found(await diagnose(tmp_path, text), "[sip] tls_client_ca") == (OK, "1 to trust")
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    ended = authority.issue_cert("old.example", not_after=yesterday)
    ended.cert_chain_pems[0].write_to_path(tmp_path / "ca.pem")
    result, said = found(await diagnose(tmp_path, text), "[sip] tls_client_ca")
    assert result == FAULT
    assert said.endswith("has expired")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem", append=True)
    assert found(await diagnose(tmp_path, text), "[sip] tls_client_ca")[0] == WARNING
    (tmp_path / "ca.pem").unlink()
    assert found(await diagnose(tmp_path, text), "[sip] tls_client_ca")[0] == FAULT
    both = text.replace("tls_client_ca", "tls_ca")
    assert found(await diagnose(tmp_path, both), "[sip] tls_ca")[0] == FAULT


async def test_stores_agents_and_names_that_cannot_work_are_faults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "RESOLVE_S", 0.5)
    (tmp_path / "calls.db").write_bytes(b"this is no database, and never was" * 100)
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    text = f"""{LOOPBACK}
[rtp]
ports = "20000-20009"
[store]
records = "sqlite:calls.db"
contexts = "redis://:tell-nobody@127.0.0.1:{closed}/0"
[assistants.a]
agent = "play:missing.wav"
[assistants.b]
agent = "echo"
greeting = "missing.wav"
[trunks.carrier]
hosts = ["nobody.invalid"]
[credentials.main]
provider = "unheard-of"
"""
    diagnosis = await diagnose(tmp_path, text)
    for subject, words in (
        ("[rtp] ports", "5 port pairs for 500 calls"),
        ("[store] records", "not a database"),
        ("[store] contexts", "Redis: "),
        ("[assistants.a]", "missing.wav"),
        ("[assistants.b]", "missing.wav"),
        ("[credentials.main]", "no provider 'unheard-of'"),
    ):
        result, said = found(diagnosis, subject)
        assert result == FAULT, subject
        assert words in said
    assert found(diagnosis, "[trunks.carrier]") == (FAULT, "nobody.invalid cannot be resolved")
    assert "tell-nobody" not in diagnosis.to_text()
    assert "tell-nobody" not in json.dumps(diagnosis.to_dict())


async def test_an_old_database_is_counted_and_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "rapida-calls.db")) as database:
        database.execute("CREATE TABLE calls (id)")
        database.execute("INSERT INTO calls VALUES ('c1')")
        database.commit()
    diagnosis = await diagnose(tmp_path, LOOPBACK)
    result, said = found(diagnosis, "[store] records")
    assert (result, said.rpartition(" holds ")[2]) == (OK, "1 calls")


def test_the_command_prints_json_and_tells_by_its_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "set_up_logging", lambda form, level: None)
    file = tmp_path / "rapida.toml"
    file.write_text(LOOPBACK + '[assistants.a]\nagent = "echo"\n')
    assert main(["doctor", "--config", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["healthy"] is True
    file.write_text(LOOPBACK + '[assistants.a]\nagent = "play:missing.wav"\n')
    assert main(["doctor", "--config", str(file)]) == 1
    assert "fault    [assistants.a]" in capsys.readouterr().out
    file.write_text("[sip]\nlisten = 7\n")
    assert main(["doctor", "--config", str(file)]) == 2
    assert "[sip] listen" in capsys.readouterr().err
    assert main(["doctor", "--config", str(file), "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["healthy"] is False
    assert "[sip] listen" in told["findings"][0]["text"]


async def test_a_codec_that_serve_would_refuse_is_a_fault(tmp_path: Path) -> None:
    text = LOOPBACK + '[trunks.carrier]\nhosts = ["192.0.2.0/24"]\ncodecs = ["PCMU", "G729"]\n'
    diagnosis = await diagnose(tmp_path, text)
    assert not diagnosis.healthy
    assert found(diagnosis, "[trunks.carrier]") == (
        FAULT,
        "codecs: expected PCMU, PCMA, G722, L16/16000, got 'G729'",
    )


async def test_a_bot_behind_a_plain_socket_is_a_warning_without_its_secrets(tmp_path: Path) -> None:
    agent = 'agent = "websocket:{}://bot.example.com/media?key=tell-nobody"\n'
    text = f"{LOOPBACK}\n[assistants.a]\n{agent.format('ws')}[assistants.b]\n{agent.format('wss')}"
    diagnosis = await diagnose(tmp_path, text)
    results = [e.result for e in diagnosis.findings if e.subject == "[assistants.a]"]
    assert results == [OK, WARNING]
    assert found(diagnosis, "[assistants.b]") == (OK, "agent websocket can be made")
    assert "tell-nobody" not in diagnosis.to_text()
