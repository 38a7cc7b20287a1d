# cython: always_allow_keywords=True
"""Loss concealment and comfort noise on s16le mono PCM: for tests, benchmarks and other users.

The packet path calls the same C functions inside the stream kernel.
"""

from libc.stdint cimport int16_t, uint8_t, uint32_t
from libc.string cimport memcpy

from octets cimport new_octets, new_samples, octets, octets_of, pcm_octets, samples_of


cdef extern from "conceal.h" nogil:
    ctypedef struct rm_comfort_noise:
        pass
    ctypedef struct rm_conceal:
        pass
    cdef enum:
        RM_COMFORT_NOISE_ORDER
    void rm_comfort_noise_init(rm_comfort_noise *cn)
    bint rm_comfort_noise_receive(rm_comfort_noise *cn, const uint8_t *payload, size_t octets)
    void rm_comfort_noise_read(rm_comfort_noise *cn, int16_t *out, size_t n)
    size_t rm_comfort_noise_describe(const int16_t *pcm, size_t n, int order, uint8_t *payload)
    void rm_conceal_init(rm_conceal *c, uint32_t rate_hz)
    void rm_conceal_heard(rm_conceal *c, int16_t *pcm, size_t n)
    void rm_conceal_extrapolate(rm_conceal *c, int16_t *out, size_t n)
    void rm_conceal_bridge(
        rm_conceal *c, int16_t *out, size_t n, const int16_t *ahead, size_t n_ahead)
    bint rm_conceal_active(const rm_conceal *c)


cdef class Concealer:
    """Fills what is missing in a stream of speech; 8000 or 16000 Hz, else ValueError.

    Like G.711 Appendix I, but without its delay, and from both sides of a gap where both are here.
    Every sample of the stream passes through `heard`, `extrapolate` or `bridge`, in its order.
    """

    cdef rm_conceal _state
    cdef readonly int rate_hz

    def __cinit__(self, int rate_hz=8000):
        if rate_hz not in (8000, 16000):
            raise ValueError(f"expected 8000 or 16000 Hz, got {rate_hz}")
        self.rate_hz = rate_hz
        rm_conceal_init(&self._state, rate_hz)

    def reset(self):
        """Forget what was heard; the next sample starts a new stream."""
        rm_conceal_init(&self._state, self.rate_hz)

    @property
    def active(self):
        """Whether the last sample was a concealed one."""
        return rm_conceal_active(&self._state)

    def heard(self, pcm):
        """Take real samples, any number, and return them as they are to be played.

        They come back unchanged, but for the first 2 ms after `extrapolate`, which are
        cross-faded. ValueError for half a sample.
        """
        cdef bytes given = pcm_octets(pcm)
        cdef bytes played = new_octets(len(given))
        memcpy(<void *>octets_of(played), octets_of(given), len(given))
        rm_conceal_heard(&self._state, <int16_t *>samples_of(played), len(played) // 2)
        return played

    def extrapolate(self, Py_ssize_t samples):
        """Return so many missing samples when nothing later is here; may be called again.

        They fade from 15 ms to 115 ms into comfort noise like the background.
        """
        cdef bytes made = new_samples(samples)
        rm_conceal_extrapolate(&self._state, <int16_t *>samples_of(made), samples)
        return made

    def bridge(self, Py_ssize_t samples, ahead):
        """Return exactly so many missing samples, after which the PCM `ahead` will be heard.

        20 to 40 ms of it are of use; under 5 ms count as none. ValueError for half a sample.
        """
        cdef bytes made = new_samples(samples)
        cdef bytes later = pcm_octets(ahead)
        cdef int16_t *out = <int16_t *>samples_of(made)
        rm_conceal_bridge(&self._state, out, samples, samples_of(later), len(later) // 2)
        return made


cdef class ComfortNoise:
    """Noise as RFC 3389 payloads describe it; white at -75 dBov until the first one."""

    cdef rm_comfort_noise _state

    def __cinit__(self):
        rm_comfort_noise_init(&self._state)

    def receive(self, payload):
        """Take level and spectrum from a payload; return False for an empty one."""
        cdef bytes given = octets(payload)
        return rm_comfort_noise_receive(&self._state, octets_of(given), len(given))

    def read(self, Py_ssize_t samples):
        """Return the next samples of it, s16le."""
        cdef bytes made = new_samples(samples)
        rm_comfort_noise_read(&self._state, <int16_t *>samples_of(made), samples)
        return made


def describe_noise(pcm, int order=0):
    """Return the RFC 3389 payload of this sound: its level, and `order` reflection coefficients.

    order: 0 to 10, else ValueError. Of the PCM (s16le) the level and spectrum of the newest 1024
    samples count; none at all is silence.
    """
    if not 0 <= order <= RM_COMFORT_NOISE_ORDER:
        raise ValueError(f"expected an order of 0 to {RM_COMFORT_NOISE_ORDER}, got {order}")
    cdef bytes given = pcm_octets(pcm)
    cdef bytes payload = new_octets(1 + order)
    rm_comfort_noise_describe(
        samples_of(given), len(given) // 2, order, <uint8_t *>octets_of(payload))
    return payload
