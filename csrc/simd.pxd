# The vector variants of a kernel module, by name.

cdef extern from "simd.h":
    ctypedef int rm_simd
    const int RM_SIMD_COUNT
    const char *const rm_simd_names[]
    bint rm_simd_has(rm_simd variant)
    rm_simd rm_simd_best()

cdef inline list variant_names():
    cdef int i
    return [rm_simd_names[i].decode() for i in range(RM_SIMD_COUNT) if rm_simd_has(i)]

cdef inline rm_simd variant_called(object name) except -1:
    if name is None:
        return rm_simd_best()
    cdef int i
    for i in range(RM_SIMD_COUNT):
        if rm_simd_names[i].decode() == name and rm_simd_has(i):
            return i
    raise ValueError(f"expected one of {', '.join(variant_names())}, got {name!r}")
