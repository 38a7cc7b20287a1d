# Arguments and results of the kernels' Python side: octets in, new bytes out.
# A bytes argument is used where it lies; a typed memoryview would cost more than most kernels.
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_Check, PyBytes_FromStringAndSize
from libc.stdint cimport int16_t, uint8_t

cdef enum:
    LONG_INPUT = 16384  # octets; from here on releasing the GIL costs less than it gives

cdef inline bytes octets(object data):
    # Anything else with a buffer is copied once, which also aligns it for 16-bit access.
    return <bytes>data if PyBytes_Check(data) else memoryview(data).tobytes()

cdef inline bytes pcm_octets(object data):
    cdef bytes pcm = octets(data)
    if len(pcm) & 1:
        raise ValueError(f"expected whole 16-bit samples, got {len(pcm)} octets")
    return pcm

cdef inline const uint8_t *octets_of(bytes data) noexcept:
    return <const uint8_t *>PyBytes_AS_STRING(data)

cdef inline const int16_t *samples_of(bytes pcm) noexcept:
    return <const int16_t *>PyBytes_AS_STRING(pcm)

cdef inline bytes new_octets(Py_ssize_t size):
    return PyBytes_FromStringAndSize(NULL, size)
