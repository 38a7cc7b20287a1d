from __future__ import annotations

import tomllib
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.config import (
    Assistant,
    Config,
    Credential,
    HttpConfig,
    HttpListen,
    LimitsConfig,
    Listen,
    RtpConfig,
    SipConfig,
    StoreConfig,
    Trunk,
    load_config,
    parse_config,
    parse_listen,
)
from rapida_media.errors import ConfigError

FULL = """
[sip]
listen = ["udp:0.0.0.0:5060", "tcp:[::]:5060", "tls:0.0.0.0:5061"]
tls_certificate = "cert.pem"
tls_key = "/etc/ssl/key.pem"
tls_ca = "ca.pem"
external_address = "203.0.113.7"
session_expires = 600
min_session_expires = 120
digest = ["SHA-256", "MD5"]
[rtp]
ports = "10000-20000"
jitter = "immediate"
gap_wait_ms = 60
comfort_noise = true
media_timeout = 30
[limits]
max_calls = 400
calls_per_second = 12.5
max_call_seconds = 3600
drain_seconds = 0
ring_seconds = 45
[store]
contexts = "redis://:secret@127.0.0.1:6379/1"
records = "sqlite:state/calls.db"
retention_days = 30
recordings = "recordings/"
prompts = "said/"

[trunks.carrier]
hosts = ["198.51.100.0/24", "198.51.101.7", "2001:db8::/32", "SIP.carrier.example"]
username = "us"
password = "env:PASSWORD"
challenge = false
domain = "carrier.example"
proxy = "[2001:db8::7]:5080"
transport = "tcp"
register = true
ping_seconds = 30
codecs = ["PCMA", "G722"]
srtp = "required"
caller_id = "+15550100"
called = "to"
country_code = "+44"
headers = { X-Account = "env:PASSWORD", X-Site = "Berlin 2" }
[trunks.phones]
username = "alice"
password = "open sesame"

[assistants.support]
agent = "python:bot:agent"
numbers = ["+15550100"]
greeting = "hello.wav"
record = true
answer = "agent"
follow_transfers = true
parameters = { plan = "gold", level = 3, token = "env:TOKEN" }
[assistants.other]
agent = "echo"
"""


def parse(text: str, **environment: str) -> Config:
    return parse_config(tomllib.loads(text), Path("/etc/rapida"), environment)


def test_every_key_is_read() -> None:
    assert parse(FULL, TOKEN="secret", PASSWORD="pw") == Config(
        sip=SipConfig(
            (
                Listen("udp", "0.0.0.0", 5060),
                Listen("tcp", "::", 5060),
                Listen("tls", "0.0.0.0", 5061),
            ),
            external_address="203.0.113.7",
            session_expires=600,
            min_session_expires=120,
            digest=("SHA-256", "MD5"),
            tls_certificate=Path("/etc/rapida/cert.pem"),
            tls_key=Path("/etc/ssl/key.pem"),
            tls_ca=Path("/etc/rapida/ca.pem"),
        ),
        rtp=RtpConfig(
            ports=(10000, 20000),
            jitter="immediate",
            gap_wait_ms=60.0,
            comfort_noise=True,
            media_timeout=30.0,
        ),
        limits=LimitsConfig(400, 12.5, 3600.0, 0.0, 45.0),
        store=StoreConfig(
            contexts="redis://:secret@127.0.0.1:6379/1",
            records=Path("/etc/rapida/state/calls.db"),
            retention_days=30.0,
            recordings=Path("/etc/rapida/recordings"),
            prompts=Path("/etc/rapida/said"),
        ),
        assistants={
            "support": Assistant(
                name="support",
                agent="python:bot:agent",
                numbers=("+15550100",),
                greeting=Path("/etc/rapida/hello.wav"),
                record=True,
                parameters={"plan": "gold", "level": 3, "token": "secret"},
                answer="agent",
                follow_transfers=True,
            ),
            "other": Assistant(name="other", agent="echo"),
        },
        trunks={
            "carrier": Trunk(
                "carrier",
                networks=(
                    ip_network("198.51.100.0/24"),
                    ip_network("198.51.101.7/32"),
                    ip_network("2001:db8::/32"),
                ),
                names=("sip.carrier.example",),
                username="us",
                password="pw",
                domain="carrier.example",
                proxy=("2001:db8::7", 5080),
                transport="tcp",
                register=True,
                ping_seconds=30.0,
                codecs=("PCMA", "G722"),
                srtp="required",
                caller_id="+15550100",
                called="to",
                country_code="44",
                headers=(("X-Account", "pw"), ("X-Site", "Berlin 2")),
            ),
            "phones": Trunk("phones", username="alice", password="open sesame", challenge=True),
        },
    )


def test_without_a_file_the_engine_listens_on_loopback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config()
    assert config == Config()
    assert [str(listen) for listen in config.sip.listen] == [
        "udp:127.0.0.1:5060",
        "tcp:127.0.0.1:5060",
    ]
    config.check_exposure()


def test_rapida_toml_in_the_working_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rapida.toml").write_text("[limits]\nmax_calls = 7\n")
    assert load_config().limits.max_calls == 7


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("")
    config = load_config(tmp_path / "c.toml")
    assert config.store.recordings == tmp_path / "recordings"
    assert config.store.records == tmp_path / "rapida-calls.db"
    assert config.store.contexts == "memory:"
    assert config.sip == SipConfig()


def test_values_may_come_from_the_environment_and_from_files(tmp_path: Path) -> None:
    (tmp_path / "number").write_text("+15550100\n")
    (tmp_path / "c.toml").write_text(
        '[sip]\nlisten = ["env:LISTEN"]\n'
        '[limits]\nmax_calls = "env:CALLS"\ncalls_per_second = "env:RATE"\n'
        '[assistants.a]\nagent = "echo"\nrecord = "env:RECORD"\nnumbers = ["file:number"]\n'
    )
    document = tomllib.loads((tmp_path / "c.toml").read_text())
    environment = {"LISTEN": "udp:127.0.0.1:0", "CALLS": "9", "RATE": "0.5", "RECORD": "true"}
    config = parse_config(document, tmp_path, environment)
    assert config.sip.listen == (Listen("udp", "127.0.0.1", 0),)
    assert (config.limits.max_calls, config.limits.calls_per_second) == (9, 0.5)
    assert config.assistants["a"].numbers == ("+15550100",)
    assert config.assistants["a"].record


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[spi]", '[spi]: unknown table or key; did you mean "sip"?'),
        (
            "[web]",
            "[web]: unknown table or key; known are sip, rtp, limits, store, http, audiosocket, "
            "credentials, assistants, trunks",
        ),
        ("sip = 3", "sip: expected a table, got a whole number"),
        ("[sip]\nlisen = []", '[sip] lisen: unknown key; did you mean "listen"?'),
        (
            "[sip]\nx = 1",
            "[sip] x: unknown key; known are listen, external_address, session_expires, "
            "min_session_expires, digest, tls_certificate, tls_key, tls_ca, "
            "tls_client_ca, tls_client_certificates, dial_hosts",
        ),
        ("[sip]\nlisten = []", "[sip] listen: expected at least one address, got none"),
        ('[sip]\nlisten = "x"', "[sip] listen: expected a list of texts, got a text"),
        ("[sip]\nlisten = [5060]", "[sip] listen: expected a text, got a whole number"),
        (
            '[sip]\nlisten = ["tls:0.0.0.0:5061"]',
            "[sip] tls_certificate: missing; expected a PEM file, since listen has a tls address",
        ),
        (
            '[sip]\ntls_client_certificates = "optional"',
            "[sip] tls_client_certificates: wants tls_client_ca, who vouches for them",
        ),
        (
            '[sip]\ntls_client_ca = "ca.pem"',
            "[sip] tls_client_ca: listen has no tls address where anybody is asked",
        ),
        (
            '[sip]\nlisten = ["sctp:0.0.0.0:5061"]',
            '[sip] listen: expected "udp:ADDRESS:PORT", "tcp:ADDRESS:PORT" or "tls:ADDRESS:PORT", '
            'got "sctp:0.0.0.0:5061"',
        ),
        (
            "[sip]\nsession_expires = -1",
            "[sip] session_expires: expected a whole number of at least 0, got -1",
        ),
        (
            "[sip]\nsession_expires = 60",
            "[sip] session_expires: expected 0 or at least min_session_expires (90), got 60",
        ),
        (
            '[sip]\nexternal_address = "sip.example"',
            '[sip] external_address: expected an IP address, got "sip.example"',
        ),
        (
            '[sip]\nexternal_address = "0.0.0.0"',
            '[sip] external_address: expected an address that others can reach, got "0.0.0.0"',
        ),
        (
            '[rtp]\nports = "20000-10000"',
            '[rtp] ports: expected "FIRST-LAST" within 1024-65535, with room for an even port and '
            'the next, got "20000-10000"',
        ),
        (
            '[rtp]\nports = "many"',
            '[rtp] ports: expected "FIRST-LAST" within 1024-65535, with room for an even port and '
            'the next, got "many"',
        ),
        ("[rtp]\nports = 10000", "[rtp] ports: expected a text, got a whole number"),
        (
            '[rtp]\njitter = "none"',
            '[rtp] jitter: expected immediate, adaptive or fixed:0 to fixed:400, got "none"',
        ),
        ("[rtp]\nmedia_timeout = 0", "[rtp] media_timeout: expected a number above 0, got 0"),
        (
            '[rtp]\nmedia_timeout = "9"',
            "[rtp] media_timeout: expected a number above 0, got a text",
        ),
        (
            "[limits]\nmax_calls = 0",
            "[limits] max_calls: expected a whole number of at least 1, got 0",
        ),
        (
            "[limits]\nmax_calls = 1.5",
            "[limits] max_calls: expected a whole number of at least 1, got a number",
        ),
        (
            "[limits]\nmax_calls = true",
            "[limits] max_calls: expected a whole number of at least 1, got true or false",
        ),
        (
            "[limits]\nring_seconds = 0",
            "[limits] ring_seconds: expected a number above 0, got 0",
        ),
        (
            "[limits]\ndrain_seconds = -1",
            "[limits] drain_seconds: expected a number of at least 0, got -1",
        ),
        (
            "[limits]\ndrain_seconds = inf",
            "[limits] drain_seconds: expected a number of at least 0, got inf",
        ),
        (
            "[limits]\ndrain_seconds = false",
            "[limits] drain_seconds: expected a number of at least 0, got true or false",
        ),
        (
            '[limits]\nmax_calls = "env:SECRET"',
            '[limits] max_calls: "env:SECRET" holds a value of the wrong type',
        ),
        (
            '[limits]\nmax_calls = "env:MISSING"',
            "[limits] max_calls: the environment variable MISSING is not set",
        ),
        (
            '[store]\nrecordings = ""',
            '[store] recordings: expected a text that is not empty, got ""',
        ),
        (
            '[store]\nrecords = "calls.db"',
            '[store] records: expected "sqlite:FILE", got "calls.db"',
        ),
        (
            '[store]\ncontexts = "http://127.0.0.1"',
            '[store] contexts: expected "memory:" or a URL such as "redis://127.0.0.1:6379/0", '
            'got "http://127.0.0.1"',
        ),
        (
            '[store]\nrecordings = "file:missing"',
            "[store] recordings: file:missing cannot be read: No such file or directory",
        ),
        ("[assistants]\na = 1", "[assistants] a: expected a table, got a whole number"),
        ("[assistants.a]", '[assistants.a] agent: missing; expected one such as "echo"'),
        (
            '[assistants.a]\nagent = "echo"\nrecord = "yes"',
            "[assistants.a] record: expected true or false, got a text",
        ),
        (
            '[assistants.a]\nagent = "echo"\nrecord = "env:SECRET"',
            '[assistants.a] record: "env:SECRET" holds a value of the wrong type',
        ),
        (
            '[assistants.a]\nagent = "echo"\nanswer = "never"',
            '[assistants.a] answer: expected auto or agent, got "never"',
        ),
        (
            '[assistants.a]\nagent = "echo"\njitter = "fixed:401"',
            "[assistants.a] jitter: expected immediate, adaptive or fixed:0 to fixed:400, got "
            '"fixed:401"',
        ),
        (
            '[assistants.a]\nagent = "echo"\nparameters = 3',
            "[assistants.a] parameters: expected a table, got a whole number",
        ),
        (
            '[assistants.a]\nagent = "echo"\nnumbers = ["1"]\n'
            '[assistants.b]\nagent = "echo"\nnumbers = ["1"]',
            "[assistants.b] numbers: one of them already belongs to [assistants.a]; "
            "a number can have one assistant only",
        ),
        (
            '[assistants.a]\nagent = "echo"\nnumbers = ["+1 (555) 010-0"]\n'
            '[assistants.b]\nagent = "echo"\nnumbers = ["1555.0100"]',
            "[assistants.b] numbers: one of them already belongs to [assistants.a]; "
            "a number can have one assistant only",
        ),
        (
            '[assistants.Sales]\nagent = "echo"\n[assistants.sales]\nagent = "echo"',
            "[assistants.sales]: its name differs from [assistants.Sales] by case only, and the "
            "user of a SIP URI may be written either way; give it another",
        ),
        (
            '[assistants."100"]\nagent = "echo"\n'
            '[assistants.b]\nagent = "echo"\nnumbers = ["+100"]',
            "[assistants.100]: its name is a number of [assistants.b], which gets the calls; "
            "give it another",
        ),
        (
            '[assistants.""]\nagent = "echo"',
            '[assistants] "": expected a name that is not empty',
        ),
        (
            '[sip]\nlisten = ["udp:127.0.0.1:5060", "udp:127.0.0.1:5060"]',
            "[sip] listen: expected different addresses, got udp:127.0.0.1:5060 twice",
        ),
        (
            '[assistants.a]\nagent = "echo"\nparameters = { inner = { key = ["env:MISSING"] } }',
            "[assistants.a] parameters: the environment variable MISSING is not set",
        ),
        (
            "[trunks.t]\nhosts = []",
            "[trunks.t] hosts: missing or empty; expected who may call, such as "
            '["198.51.100.0/24", "sip.carrier.example"]',
        ),
        (
            '[trunks.t]\nhosts = ["192.0.2.1"]\nusername = "x"',
            "[trunks.t] password: missing; username and password belong together",
        ),
        (
            '[trunks.t]\npassword = "x"',
            "[trunks.t] username: missing; username and password belong together",
        ),
        (
            '[trunks.t]\nhosts = ["192.0.2.1"]\ntransport = "tls"',
            "[trunks.t] transport: [sip] listen has no address for tls, "
            "where the trunk could reach us",
        ),
        (
            '[trunks.t]\nhosts = ["192.0.2.1"]\nregister = true',
            "[trunks.t] register: wants a username and a password to register with",
        ),
        (
            '[trunks.t]\nhosts = ["192.0.2.0/24"]\nping_seconds = 30',
            "[trunks.t] ping_seconds: there is no server; add domain or name one in hosts",
        ),
        (
            '[trunks.t]\nhosts = ["192.0.2.1"]\ndomain = "a.example:5060"',
            "[trunks.t] domain: expected a host name or an address without a port, "
            'got "a.example:5060"',
        ),
        (
            '[trunks.t]\nhosts = ["192.0.2.1"]\nproxy = "a b"',
            "[trunks.t] proxy: expected a network without host bits, an address or a host name, "
            'got "a b"',
        ),
        (
            '[trunks.t]\nhosts = ["192.0.2.1"]\nproxy = "a.example:70000"',
            '[trunks.t] proxy: expected a port from 1 to 65535, got "a.example:70000"',
        ),
        (
            '[trunks.t]\nhosts = ["192.0.2.1"]\nheaders = { contact = "<sip:a@b>" }',
            "[trunks.t] headers: contact: the engine writes this one itself",
        ),
        (
            '[trunks.t]\nhosts = ["192.0.2.1"]\nheaders = { M = "<sip:a@b>" }',
            "[trunks.t] headers: M: the engine writes this one itself",
        ),
        (
            '[trunks.t]\nhosts = ["192.0.2.1"]\nheaders = { X-A = "a\\r\\nVia: b" }',
            "[trunks.t] headers: X-A: expected a header field with a text of ASCII",
        ),
        (
            '[trunks.t]\nhosts = ["192.0.2.1"]\ncaller_id = "us"',
            '[trunks.t] caller_id: expected a number such as "+15550100", got "us"',
        ),
        (
            '[trunks.t]\nhosts = ["192.0.2.1"]\ncountry_code = "+4420"',
            '[trunks.t] country_code: expected a country calling code such as "44", got "+4420"',
        ),
        (
            '[trunks.t]\nhosts = ["192.0.2.1"]\nchallenge = true',
            "[trunks.t] challenge: wants a username and a password to ask for",
        ),
        (
            '[trunks.t]\nusername = "x"\npassword = "1"\n'
            '[trunks.u]\nusername = "x"\npassword = "2"',
            "[trunks.u] username: it already belongs to [trunks.t]; each trunk needs its own",
        ),
        (
            '[trunks.t]\nusername = "a\\nb"\npassword = "1"',
            '[trunks.t] username: expected a printable text, got "a\nb"',
        ),
        (
            '[trunks.t]\nhosts = ["198.51.100.7/24"]',
            "[trunks.t] hosts: expected a network without host bits, an address or a host name, "
            'got "198.51.100.7/24"',
        ),
        (
            '[trunks.t]\nhosts = ["198.51.100.700"]',
            "[trunks.t] hosts: expected a network without host bits, an address or a host name, "
            'got "198.51.100.700"',
        ),
        (
            '[trunks.t]\nhosts = ["env:SECRET"]',
            "[trunks.t] hosts: expected a network without host bits, an address or a host name, "
            'got "env:SECRET"',
        ),
        (
            '[trunks.t]\nhosts = ["192.0.2.1"]\nhost = "x"',
            '[trunks.t] host: unknown key; did you mean "hosts"?',
        ),
    ],
)
def test_faults_are_told_in_a_sentence_that_names_the_place(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as fault:
        parse(text, SECRET="tell nobody!")
    assert str(fault.value) == sentence


def test_a_byte_order_mark_in_front_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("\ufeff[limits]\nmax_calls = 7\n", "utf-8")
    assert load_config(tmp_path / "c.toml").limits.max_calls == 7


def test_what_is_inside_of_parameters_may_come_from_the_environment() -> None:
    text = '[assistants.a]\nagent = "echo"\nparameters = { in = { keys = ["env:KEY", 7] } }\n'
    config = parse_config(tomllib.loads(text), Path(), {"KEY": "secret"})
    assert config.assistants["a"].parameters == {"in": {"keys": ["secret", 7]}}


def test_a_file_that_is_no_toml_or_is_missing_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("[sip]\nlisten = ]")
    with pytest.raises(ConfigError, match=r"broken\.toml: no valid TOML: .*line 2"):
        load_config(broken)
    with pytest.raises(ConfigError, match=r"missing\.toml: cannot be read: No such file"):
        load_config(tmp_path / "missing.toml")


def test_a_file_value_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"\[store\] recordings: file:binary is no UTF-8 text"):
        parse_config({"store": {"recordings": "file:binary"}}, tmp_path, {})


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        ("udp:127.0.0.1:5060", Listen("udp", "127.0.0.1", 5060)),
        ("tcp:[::1]:0", Listen("tcp", "::1", 0)),
        ("tcp:0.0.0.0:65535", Listen("tcp", "0.0.0.0", 65535)),
    ],
)
def test_a_listen_address_is_read_and_written(text: str, listen: Listen) -> None:
    assert parse_listen(text) == listen
    assert str(listen) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "udp",
        "udp:",
        "udp:5060",
        "127.0.0.1:5060",
        "sctp:127.0.0.1:5060",
        "UDP:127.0.0.1:5060",
        "udp:localhost:5060",
        "udp:::1:5060",
        "udp:[127.0.0.1]:5060",
        "udp:127.0.0.1:",
        "udp:127.0.0.1:65536",
        "udp:127.0.0.1:+506",
        "udp:127.0.0.1:0005060",
        "udp:127.0.0.1:٥٠٦٠",
    ],
)
def test_other_listen_addresses_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected "):
        parse_listen(text)


@given(st.text(alphabet="udptc:[]127.0:af% ٣", max_size=24))
def test_any_text_is_a_listen_address_or_a_value_error(text: str) -> None:
    try:
        listen = parse_listen(text)
    except ValueError:
        return
    assert parse_listen(str(listen)) == listen


@pytest.mark.parametrize("address", ["udp:0.0.0.0:5060", "tcp:192.0.2.1:5060", "udp:[::]:5060"])
def test_listening_for_others_wants_a_trunk(address: str) -> None:
    sip = f'[sip]\nlisten = ["udp:127.0.0.1:5060", "{address}"]\n'
    with pytest.raises(ConfigError) as refusal:
        parse(sip).check_exposure()
    assert str(refusal.value) == (
        f"[sip] listen: {address} can be reached from other machines, but no trunk says who may "
        'call; add a table such as [trunks.carrier] with hosts = ["198.51.100.0/24"], '
        "or listen on 127.0.0.1"
    )
    parse(sip + '[trunks.carrier]\nhosts = ["198.51.100.0/24"]').check_exposure()


@pytest.mark.parametrize("address", ["udp:127.0.0.1:5060", "tcp:127.8.8.8:1", "udp:[::1]:5060"])
def test_loopback_needs_nothing(address: str) -> None:
    parse(f'[sip]\nlisten = ["{address}"]').check_exposure()


TOML_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["listen", "hosts", "agent", "ports", "numbers", "record", "x"]), inner
        )
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(
            ["sip", "rtp", "limits", "store", "http", "credentials", "assistants", "trunks", "y"]
        ),
        TOML_VALUES,
    )
)
def test_any_document_is_a_configuration_or_a_config_error(document: dict[str, object]) -> None:
    try:
        parse_config(document, Path("/nonexistent"), {})
    except ConfigError:
        return


@pytest.mark.parametrize(
    ("keys", "server"),
    [
        ('hosts = ["198.51.100.0/24", "sip.carrier.example"]', ("sip.carrier.example", None)),
        ('hosts = ["198.51.100.7", "sip.carrier.example"]', ("198.51.100.7", None)),
        ('hosts = ["198.51.100.0/24"]\nproxy = "10.0.0.1"', ("10.0.0.1", None)),
        ('hosts = ["198.51.100.0/24"]', None),
    ],
)
def test_requests_go_to_the_first_host_that_is_one_unless_a_proxy_is_named(keys, server):
    assert parse(f"[trunks.t]\n{keys}").trunks["t"].server == server


def test_uris_of_a_trunk_of_networks_only_name_its_proxy():
    keys = '[trunks.t]\nhosts = ["198.51.100.0/24"]\nproxy = "sbc.example:5080"\n'
    assert parse(keys).trunks["t"].domain == "sbc.example"
    assert parse(f'{keys}domain = "carrier.example"').trunks["t"].domain == "carrier.example"


def test_a_carrier_we_register_with_is_not_challenged():
    keys = '[trunks.t]\nhosts = ["sip.example"]\nusername = "a"\npassword = "b"\n'
    assert parse(keys).trunks["t"].challenge
    assert not parse(keys + "register = true").trunks["t"].challenge


HTTP = """
[sip]
dial_hosts = ["PBX.example", "127.0.0.0/8"]
[trunks.carrier]
hosts = ["192.0.2.1"]
allow = ["+49"]
price_per_minute = 0.5
[http]
listen = "[::1]:9000"
public_url = "https://voice.example.com/"
api_keys = ["env:KEY"]
requests_per_second = 5
[credentials.main]
provider = "tin-can"
knot = "env:KNOT"
api_base = "http://127.0.0.1:1/"
allow = ["+49", "*"]
price_per_minute = 0.02
[assistants.support]
agent = "echo"
credential = "main"
max_outbound_calls = 3
spend_per_day = 20
"""


def test_http_and_credentials_are_read() -> None:
    environment = {"KEY": "0123456789abcdef", "KNOT": "reef"}
    config = parse_config(tomllib.loads(HTTP), environment=environment)
    assert config.http == HttpConfig(
        HttpListen("::1", 9000), "https://voice.example.com", ("0123456789abcdef",), 5.0
    )
    assert config.credentials["main"] == Credential(
        "main", "tin-can", {"knot": "reef"}, "http://127.0.0.1:1", ("+49", "*"), 0.02
    )
    assistant = config.assistants["support"]
    assert (assistant.credential, assistant.max_outbound_calls, assistant.spend_per_day) == (
        "main", 3, 20.0,
    )  # fmt: skip
    assert config.sip.dial_hosts == ("pbx.example", "127.0.0.0/8")
    trunk = config.trunks["carrier"]
    assert (trunk.allow, trunk.price_per_minute) == (("+49",), 0.5)
    assert "0123456789abcdef" not in repr(config)
    assert "reef" not in repr(config)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[http]\nlisten = "8080"', '[http] listen: expected "ADDRESS:PORT" with an IP address'),
        ('[http]\nlisten = "::1:80"', '[http] listen: expected "ADDRESS:PORT" with an IP'),
        ('[http]\nlisten = "127.0.0.1:x"', '[http] listen: expected "ADDRESS:PORT"'),
        ('[http]\nlisten = "127.0.0.1:65536"', '[http] listen: expected "ADDRESS:PORT"'),
        ('[http]\npublic_url = "voice.example.com"', "[http] public_url: expected a URL such as"),
        ('[http]\npublic_url = "https://x/?a=1"', "[http] public_url: expected a URL such as"),
        ('[http]\npublic_url = "https://x:70000"', "[http] public_url: expected a URL such as"),
        ('[http]\npublic_url = "https://x:one"', "[http] public_url: expected a URL such as"),
        ('[http]\npublic_url = "https://u:p@x"', "[http] public_url: expected a URL such as"),
        ('[http]\npublic_url = "https://[::1"', "[http] public_url: expected a URL such as"),
        ('[http]\npublic_url = "https:// x"', "[http] public_url: expected a URL such as"),
        ('[http]\napi_keys = ["short"]', "[http] api_keys: expected at least 16 printable"),
        ('[credentials.a]\nkey = "x"', "[credentials.a] provider: missing; expected one such"),
        ('[credentials.a]\nprovider = "x"\nkey = 3', "[credentials.a] key: expected a text"),
        (
            '[credentials.a]\nprovider = "x"\nallow = ["49x"]',
            "[credentials.a] allow: expected the beginning of a number",
        ),
        (
            '[assistants.a]\nagent = "echo"\ncredential = "b"',
            "[assistants.a] credential: there is no table [credentials.b]",
        ),
    ],
)
def test_faults_of_http_and_credentials_are_told(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as fault:
        parse_config(tomllib.loads(text), environment={})
    assert str(fault.value).startswith(sentence)


def test_http_in_the_open_wants_a_key() -> None:
    table = '[http]\nlisten = "0.0.0.0:8080"\n'
    with pytest.raises(ConfigError, match=r"api_keys = \["):
        parse_config(tomllib.loads(table)).check_exposure()
    keyed = table + 'api_keys = ["0123456789abcdef"]'
    parse_config(tomllib.loads(keyed)).check_exposure()
