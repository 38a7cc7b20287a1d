"""The compiled resamplers against their definition, their figures and any chunking."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from resample_spec import Conversion, sinad_db

from rapida_media.kernels import Resampler, ulaw_decode
from rapida_media.kernels._resample import _force_variant, variants

UP = Conversion(8000, 16000, "telephony")
DOWN = Conversion(16000, 8000, "telephony")
RATES_HZ = (8000, 16000, 24000, 32000, 48000)
ALL = [
    Conversion(a, b, profile)
    for a in RATES_HZ
    for b in RATES_HZ
    if a != b
    for profile in ("telephony" if 8000 in (a, b) else "wideband", "low_delay")
]
LINEAR = [conversion for conversion in ALL if conversion.profile != "low_delay"]
SAMPLES = st.binary(max_size=1500).map(lambda data: data[: len(data) & ~1])


def name(conversion: Conversion) -> str:
    return f"{conversion.from_hz}-{conversion.to_hz}-{conversion.profile}"


def every(conversions):
    return pytest.mark.parametrize("conversion", conversions, ids=name)


@pytest.fixture(params=variants())
def variant(request):
    _force_variant(request.param)
    yield request.param
    _force_variant(None)


def new(conversion: Conversion) -> Resampler:
    return Resampler(conversion.from_hz, conversion.to_hz, conversion.profile)


def noise(samples: int, seed: int = 1) -> bytes:
    return np.random.default_rng(seed).integers(-32768, 32768, samples).astype("<i2").tobytes()


def sine(hz: float, rate_hz: int, seconds: float, amplitude: float = 32000.0) -> bytes:
    angle = 2 * np.pi * hz / rate_hz * np.arange(int(seconds * rate_hz))
    return np.round(amplitude * np.sin(angle)).astype("<i2").tobytes()


def pcm(data: bytes) -> np.ndarray:
    return np.frombuffer(data, "<i2")


def specified(conversion: Conversion, data: bytes) -> bytes:
    return np.array(conversion.resample([int(s) for s in pcm(data)]), "<i2").tobytes()


def in_pieces(resampler: Resampler, data: bytes, sizes: list[int]) -> bytes:
    """Push pieces of these numbers of samples, and then the rest."""
    out, at = [], 0
    for size in [*sizes, len(data)]:
        out.append(resampler.push(data[at : at + 2 * size]))
        at += 2 * size
    return b"".join(out)


@every(ALL)
def test_the_output_is_the_convolution_with_the_checked_in_taps(conversion, variant):
    data = noise(601)
    assert new(conversion).push(data) == specified(conversion, data)


@every(ALL)
def test_the_loudest_input_the_taps_can_meet_clips_and_does_not_wrap(conversion, variant):
    """Full scale with the signs of a phase's taps: the largest sum, 2.5 times full scale."""
    worst = b""
    for phase in range(conversion.up):
        taps = np.array(conversion.taps()[phase :: conversion.up][::-1])
        for signs in (taps >= 0, taps < 0):
            worst += np.where(signs, 32767, -32768).astype("<i2").tobytes()
    peaks = set()
    for lead in range(conversion.down):  # one of them puts an output on each signal's last sample
        data = bytes(2 * lead) + worst
        out = new(conversion).push(data)
        assert out == specified(conversion, data)
        peaks |= {max(pcm(out)), min(pcm(out))}
    assert peaks >= {32767, -32768}


@every(ALL)
@pytest.mark.parametrize("seed", range(3))
def test_every_variant_and_chunking_gives_the_same_samples(conversion, variant, seed):
    data = noise(4001, seed)
    sizes = np.random.default_rng(seed).integers(0, 700, 20).tolist()
    chunked = in_pieces(new(conversion), data, sizes)
    _force_variant("scalar")
    assert chunked == new(conversion).push(data)


@every([UP, DOWN, Conversion(24000, 16000, "wideband"), Conversion(24000, 32000, "low_delay")])
@given(data=SAMPLES, sizes=st.lists(st.integers(0, 200), max_size=20))
def test_the_output_does_not_depend_on_where_the_input_was_cut(conversion, data, sizes):
    assert in_pieces(new(conversion), data, sizes) == new(conversion).push(data)


@every(LINEAR)
@given(st.lists(st.integers(0, 700), max_size=12))
def test_after_any_pushes_the_number_of_samples_is_exact(conversion, sizes):
    resampler = new(conversion)
    given_out = sum(len(resampler.push(bytes(2 * size))) // 2 for size in sizes)
    assert given_out == -(-sum(sizes) * conversion.to_hz // conversion.from_hz)


@every(ALL)
def test_every_20_ms_give_20_ms_from_the_first_push_on(conversion):
    resampler = new(conversion)
    lengths = {len(resampler.push(noise(conversion.from_hz // 50, n))) for n in range(20)}
    assert lengths == {conversion.to_hz // 25}


@every(LINEAR)
def test_a_reset_resampler_behaves_as_a_new_one(conversion):
    used = new(conversion)
    used.push(noise(333))
    used.reset()
    assert used.push(noise(500, 2)) == new(conversion).push(noise(500, 2))


@every(LINEAR)
def test_a_constant_stays_the_same_constant(conversion):
    for value in (0, 8, -8, 1, 32767, -32768):
        out = pcm(new(conversion).push(np.full(800, value, "<i2").tobytes()))
        assert set(out[300 * conversion.up // conversion.down :]) == {value}


@every(ALL)
def test_the_band_is_flat_and_everything_else_rejected(conversion):
    passed_hz, stopped_hz = conversion.edges_hz
    highest_hz = conversion.factor * conversion.lower_hz / 2
    passed = conversion.response_db(np.linspace(0, passed_hz, 3401))
    stopped = conversion.response_db(np.linspace(stopped_hz, highest_hz, 6801))
    assert max(abs(passed)) <= 0.005
    assert max(stopped) <= (-90 if conversion.profile == "low_delay" else -96)


@every(ALL)
@pytest.mark.parametrize("hz", [300.3, 1000.7, 3000.3])
def test_a_full_scale_tone_stands_far_above_all_that_was_added(conversion, hz):
    out = pcm(new(conversion).push(sine(hz, conversion.from_hz, 0.5)))
    assert sinad_db(out[400:].astype(float), hz, conversion.to_hz) >= (
        90 if conversion.profile == "low_delay" else 93
    )


@every([conversion for conversion in LINEAR if conversion.to_hz < conversion.from_hz])
def test_what_would_alias_into_the_band_vanishes(conversion):
    for part in (0.001, 0.3, 0.7, 0.99):
        first, last = conversion.edges_hz[1], conversion.from_hz / 2
        out = pcm(
            new(conversion).push(sine(first + part * (last - first), conversion.from_hz, 0.2))
        )
        assert max(abs(out[400:])) <= 1


@every(LINEAR)
@pytest.mark.parametrize("hz", [300.0, 1000.0, 3300.0])
def test_the_delay_is_the_declared_one_at_every_frequency(conversion, hz):
    resampler = new(conversion)
    assert resampler.delay_ms <= (2.5 if conversion.lower_hz == 8000 else 1.5)
    out = pcm(resampler.push(sine(hz, conversion.from_hz, 0.2))).astype(float)
    time = np.arange(len(out)) / conversion.to_hz - resampler.delay_ms / 1000
    wanted = 32000 * np.sin(2 * np.pi * hz * time)
    assert max(abs(out - wanted)[400:]) < 4


@every([conversion for conversion in ALL if conversion.profile == "low_delay"])
def test_low_delay_is_below_a_third_of_a_millisecond_at_1_khz(conversion):
    """Measured as the shift of the envelope of a slowly rising and falling tone."""
    assert new(conversion).delay_ms <= 0.3
    count = np.arange(conversion.from_hz // 5)
    envelope = np.exp(-(((count / conversion.from_hz - 0.1) / 0.02) ** 2))
    tone = 30000 * envelope * np.sin(2 * np.pi * 1000 * count / conversion.from_hz)
    out = pcm(new(conversion).push(np.round(tone).astype("<i2").tobytes())).astype(float)
    energy = out**2
    centre_ms = np.sum(energy * np.arange(len(out))) / np.sum(energy) / conversion.to_hz * 1000
    assert -0.005 < centre_ms - 100 <= 0.3


@pytest.mark.parametrize(
    ("conversion", "digest"),
    [
        (UP, "9ed106f64a778cca64a36176f2fe2537ce2c8f233ab58806fd894d66ea799034"),
        (DOWN, "e211b3bca0be40d3ba55e99a63182f7f61eeafaae2ddc934cfadadb45ec437fe"),
    ],
)
def test_8_and_16_khz_give_the_samples_that_recordings_were_made_with(variant, conversion, digest):
    """The data plane's conversions are final: new tables must not change a single sample."""
    codes = bytes((i * i * 31 + i * 7) & 255 for i in range(8000))
    assert sha256(new(conversion).push(ulaw_decode(codes))).hexdigest() == digest


def test_there_and_back_is_the_signal_39_samples_later():
    data = sine(1000.0, 8000, 0.5, 20000)
    back = pcm(new(DOWN).push(new(UP).push(data)))
    assert max(abs(back[100:].astype(int) - pcm(data)[61:-39])) <= 2


@every([UP, DOWN])
def test_8_and_16_khz_are_the_delay_the_data_plane_counts_on(conversion):
    assert new(conversion).delay_ms == 2.4375


def test_a_push_into_a_buffer_writes_what_push_returns_and_no_more():
    data, room = noise(300), bytearray(b"?" * 1210)
    assert new(UP).push_into(data, room) == 1200
    assert room == new(UP).push(data) + b"?" * 10


@pytest.mark.parametrize(
    ("room", "why"),
    [
        (bytearray(1199), "expected room for 1200 octets, got 1199"),
        (memoryview(bytearray(1300))[1:], "expected 16-bit samples at an even address"),
    ],
)
def test_a_buffer_that_does_not_do_is_refused_and_nothing_changes(room, why):
    resampler = new(UP)
    with pytest.raises(ValueError, match=why):
        resampler.push_into(noise(300), room)
    assert not any(room)
    assert resampler.push(noise(300)) == new(UP).push(noise(300))
    with pytest.raises(BufferError):
        resampler.push_into(noise(300), bytes(1200))


@every([UP, DOWN])
def test_half_a_sample_is_refused_and_changes_nothing(conversion):
    resampler, fresh = new(conversion), new(conversion)
    for each in (resampler, fresh):
        each.push(noise(101))
    with pytest.raises(ValueError, match="expected whole 16-bit samples, got 5 octets"):
        resampler.push(b"12345")
    assert resampler.push(noise(50, 3)) == fresh.push(noise(50, 3))


def test_floats_are_refused_and_change_nothing():
    resampler = new(UP)
    with pytest.raises(TypeError, match="expected PCM as octets or int16"):
        resampler.push(np.ones(300, np.float32))
    assert resampler.push(noise(300)) == new(UP).push(noise(300))


@pytest.mark.parametrize(
    ("from_hz", "to_hz", "profile", "why"),
    [
        (8000, 16000, "wideband", "no wideband conversion from 8000 to 16000 Hz"),
        (16000, 24000, "telephony", "no telephony conversion from 16000 to 24000 Hz"),
        (16000, 16000, None, "no wideband conversion from 16000 to 16000 Hz"),
        (44100, 16000, "low_delay", "no low_delay conversion from 44100 to 16000 Hz"),
        (8000, 16000, "hifi", "expected a profile of telephony, wideband, low_delay, got 'hifi'"),
    ],
)
def test_a_profile_that_does_not_go_with_the_rates_is_refused(from_hz, to_hz, profile, why):
    with pytest.raises(ValueError, match=why):
        Resampler(from_hz, to_hz, profile)


def test_an_unknown_variant_is_refused():
    with pytest.raises(ValueError, match=r"expected one of scalar, .*, got 'mmx'"):
        _force_variant("mmx")
