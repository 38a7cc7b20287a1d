# cython: always_allow_keywords=True
"""Streaming sample rate conversion of s16le mono PCM, for whoever holds frames in Python.

The packet path calls the same C functions inside the stream kernel.
"""

from libc.stdint cimport int16_t

from octets cimport new_octets, pcm_octets, samples_of


cdef extern from "resample.h" nogil:
    ctypedef struct rm_up2:
        pass
    ctypedef struct rm_down2:
        unsigned int position
    void rm_up2_reset(rm_up2 *state)
    void rm_down2_reset(rm_down2 *state)
    void rm_up2_push(rm_up2 *state, const int16_t *pcm, size_t n, int16_t *out)
    size_t rm_down2_push(rm_down2 *state, const int16_t *pcm, size_t n, int16_t *out)


cdef class Resampler:
    """A stream's converter from one rate to another, 8000 to 16000 Hz or back.

    State is kept from push to push: the output does not depend on where the input was cut, and
    20 ms in give 20 ms out from the first push on. ValueError for another pair of rates.
    """

    cdef rm_up2 _up
    cdef rm_down2 _down
    cdef readonly int from_hz
    cdef readonly int to_hz

    def __cinit__(self, int from_hz, int to_hz):
        if (from_hz, to_hz) not in ((8000, 16000), (16000, 8000)):
            raise ValueError(f"expected 8000 to 16000 Hz or back, got {from_hz} to {to_hz}")
        self.from_hz = from_hz
        self.to_hz = to_hz
        self.reset()

    @property
    def delay_ms(self):
        """How much later the output is than the input: 39 samples of 16 kHz, constant."""
        return 39 / 16.0

    def reset(self):
        """Forget what was pushed; the next push starts a new stream."""
        rm_up2_reset(&self._up)
        rm_down2_reset(&self._down)

    def push(self, pcm):
        """Convert s16le mono PCM of any whole number of samples and return what that gives.

        After N samples exactly ceil(N * to_hz / from_hz) have been returned. ValueError for half
        a sample.
        """
        cdef bytes samples = pcm_octets(pcm)
        cdef size_t n = <size_t>len(samples) // 2
        cdef bytes out
        if self.to_hz == 16000:
            out = new_octets(4 * n)
            rm_up2_push(&self._up, samples_of(samples), n, <int16_t *>samples_of(out))
        else:
            out = new_octets(2 * ((n + 1 - self._down.position) // 2))
            rm_down2_push(&self._down, samples_of(samples), n, <int16_t *>samples_of(out))
        return out
