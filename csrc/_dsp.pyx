"""Mixing, level and tone on s16le mono PCM: for the mixer, the recorder and the tone agent."""

from libc.math cimport isnan
from libc.stdint cimport int16_t, int32_t
from libc.string cimport memcpy

from octets cimport new_octets, new_samples, octets_of, pcm_octets, samples_of


cdef extern from "dsp.h" nogil:
    ctypedef struct rm_tone:
        pass
    void rm_mix_add(int16_t *acc, const int16_t *pcm, size_t n)
    int rm_level_dbov(const int16_t *pcm, size_t n)
    void rm_gain_ramp(int16_t *pcm, size_t n, int32_t from_q15, int32_t to_q15)
    void rm_tone_init(rm_tone *tone, double rate_hz, double hz, double level_dbov)
    void rm_tone_read(rm_tone *tone, int16_t *out, size_t n)


def level_dbov(pcm):
    """Return the level in dBov: 0 for a full-scale square wave, -127 for silence. RFC 6464."""
    cdef bytes samples = pcm_octets(pcm)
    return rm_level_dbov(samples_of(samples), len(samples) // 2)


def mix(a, b):
    """Add two equally long pieces of PCM, clipping at full scale. ValueError for two lengths."""
    cdef bytes left = pcm_octets(a)
    cdef bytes right = pcm_octets(b)
    if len(left) != len(right):
        raise ValueError(f"expected equal lengths, got {len(left)} and {len(right)} octets")
    cdef bytes out = new_octets(len(left))
    memcpy(<void *>octets_of(out), octets_of(left), len(left))
    rm_mix_add(<int16_t *>samples_of(out), samples_of(right), len(left) // 2)
    return out


def gain_ramp(pcm, double start, double end):
    """Return the PCM with a gain that runs in a straight line from `start` to `end`.

    The gain `end` belongs to the first sample after the last, so that a following piece may
    start with it. Factors of 0 to 8; ValueError outside.
    """
    if not (0.0 <= start <= 8.0 and 0.0 <= end <= 8.0):
        raise ValueError(f"expected gains of 0 to 8, got {start} and {end}")
    cdef bytes samples = pcm_octets(pcm)
    cdef bytes out = new_octets(len(samples))
    memcpy(<void *>octets_of(out), octets_of(samples), len(samples))
    rm_gain_ramp(
        <int16_t *>samples_of(out), len(samples) // 2, round(start * 32768), round(end * 32768)
    )
    return out


cdef class Tone:
    """An endless sine, phase-continuous however it is read.

    dbov: RMS level relative to a full-scale square wave (RFC 6464), so -3 is a full-scale sine.
    """

    cdef rm_tone _tone

    def __cinit__(self, double hz, double dbov=-10.0, int rate_hz=16000):
        if not (rate_hz > 0 and 0.0 <= hz <= rate_hz / 2.0):
            raise ValueError(f"expected 0 to half of a positive rate, got {hz} of {rate_hz} Hz")
        if isnan(dbov):
            raise ValueError("expected a level in dBov, got nan")
        rm_tone_init(&self._tone, rate_hz, hz, dbov)

    def read(self, Py_ssize_t samples):
        """Return the next `samples` samples as s16le mono PCM. ValueError below 0."""
        cdef bytes out = new_samples(samples)
        rm_tone_read(&self._tone, <int16_t *>samples_of(out), samples)
        return out
