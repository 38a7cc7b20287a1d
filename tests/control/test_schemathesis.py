"""The running server against its own description, by a tool that wants to find a difference."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

from engine.serving import serving

from rapida_media.demo.engine import environment

from .conftest import Desk

KEY = "0123456789abcdef"
CONFIG = f"""
[sip]
listen = ["udp:127.0.0.1:0"]
dial_hosts = ["127.0.0.1"]
[rtp]
ports = "34000-34200"
[store]
recordings = "recordings"
[http]
api_keys = ["{KEY}"]
requests_per_second = 10000
[limits]
drain_seconds = 0.5
[assistants.support]
agent = "silence"
[assistants.callee]
agent = "silence"
"""
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance,negative_data_rejection,unsupported_method,"
    "missing_required_header,response_headers_conformance,ignored_auth"
)


async def test_no_answer_is_undocumented_or_our_fault(desk: Desk, tmp_path: Path) -> None:
    async with serving(tmp_path, CONFIG) as server:
        (line,) = server.logged("listening for HTTP on")
        desk.url = f"http://{line.rpartition(' ')[2]}"
        address = server.address()
        status, accepted = await desk.post(
            "/v1/calls",
            {"assistant": "support", "to": f"sip:callee@{address.host}:{address.port}"},
            headers={"X-API-Key": KEY},
        )
        assert status == 202
        # A live call in every path: what is tried gets past "there is no such call".
        (tmp_path / "schemathesis.toml").write_text(
            f'[parameters]\n"path.id" = "{accepted["call_id"]}"\n'
        )
        done = await run(tmp_path, desk.url)
        desk.url = ""
        server.signal()
        assert await server.ended() == 0
    found = re.search(r"Tested: (\d+)", done.stdout)
    assert done.returncode == 0, done.stdout
    assert found is not None
    assert int(found[1]) >= 16


async def run(folder: Path, url: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [
            sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml",
            "run", f"{url}/openapi.json", "--header", f"X-API-Key: {KEY}",
            "--exclude-path-regex", "/(events|hangup)$", "--checks", CHECKS,
            "--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--seed", "1",
            "--generation-database", "none", "--no-color",
        ],
        cwd=folder, env=environment(), text=True, capture_output=True, timeout=100, check=False,
    )  # fmt: skip
