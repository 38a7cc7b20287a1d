"""An engine with its HTTP interface, and a simulated platform that knows it by a public name."""

from __future__ import annotations

from typing import Any

from control.conftest import Desk
from engine.waiting import eventually

PUBLIC = "https://voice.example.com"


class Deployment:
    """account: the keys of the credential ``main``, as lines of TOML."""

    def __init__(self, platform: Any, desk: Desk, provider: str, account: str) -> None:
        self.platform = platform
        self.desk = desk
        self.provider = provider
        self.account = account
        self.webhook = f"{PUBLIC}/v1/talk/{provider}/call/support"

    async def start(self, agent: str = "echo", more: str = "") -> None:
        await self.desk.open(
            f'[http]\nlisten = "127.0.0.1:0"\npublic_url = "{PUBLIC}"\n'
            f'[credentials.main]\nprovider = "{self.provider}"\n{self.account}\n'
            f'allow = ["+1"]\napi_base = "{self.platform.api_base}"\n'
            f'[assistants.support]\nagent = "{agent}"\ncredential = "main"\n'
            f'numbers = ["+15005550006"]\n{more}'
        )
        self.platform.reach = self.reach

    def reach(self, url: str) -> str:
        scheme = "ws" if url.startswith("ws") else "http"
        return scheme + self.desk.url.removeprefix("http") + url.split("voice.example.com", 1)[1]

    def call(self, microphone: bytes = b"", query: str = "") -> Any:
        catch_all = f"{PUBLIC}/v1/talk/{self.provider}/event/support"
        return self.platform.call(
            self.webhook + query, microphone=microphone, status_callback=catch_all
        )

    async def record(self, call: Any) -> Any:
        """Give what the engine keeps of a call."""
        _, page = await self.desk.get(f"/v1/calls?provider={self.provider}&limit=200")
        return next(each for each in page["calls"] if each["provider_call_id"] == call.id)

    async def live_call(self) -> tuple[Any, str]:
        """Bring a call; give it, and the path of its resource, once it is in progress."""
        call = self.call()
        await call.streams()
        record = await self.record(call)
        await self.desk.until(record["id"], "in-progress")
        return call, f"/v1/calls/{record['id']}"

    async def ended_without_us(self, call: Any) -> Any:
        """Wait until the engine's part of a call is over, which may go on; give what is kept."""
        return await self.desk.until((await self.record(call))["id"], "completed")

    async def ended(self, call: Any) -> Any:
        await call.over()
        await self.idle()
        return await self.record(call)

    async def idle(self) -> None:
        await eventually(lambda: len(self.desk.bench.engine.provider_calls) == 0)

    async def order(self, to: str = "+14155550100") -> str:
        status, accepted = await self.desk.post("/v1/calls", {"assistant": "support", "to": to})
        assert status == 202, accepted
        call_id: str = accepted["call_id"]
        return call_id
