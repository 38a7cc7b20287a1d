# cython: always_allow_keywords=True
"""ITU-T G.722 on octets: for recordings, tests and callers who hold a payload in Python.

The packet path calls the same C functions inside the stream kernel. PCM is s16le mono at 16 kHz.
"""

from libc.stdint cimport int16_t, uint8_t

from octets cimport LONG_INPUT, new_octets, octets, octets_of, pcm_octets, samples_of


cdef extern from "g722.h" nogil:
    ctypedef struct rm_g722_encoder:
        pass
    ctypedef struct rm_g722_decoder:
        pass
    void rm_g722_encoder_reset(rm_g722_encoder *state)
    void rm_g722_decoder_reset(rm_g722_decoder *state)
    void rm_g722_encode(rm_g722_encoder *state, const int16_t *pcm, uint8_t *out, size_t n)
    void rm_g722_decode(rm_g722_decoder *state, const uint8_t *codes, int16_t *out, size_t n)


cdef class G722Encoder:
    """One stream's encoder, 64 kbit/s mode 1.

    RTP timestamps of G.722 count octets, not samples: 8000 a second although sampled at 16000,
    160 for 20 ms. RFC 3551 section 4.5.2.
    """

    cdef rm_g722_encoder _state

    def __cinit__(self):
        rm_g722_encoder_reset(&self._state)

    def reset(self):
        """Forget what was encoded; the next octet starts a new stream."""
        rm_g722_encoder_reset(&self._state)

    def encode(self, pcm16k):
        """Encode s16le mono PCM at 16 kHz: one octet per two samples, 160 octets per 20 ms.

        Any even number of samples; the codes do not depend on where the PCM was cut. ValueError
        for an odd number, with nothing encoded.
        """
        cdef bytes pcm = pcm_octets(pcm16k)
        if len(pcm) & 3:
            raise ValueError(f"expected an even number of samples, got {len(pcm) // 2}")
        cdef Py_ssize_t n = len(pcm) // 4
        cdef bytes codes = new_octets(n)
        cdef const int16_t *source = samples_of(pcm)
        cdef uint8_t *target = <uint8_t *>octets_of(codes)
        cdef rm_g722_encoder state
        if len(pcm) < LONG_INPUT:
            rm_g722_encode(&self._state, source, target, n)
            return codes
        # On a copy: a second thread that encodes meanwhile gets poor sound, and no foreign memory.
        state = self._state
        with nogil:
            rm_g722_encode(&state, source, target, n)
        self._state = state
        return codes


cdef class G722Decoder:
    """One stream's decoder, 64 kbit/s mode 1. See the encoder about RTP timestamps."""

    cdef rm_g722_decoder _state

    def __cinit__(self):
        rm_g722_decoder_reset(&self._state)

    def reset(self):
        """Forget what was decoded; the next octet starts a new stream."""
        rm_g722_decoder_reset(&self._state)

    def decode(self, payload):
        """Decode octets to s16le mono PCM at 16 kHz, two samples per octet, the first from the first.

        Any number of octets of any value. The PCM is 22 samples (1.4 ms) later than what was
        encoded: eleven in each of the two mirror filters.
        """
        cdef bytes codes = octets(payload)
        cdef Py_ssize_t n = len(codes)
        cdef bytes pcm = new_octets(4 * n)
        cdef const uint8_t *source = octets_of(codes)
        cdef int16_t *target = <int16_t *>samples_of(pcm)
        cdef rm_g722_decoder state
        if n < LONG_INPUT:
            rm_g722_decode(&self._state, source, target, n)
            return pcm
        state = self._state  # as in the encoder
        with nogil:
            rm_g722_decode(&state, source, target, n)
        self._state = state
        return pcm
