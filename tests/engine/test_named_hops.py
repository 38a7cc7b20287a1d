"""A proxy that put its name into the route and dies: another address of the name carries on."""

from __future__ import annotations

from rapida_media.call.call import Call

from .conftest import Bench
from .far_end import Callee


class Dns:
    """Knows ``proxy.example`` by two addresses, the one that is alive last."""

    async def naptr(self, name: str) -> tuple[float, list[object]]:
        return 60.0, []

    async def srv(self, name: str) -> tuple[float, list[object]]:
        return 60.0, []

    async def addresses(self, name: str) -> tuple[float, list[str]]:
        return 60.0, ["127.0.0.1", "127.0.0.2"] if name == "proxy.example" else []


async def listen(call: Call) -> None:
    async for _ in call:
        pass


async def test_the_bye_of_a_call_through_a_dead_proxy_goes_by_its_other_address(
    bench: Bench,
) -> None:
    engine = await bench.start()
    engine._resolver._dns = Dns()
    first = await Callee.open()
    second = await Callee.open("127.0.0.2", first.port)
    call = engine.dial(await first.target(), listen)
    route = ("Record-Route", f"<sip:proxy.example:{first.port};lr>")
    invite = await first.request("INVITE")
    first.respond(invite, 200, headers=[route], body=first.sdp())
    await first.request("ACK")
    first.close()
    call.hang_up("enough")
    bye = await second.request("BYE")
    assert bye.call_id == invite.call_id
    assert bye.header("Route") == route[1]
    second.respond(bye, 200)
    await call.finished
    await bench.idle()
    second.close()
