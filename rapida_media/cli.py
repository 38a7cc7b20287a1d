"""The ``rapida-media`` command: ``serve``, ``call``, ``simulate``, ``doctor``, ``providers`` and
``bench``."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import sys
from pathlib import Path

from rapida_media.config import SRTP_MODES, HttpListen, Listen, load_config, parse_listen
from rapida_media.config.http import parse_http_listen
from rapida_media.control.running import run_to_its_end
from rapida_media.control.serve import ServeOptions, serve
from rapida_media.errors import ConfigError, RapidaError
from rapida_media.net.call_report import Report
from rapida_media.net.doctor import examine, unreadable
from rapida_media.net.logs import set_up_logging
from rapida_media.net.softphone import CallOptions, place_call
from rapida_media.providers.registry import format_table, providers
from rapida_media.sip.digest import Credentials

USAGE_ERROR = 2
MOST_SECONDS = 86_400
# The providers whose platform ``simulate`` can be.
SIMULATED = ("asterisk", "exotel", "twilio", "vonage")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; gives the exit status."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except RapidaError as error:
        print(f"rapida-media {options.command}: {error}", file=sys.stderr)
        return USAGE_ERROR
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rapida-media", description="A SIP/RTP media engine for AI agents on the phone."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_serve(commands)
    _add_call(commands)
    _add_simulate(commands)
    _add_doctor(commands)
    listing = commands.add_parser("providers", help="list the providers and what each can do")
    listing.set_defaults(run=_providers)
    bench = commands.add_parser(
        "bench",
        help="measure the kernels against other implementations",
        description="Measure the kernels against other implementations, in a source tree. "
        "`python -m bench` there has more options.",
    )
    bench.add_argument("names", nargs="*", metavar="NAME", help="a table; default: all of them")
    bench.set_defaults(run=_bench)
    return parser


def _add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("serve", help="take calls", description="Take calls.")
    command.add_argument(
        "--config", type=Path, metavar="FILE", help="default: rapida.toml where it exists"
    )
    command.add_argument(
        "--sip", type=_both_transports, metavar="ADDR:PORT", help="listen here, on UDP and TCP"
    )
    command.add_argument(
        "--http", type=_http_listen, metavar="ADDR:PORT", help="listen here for HTTP"
    )
    command.add_argument(
        "--agent", metavar="SPEC", help="agent for calls no assistant matches (default: echo)"
    )
    command.add_argument("--log-format", choices=("text", "json"), default="text")
    command.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="info"
    )
    command.set_defaults(run=_serve)


def _add_call(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "call",
        help="a softphone in the terminal",
        description="Call a SIP URI. Exit status 0 only if it was answered, media arrived, and a "
        "hold or a transfer that was asked for worked.",
    )
    command.add_argument(
        "uri", metavar="URI", help="for example sip:echo@127.0.0.1:5060; by a trunk, a number"
    )
    command.add_argument("--trunk", metavar="NAME", help="call by this trunk")
    command.add_argument(
        "--config", type=Path, metavar="FILE", help="which has that trunk (default: rapida.toml)"
    )
    command.add_argument("--play", type=Path, metavar="FILE.wav", help="speak this")
    command.add_argument(
        "--record", type=Path, metavar="FILE.wav", help="stereo: left sent, right received"
    )
    command.add_argument(
        "--duration",
        type=_seconds,
        metavar="S",
        help="hang up this long after the answer (default: when the file was played, or 10)",
    )
    command.add_argument("--dtmf", metavar="DIGITS", help="press these keys after the answer")
    command.add_argument(
        "--hold-at",
        type=_seconds,
        metavar="S",
        help="hold for 2 seconds, this long after the answer",
    )
    command.add_argument(
        "--transfer-to", metavar="URI", help="have the far end call this one at the end"
    )
    command.add_argument(
        "--codec", metavar="LIST", help="offer these, in order (all: pcmu,pcma,g722,l16)"
    )
    command.add_argument("--user", metavar="NAME", help="who we are, where a password is asked for")
    command.add_argument(
        "--password", metavar="TEXT", help="answers that; env:NAME reads it from the environment"
    )
    command.add_argument("--transport", choices=("udp", "tcp", "tls"), default="udp")
    command.add_argument(
        "--srtp",
        choices=SRTP_MODES,
        nargs="?",
        const="required",
        help="encrypt the media where the far end can, or else not call (default: as the trunk "
        "says, else off; without a word: required)",
    )
    command.add_argument(
        "--tls-ca", type=Path, metavar="FILE.pem", help="trust these authorities, too"
    )
    command.add_argument(
        "--timeout", type=_seconds, default=60.0, metavar="S", help="ring no longer than this"
    )
    command.add_argument("--json", action="store_true", help="print the report as JSON")
    command.add_argument(
        "--trace", action="store_true", help="print the SIP messages, without secrets, at the end"
    )
    command.add_argument(
        "--pcap", type=Path, metavar="FILE", help="write SIP and RTP there, with all its secrets"
    )
    command.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="warning"
    )
    command.set_defaults(run=_call)


def _add_simulate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "simulate",
        help="be a provider's platform, to try a deployment without an account",
        description="Be a provider's platform: bring a call to a webhook, or take an order, with "
        "the account of a configuration. Exit status 0 only if audio came back.",
    )
    command.add_argument(
        "provider", choices=SIMULATED, metavar="PROVIDER", help=", ".join(SIMULATED)
    )
    command.add_argument(
        "--url", metavar="URL", help="call this webhook, for example …/v1/talk/twilio/call/support"
    )
    command.add_argument(
        "--listen", type=_http_listen, metavar="ADDR:PORT",
        help="serve the REST API there (the account's api_base); without --url, take one order",
    )  # fmt: skip
    command.add_argument(
        "--audiosocket", type=_http_listen, metavar="ADDR:PORT",
        help="asterisk: bring the media there by TCP (default: by WebSocket)",
    )  # fmt: skip
    command.add_argument(
        "--config", type=Path, metavar="FILE", help="default: rapida.toml where it exists"
    )
    command.add_argument("--credential", metavar="NAME", help="the account, where there are more")
    command.add_argument("--play", type=Path, metavar="FILE.wav", help="speak this")
    command.add_argument(
        "--record", type=Path, metavar="FILE.wav", help="stereo: left sent, right heard"
    )
    command.add_argument(
        "--duration", type=_seconds, metavar="S",
        help="hang up then (default: 2 s after the file was played, or 10)",
    )  # fmt: skip
    command.add_argument("--dtmf", default="", metavar="DIGITS", help="press these keys")
    command.add_argument("--from", dest="from_", default="+14155550100", metavar="NUMBER")
    command.add_argument("--to", default="+15005550006", metavar="NUMBER")
    command.add_argument("--json", action="store_true", help="print the report as JSON")
    command.set_defaults(run=_simulate)


def _simulate(options: argparse.Namespace) -> int:
    """Load the simulator when it is asked for: no product module imports rapida_media.testing."""
    set_up_logging("text", "warning")
    asked = importlib.import_module("rapida_media.testing.simulate").SimulateOptions(
        config=load_config(options.config),
        provider=options.provider,
        url=options.url,
        credential=options.credential,
        play=options.play,
        record=options.record,
        duration_s=options.duration,
        digits=options.dtmf,
        from_=options.from_,
        to=options.to,
        listen=_pair(options.listen),
        audiosocket=_pair(options.audiosocket),
    )
    simulator = importlib.import_module(f"rapida_media.testing.{options.provider}")
    report = asyncio.run(simulator.simulate(asked))
    print(report.to_json() if options.json else report.to_text())
    return 0 if report.worked else 1


def _pair(address: HttpListen | None) -> tuple[str, int] | None:
    return None if address is None else (address.host, address.port)


def _both_transports(text: str) -> tuple[Listen, ...]:
    try:
        return tuple(parse_listen(f"{transport}:{text}") for transport in ("udp", "tcp"))
    except ValueError:
        message = f"expected ADDRESS:PORT such as 127.0.0.1:5060, got {text!r}"
        raise argparse.ArgumentTypeError(message) from None


def _http_listen(text: str) -> HttpListen:
    try:
        return parse_http_listen(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, got {text!r}") from None


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(
            f"expected seconds, above 0 and up to {MOST_SECONDS}, got {text}"
        )
    return value


def _add_doctor(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "doctor",
        help="look whether a configuration can work here",
        description="Look whether a configuration can work here. Exit status 0 if it can.",
    )
    command.add_argument(
        "--config", type=Path, metavar="FILE", help="default: rapida.toml where it exists"
    )
    command.add_argument("--json", action="store_true", help="print the findings as JSON")
    command.set_defaults(run=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    set_up_logging("text", "critical")
    directory = options.config.parent if options.config is not None else Path.cwd()
    try:
        config = load_config(options.config)
    except ConfigError as error:
        if options.json:
            print(json.dumps(unreadable(error).to_dict(), indent=2))
        raise
    diagnosis = asyncio.run(examine(config, directory))
    text = json.dumps(diagnosis.to_dict(), indent=2) if options.json else diagnosis.to_text()
    print(text)
    return 0 if diagnosis.healthy else 1


def _serve(options: argparse.Namespace) -> int:
    set_up_logging(options.log_format, options.log_level)
    return run_to_its_end(
        serve(
            ServeOptions(
                config=options.config, sip=options.sip, http=options.http, agent=options.agent
            )
        )
    )


def _call(options: argparse.Namespace) -> int:
    set_up_logging("text", options.log_level)
    report = asyncio.run(
        place_call(
            CallOptions(
                uri=options.uri,
                play=options.play,
                record=options.record,
                duration_s=options.duration,
                dtmf=options.dtmf,
                codecs=tuple(options.codec.split(",")) if options.codec else None,
                transport=options.transport,
                srtp=options.srtp,
                tls_ca=options.tls_ca,
                credentials=_credentials(options.user, options.password),
                timeout_s=options.timeout,
                trace=options.trace,
                pcap=options.pcap,
                hold_at_s=options.hold_at,
                transfer_to=options.transfer_to,
                config=options.config,
                trunk=options.trunk,
            )
        )
    )
    _print_report(report, as_json=options.json)
    transferred = report.transfer_status is None or report.transfer_status // 100 == 2
    done = report.held is not False and transferred
    return 0 if report.answered and report.packets_received and done else 1


def _credentials(user: str | None, password: str | None) -> Credentials | None:
    if (user is None) != (password is None):
        raise ConfigError("--user and --password belong together")
    if user is None or password is None:
        return None
    if not user.strip() or not user.isprintable():  # it is written into header fields
        raise ConfigError(f"--user: expected a printable name, got {user!r}")
    if password.startswith("env:"):
        name = password.removeprefix("env:")
        if name not in os.environ:
            raise ConfigError(f"--password: the environment variable {name} is not set")
        password = os.environ[name]
    return Credentials(user, password)


def _print_report(report: Report, *, as_json: bool) -> None:
    print(report.to_json() if as_json else report.to_text())


def _providers(options: argparse.Namespace) -> int:
    print(format_table(providers().values()))
    return 0


def _bench(options: argparse.Namespace) -> int:
    """Run the checkout's benchmark, which is in no wheel; `python -m bench` has more options."""
    checkout = Path(__file__).resolve().parent.parent
    if not (checkout / "bench" / "__main__.py").is_file():
        print(
            "rapida-media bench: the benchmark comes with the source tree only; there, "
            "`make bench` runs it.",
            file=sys.stderr,
        )
        return USAGE_ERROR
    sys.path.insert(0, str(checkout))
    status: int = importlib.import_module("bench.__main__").main(options.names)
    return status
