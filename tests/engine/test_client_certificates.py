"""A caller is known by its certificate, wherever it calls from: mutual TLS between two engines."""

from __future__ import annotations

import pytest
import trustme

from rapida_media.call.call import Call

from .conftest import Bench
from .waiting import eventually

CARRIER = """
[sip]
listen = ["tls:127.0.0.1:0"]
tls_certificate = "carrier.pem"
tls_key = "carrier.pem"
tls_client_ca = "ca.pem"
[trunks.customer]
hosts = ["sip.customer.invalid"]
"""
CUSTOMER = """
[sip]
listen = ["tls:127.0.0.1:0"]
tls_certificate = "customer.pem"
tls_key = "customer.pem"
tls_ca = "ca.pem"
[trunks.carrier]
hosts = ["127.0.0.1"]
proxy = "127.0.0.1:{port}"
transport = "tls"
"""


async def listen(call: Call) -> None:
    async for _ in call:
        pass


@pytest.mark.parametrize(
    ("name", "trunk"), [("sip.customer.invalid", "customer"), ("sip.other.invalid", None)]
)
async def test_the_name_in_a_certificate_says_whose_call_it_is(
    bench: Bench, name: str, trunk: str | None
) -> None:
    """Anybody on this machine may call; as the trunk only who proves its name (RFC 5922)."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(bench.folder / "ca.pem")
    for file, host in (("carrier", "127.0.0.1"), ("customer", name)):
        issued = authority.issue_cert(host)
        issued.private_key_and_cert_chain_pem.write_to_path(bench.folder / f"{file}.pem")
    carrier = await bench.start(CARRIER)
    port = bench.address("tls").port
    customer = await bench.start(CUSTOMER.format(port=port))
    call = await customer.dial_trunk("carrier", "+15550100", listen)
    await eventually(lambda: call.call.answered)
    (taken,) = carrier._calls.alive
    assert taken.info.trunk == trunk
    call.hang_up("enough")
    await call.finished
    await taken.finished
