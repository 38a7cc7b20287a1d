# Arguments and results of the kernels' Python side: octets in, new bytes out.
# A bytes argument is used where it lies; a typed memoryview would cost more than most kernels.
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_Check, PyBytes_FromStringAndSize
from libc.stdint cimport int16_t, uint8_t, uintptr_t

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

cdef inline int borrow(object out, Py_buffer *view, Py_ssize_t size, bint samples) except -1:
    # Open a caller's buffer for writing `size` octets; the caller of this releases it.
    PyObject_GetBuffer(out, view, PyBUF_WRITABLE)
    cdef Py_ssize_t room = view.len
    if room < size or (samples and <uintptr_t>view.buf & 1):
        PyBuffer_Release(view)
        if room < size:
            raise ValueError(f"expected room for {size} octets, got {room}")
        raise ValueError("expected 16-bit samples at an even address")
    return 0
