"""Streaming sample rate conversion of s16le mono PCM, for whoever holds frames in Python.

The packet path calls the same C functions inside the stream kernel.
"""

from cpython.buffer cimport PyBuffer_Release
from libc.stdint cimport int16_t

from octets cimport LONG_INPUT, borrow, new_octets, pcm_octets, samples_of
from simd cimport rm_simd, variant_called, variant_names


cdef extern from "resample.h" nogil:
    ctypedef enum rm_profile:
        RM_TELEPHONY
        RM_WIDEBAND
        RM_LOW_DELAY
    ctypedef struct rm_fir_plan:
        double delay_ms
    ctypedef struct rm_resampler:
        rm_fir_plan plan
    bint rm_resampler_init(rm_resampler *state, int from_hz, int to_hz, rm_profile profile)
    void rm_resampler_reset(rm_resampler *state)
    size_t rm_resampler_outputs(const rm_resampler *state, size_t n)
    size_t rm_resampler_push(rm_resampler *state, const int16_t *pcm, size_t n, int16_t *out)
    void rm_resample_use(rm_simd variant)


cdef dict PROFILES = {
    "telephony": RM_TELEPHONY, "wideband": RM_WIDEBAND, "low_delay": RM_LOW_DELAY
}


cdef class Resampler:
    """A stream's converter from one sample rate to another.

    profile: "telephony" passes 0-3.4 kHz and rejects from 4.6 kHz, when 8 kHz is at one end;
    "wideband" passes 0-7 kHz and rejects from 9 kHz (in proportion above, when the lower rate is
    24 or 32 kHz), when it is not; "low_delay" is either with minimum phase. None: the first that
    fits. ValueError for a profile that does not go with the rates.

    The rates 8, 16, 24, 32 and 48 kHz convert here; any other pair takes the package samplerate
    and no profile. ImportError when that is missing.

    State is kept from push to push: the output does not depend on where the input was cut, and
    20 ms in give 20 ms out from the first push on.
    """

    cdef rm_resampler _state
    cdef object _other  # the converter of another pair of rates
    cdef readonly int from_hz
    cdef readonly int to_hz
    cdef readonly object profile

    def __cinit__(self, int from_hz, int to_hz, profile=None):
        if profile not in PROFILES and profile is not None:
            raise ValueError(f"expected a profile of {', '.join(PROFILES)}, got {profile!r}")
        wanted = profile or ("telephony" if 8000 in (from_hz, to_hz) else "wideband")
        self.from_hz = from_hz
        self.to_hz = to_hz
        if rm_resampler_init(&self._state, from_hz, to_hz, PROFILES[wanted]):
            self.profile = wanted
        elif profile is None and from_hz != to_hz:
            from rapida_media.kernels.other_rates import OtherRates
            self._other = OtherRates(from_hz, to_hz)
        else:
            raise ValueError(f"no {wanted} conversion from {from_hz} to {to_hz} Hz")

    @property
    def delay_ms(self):
        """How much later the output is than the input.

        The same at all frequencies, but for low_delay: there at an eighth of the lower rate.
        """
        return self._state.plan.delay_ms if self._other is None else self._other.delay_ms

    def reset(self):
        """Forget what was pushed; the next push starts a new stream."""
        if self._other is None:
            rm_resampler_reset(&self._state)
        else:
            self._other.reset()

    cdef inline void _run(self, const int16_t *pcm, size_t n, int16_t *out) noexcept:
        cdef rm_resampler state
        if 2 * n < LONG_INPUT:
            rm_resampler_push(&self._state, pcm, n, out)
            return
        # On a copy: a second thread that pushes meanwhile gets poor sound, but no foreign memory.
        state = self._state
        with nogil:
            rm_resampler_push(&state, pcm, n, out)
        self._state = state

    def push(self, pcm, /):
        """Convert s16le mono PCM of any whole number of samples and return what that gives.

        After N samples exactly ceil(N * to_hz / from_hz) have been returned. ValueError for half
        a sample.
        """
        cdef bytes samples = pcm_octets(pcm)
        if self._other is not None:
            return self._other.push(samples)
        cdef size_t n = <size_t>len(samples) // 2
        cdef bytes out = new_octets(2 * rm_resampler_outputs(&self._state, n))
        self._run(samples_of(samples), n, <int16_t *>samples_of(out))
        return out

    def push_into(self, pcm, out, /):
        """As push, into the start of a writable buffer of the caller's; return octets written.

        ValueError, and nothing changed, when it is too small or not aligned for 16-bit samples.
        It must not overlap the input. Rates converted elsewhere: LookupError.
        """
        if self._other is not None:
            raise LookupError(f"no push_into from {self.from_hz} to {self.to_hz} Hz; use push")
        cdef bytes samples = pcm_octets(pcm)
        cdef size_t n = <size_t>len(samples) // 2
        cdef Py_ssize_t size = 2 * rm_resampler_outputs(&self._state, n)
        cdef Py_buffer target
        borrow(out, &target, size, True)
        self._run(samples_of(samples), n, <int16_t *>target.buf)
        PyBuffer_Release(&target)
        return size


def variants():
    """Name the vector variants this machine can run, the best and default one last."""
    return variant_names()


def _force_variant(name):
    # For tests and the bench: use that variant in this module, None for the best one.
    rm_resample_use(variant_called(name))
