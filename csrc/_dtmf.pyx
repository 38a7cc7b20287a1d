# cython: always_allow_keywords=True
"""DTMF detection on s16le mono PCM, for agents and legs without telephone-event."""

from libc.stdint cimport int16_t, uint32_t, uint64_t

from octets cimport LONG_INPUT, pcm_octets, samples_of


cdef extern from "dtmf.h" nogil:
    ctypedef struct rm_dtmf:
        pass
    ctypedef struct rm_dtmf_digit:
        char symbol
        uint64_t start
        uint64_t samples
    void rm_dtmf_init(rm_dtmf *state, uint32_t rate_hz)
    size_t rm_dtmf_push(rm_dtmf *state, const int16_t *pcm, size_t n, rm_dtmf_digit *digit)


cdef class DtmfDetector:
    """Finds DTMF digits in a stream within the limits of ITU-T Q.24; 8000 or 16000 Hz.

    Tones of 40 ms or more, within 1.5 % of nominal, 0 to -25 dBm0 each, the column's at most 4 dB
    above and 8 dB below the row's, at 12 dB of signal to noise, interrupted for 10 ms at most.
    ValueError for another rate.
    """

    cdef rm_dtmf _state
    cdef readonly int rate_hz

    def __cinit__(self, int rate_hz=16000):
        if rate_hz not in (8000, 16000):
            raise ValueError(f"expected 8000 or 16000 Hz, got {rate_hz}")
        self.rate_hz = rate_hz
        rm_dtmf_init(&self._state, rate_hz)

    def reset(self):
        """Forget what was pushed, a digit being heard included; positions start at 0 again."""
        rm_dtmf_init(&self._state, self.rate_hz)

    def push(self, pcm):
        """Take the next PCM and return the digits that ended in it.

        Each is (symbol of 0-9 * # A-D, its first sample since the start, its length in ms), both
        to about 3 ms. A digit is known to have ended 35 ms after it did. Any whole number of
        samples; the result does not depend on where the stream was cut. ValueError for half a
        sample.
        """
        cdef bytes samples = pcm_octets(pcm)
        cdef size_t n = <size_t>len(samples) // 2
        cdef rm_dtmf state
        if 2 * n < LONG_INPUT:
            return self._search(&self._state, samples_of(samples), n, False)
        # On a copy: a second thread that pushes meanwhile finds poor digits, but no foreign memory.
        state = self._state
        digits = self._search(&state, samples_of(samples), n, True)
        self._state = state
        return digits

    cdef list _search(self, rm_dtmf *state, const int16_t *source, size_t n, bint without_gil):
        cdef size_t at = 0
        cdef rm_dtmf_digit digit
        digits = []
        while at < n:
            if without_gil:
                with nogil:
                    at += rm_dtmf_push(state, source + at, n - at, &digit)
            else:
                at += rm_dtmf_push(state, source + at, n - at, &digit)
            if digit.symbol:
                length_ms = round(digit.samples * 1000 / self.rate_hz)
                digits.append((chr(digit.symbol), digit.start, length_ms))
        return digits
