"""The metrics of an engine, read back with Prometheus' own parser."""

from __future__ import annotations

import json
import re
from pathlib import Path

from engine.bot_server import BotServer
from engine.conftest import Bench
from engine.far_end import answer
from engine.rtp import speech
from engine.waiting import eventually
from prometheus_client.parser import text_string_to_metric_families

from rapida_media.config.store import StoreConfig
from rapida_media.net.metrics import Metrics
from rapida_media.net.stores import Stores

DOCS = Path(__file__).parents[2] / "docs"
TRUNK = """
[trunks.carrier]
hosts = ["127.0.0.1"]
proxy = "127.0.0.1:9"
username = "us"
password = "secret"
register = true
ping_seconds = 60
challenge = false
[limits]
calls_per_second = 3
"""


def read(metrics: Metrics) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Give all samples by name and labels; the parser refuses what is malformed."""
    samples: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        assert family.documentation, family.name
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            assert labels not in samples.setdefault(sample.name, {}), sample
            samples[sample.name][labels] = sample.value
    return samples


async def test_calls_media_ports_trunks_and_stores_are_measured(
    bench: Bench,
    tmp_path: Path,
) -> None:
    engine = await bench.start(TRUNK)
    stores = Stores(StoreConfig(records=tmp_path / "calls.db"))
    await stores.open(engine.journal)
    metrics = Metrics(engine, stores)
    phone = await bench.phone()
    call = await phone.call()
    said = speech(0.5)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    during = read(metrics)
    sip_in = (("direction", "inbound"), ("provider", "sip"))
    assert during["rapida_calls_active"] == {sip_in: 1}
    assert during["rapida_media_port_pairs"][("state", "in_use"),] == 1
    assert during["rapida_alive"][("what", "calls"),] == 1
    phone.send(b"this is no SIP\r\n\r\n")
    assert await call.bye() == 200
    statuses = [await phone.invite().final() for _ in range(4)]
    assert 503 in statuses
    assert await stores.records.settled(5)

    after = read(metrics)
    completed = (("direction", "inbound"), ("outcome", "completed"), ("provider", "sip"))
    assert after["rapida_calls_ended_total"][completed] == 1
    assert after["rapida_calls_refused_total"][("why", "calls_per_second"),] >= 1
    assert after["rapida_rtp_packets_received_total"][()] > 20
    assert after["rapida_rtp_packets_lost_total"][()] == 0
    direction = ("direction", "inbound")
    assert after["rapida_call_set_up_seconds_bucket"][direction, ("le", "+Inf")] == 1
    assert after["rapida_call_set_up_seconds_count"][direction,] == 1
    assert 0 < after["rapida_call_duration_seconds_sum"][()] < 60
    assert after["rapida_rtp_jitter_seconds_count"][()] == 1
    assert after["rapida_tick_lateness_seconds_count"][()] > 50
    carrier = (("trunk", "carrier"),)
    for name in ("registered", "reachable"):
        assert after[f"rapida_trunk_{name}"] == {carrier: 0}
    assert after["rapida_trunk_resolved"] == {carrier: 1}
    records = ("store", "records")
    assert after["rapida_store_up"] == {(records,): 1}
    assert after["rapida_store_seconds_count"][records,] >= 1
    assert after["rapida_records_waiting"][()] == 0
    assert after["rapida_sip_events_total"][("event", "unparsable_messages"),] == 1
    assert after["rapida_draining"][()] == 0
    assert "process_open_fds" in after
    await stores.close()


async def test_failures_are_counted_by_class_and_reason(bench: Bench, tmp_path: Path) -> None:
    engine = await bench.start()
    stores = Stores(StoreConfig(records=tmp_path / "calls.db"))
    await stores.open(engine.journal)
    metrics = Metrics(engine, stores)
    phone = await bench.phone()
    await phone.call()
    await engine.stop()
    bench._engines.clear()
    await eventually(lambda: not engine.journal.live)
    failed = read(metrics)["rapida_calls_failed_total"]
    assert failed == {(("class", "engine"), ("reason", "engine_stopping")): 1}
    assert read(metrics)["rapida_draining"][()] == 1
    await stores.close()


async def test_the_dashboard_asks_for_nothing_that_is_not_there(
    bench: Bench, tmp_path: Path
) -> None:
    engine = await bench.start(TRUNK)
    stores = Stores(StoreConfig(records=tmp_path / "calls.db"))
    text = Metrics(engine, stores).render().decode()
    there = {
        name
        for family in text_string_to_metric_families(text)
        for name in (family.name, f"{family.name}_total", f"{family.name}_bucket")
    }
    dashboard = json.loads((DOCS / "grafana.json").read_text())
    asked = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"\b(?:rapida|process)_[a-z_]+", target["expr"])
    }
    asked |= set(re.findall(r"\brapida_[a-z_]+", (DOCS / "operations.md").read_text()))
    assert len(asked) > 15
    assert asked <= there, asked - there


async def test_bots_are_measured_by_assistant(bench: Bench, tmp_path: Path) -> None:
    server = BotServer()
    await server.start()
    config = f'[assistants.helper]\nagent = "websocket:{server.url}"\n'
    engine = await bench.start(
        config + '[assistants.lost]\nagent = "websocket:ws://127.0.0.1:9/"\n'
    )
    stores = Stores(StoreConfig(records=tmp_path / "calls.db"))
    await stores.open(engine.journal)
    metrics = Metrics(engine, stores)
    phone = await bench.phone()
    call, lost = await phone.call("helper"), await phone.call("lost")
    await server.line()
    answer(lost, await lost.hung_up())
    during = read(metrics)
    helper = ("bot", "helper")
    assert during["rapida_bot_connections_active"] == {(helper,): 1, (("bot", "lost"),): 0}
    assert during["rapida_bot_connect_seconds_count"][(helper,)] == 1
    events = during["rapida_bot_events_total"]
    assert events[(helper, ("event", "connected"))] == 1
    assert events[(("bot", "lost"), ("event", "unreachable"))] == 1
    assert events[(("bot", "lost"), ("event", "fallbacks"))] == 1
    await call.bye()
    await bench.idle()
    failed = read(metrics)["rapida_calls_failed_total"]
    assert failed == {(("class", "agent"), ("reason", "bot_unreachable")): 1}
    await stores.close()
    await server.close()
