"""``rapida-media simulate exotel`` against ``rapida-media serve``, as a user runs them."""

from __future__ import annotations

from pathlib import Path

from providers.commands import check_a_webhook_and_an_order
from recorded_exotel import TOKEN
from simulated_exotel import KEYS


async def test_it_calls_a_webhook_and_takes_an_order_by_a_flow(tmp_path: Path) -> None:
    more = '\nusername = "rapida"\npassword = "s3cret"\naddresses = "127.0.0.1"\napp_id = "7"'
    await check_a_webhook_and_an_order(
        tmp_path, "exotel", KEYS + more, rate_hz=16_000, error="the webhook failed",
        tail=f"/{TOKEN}",
    )  # fmt: skip
