# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Count records of any layout, and date them by one of their fields, in place of keeping them."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from bench.tracer.capture.capture cimport AGE_BITS, Capture
from bench.tracer.capture.shims cimport monotonic_ns


cdef inline int bin_of(uint64_t value) noexcept nogil:
    """Return the value itself to 2^AGE_BITS, then its exponent and its first bits."""
    cdef int shift = 0
    while value >> shift >= 2 << AGE_BITS:
        shift += 1
    return (shift << AGE_BITS) + <int>(value >> shift)


cdef inline void tally(Capture capture, const uint8_t *data, uint32_t size) noexcept nogil:
    """Count a record of ``size`` bytes, and its age by its stamp if it is long enough for one."""
    cdef uint64_t stamp_ns, now_ns
    capture.delivered += 1
    capture.delivered_bytes += size
    if capture.dated_at < 0:
        return
    now_ns = monotonic_ns()
    if size >= capture.dated_at + sizeof(stamp_ns):
        memcpy(&stamp_ns, data + capture.dated_at, sizeof(stamp_ns))
        if capture.dated_from_ns <= stamp_ns <= now_ns:
            capture.age_max_ns = max(capture.age_max_ns, now_ns - stamp_ns)
            capture.ages[bin_of(now_ns - stamp_ns)] += 1
            return
    capture.misdated += 1
