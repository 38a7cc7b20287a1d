"""The measured process of the load test: where it listens."""

from __future__ import annotations

import socket

import pytest

from rapida_media.demo.ports import free_port


def test_a_port_that_somebody_has_for_tcp_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []

    class OnceTaken(socket.socket):
        def bind(self, address: tuple[str, int]) -> None:  # type: ignore[override]
            if self.type == socket.SOCK_STREAM and not taken:
                taken.append(address[1])
                raise OSError("somebody listens there")
            super().bind(address)

    monkeypatch.setattr(socket, "socket", OnceTaken)
    port = free_port()
    assert taken
    assert port not in {0, *taken}
