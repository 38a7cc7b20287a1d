"""L16 byte order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.kernels import swap16


@given(st.binary(max_size=2000).map(lambda data: data[: len(data) // 2 * 2]))
def test_network_order_becomes_host_order_and_back(data):
    assert swap16(data) == np.frombuffer(data, ">i2").astype("<i2").tobytes()
    assert swap16(swap16(data)) == data


def test_a_long_piece_and_any_buffer_at_any_alignment_are_taken():
    data = bytes(range(256)) * 1000
    expected = np.frombuffer(data, "<u2").byteswap().tobytes()
    assert swap16(data) == expected
    assert swap16(memoryview(b"\0" + data)[1:]) == expected
    assert swap16(b"") == b""


def test_an_array_in_network_order_is_taken_for_its_octets():
    samples = np.arange(-500, 500)
    assert swap16(samples.astype(">i2")) == samples.astype("<i2").tobytes()
    assert swap16(samples.astype("<i2")) == samples.astype(">i2").tobytes()


def test_half_a_sample_is_refused():
    with pytest.raises(ValueError, match="expected whole 16-bit samples, got 3 octets"):
        swap16(b"abc")
