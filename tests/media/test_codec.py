"""Every codec behind the one interface: lengths from the first frame on, faithfulness, names."""

from __future__ import annotations

import subprocess
import sys

import pytest
from opus_peers import require_av
from speech_match import match

from rapida_media.errors import LocalProtocolError
from rapida_media.kernels import G722Decoder, G722Encoder, PayloadEncoder
from rapida_media.media import codec

require_av()

# octets per 20 ms (None: as many as the speech takes), and the least signal-to-noise ratio in dB
EXPECTED = {
    "PCMU": (160, 30),
    "PCMA": (160, 30),
    "G722": (160, 30),
    "L16/16000": (640, 90),
    "opus": (None, 10),
}


def test_the_table_of_codecs_is_complete():
    assert tuple(EXPECTED) == codec.CODECS


@pytest.mark.parametrize("name", codec.CODECS)
def test_each_frame_makes_one_payload_and_each_payload_one_frame_from_the_first_on(
    name, speech_frames
):
    encoder, decoder = codec.encoder(name), codec.decoder(name)
    octets, _ = EXPECTED[name]
    for frame in speech_frames:
        payload = encoder.encode(frame)
        assert payload
        assert len(payload) == (octets or len(payload))
        assert len(decoder.decode(payload)) == 640


@pytest.mark.parametrize("name", codec.CODECS)
def test_speech_comes_back(name, speech_frames):
    encoder, decoder = codec.encoder(name), codec.decoder(name)
    heard = b"".join(decoder.decode(encoder.encode(frame)) for frame in speech_frames)
    found = match(b"".join(speech_frames), heard)
    assert found.snr_db > EXPECTED[name][1]
    assert found.delay_ms < 8


def test_two_coders_of_one_name_share_no_state(speech_frames):
    alone, first, second = (codec.encoder("opus") for _ in range(3))
    for frame in speech_frames[:20]:
        second.encode(bytes(640))
        assert first.encode(frame) == alone.encode(frame)


def test_coders_of_the_kernels_fit_the_interface(speech_frames):
    coders: list[codec.AudioEncoder] = [G722Encoder(), PayloadEncoder("G722")]
    first, second = (coder.encode(speech_frames[0]) for coder in coders)
    assert first == second
    decoder: codec.AudioDecoder = G722Decoder()
    assert decoder.decode(first) == codec.decoder("G722").decode(first)


@pytest.mark.parametrize("name", ["G729", "OPUS", "opus/48000/2", ""])
def test_another_name_is_refused(name):
    for start in (codec.encoder, codec.decoder):
        with pytest.raises(LocalProtocolError):
            start(name)


def test_without_pyav_only_opus_is_missing_and_says_how_to_get_it():
    script = (
        "import sys; sys.modules['av'] = None\n"
        "from rapida_media.media import codec\n"
        "assert codec.decoder('G722').decode(codec.encoder('G722').encode(bytes(640)))\n"
        "for start in codec.encoder, codec.decoder:\n"
        "    try: start('opus')\n"
        "    except ImportError as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "Opus needs PyAV: pip install 'rapida-media[opus]'\n" * 2
