# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Sample how full the buffers are."""

from libc.stdint cimport uint64_t

from bench.tracer.capture.capture cimport MAX_SAMPLES, Capture, Sample
from bench.tracer.capture.shims cimport load64, monotonic_ns


cdef inline void sample(Capture capture) noexcept nogil:
    """Note the unread bytes of all buffers, at most MAX_SAMPLES times, evenly over the passes.

    The consumer's positions are written by this thread alone. A producer's is read after its
    consumer's, and never falls behind it: the difference is no less than 0.
    """
    cdef int index
    cdef uint64_t consumed, used = 0
    cdef size_t kept
    capture.passes += 1
    if capture.passes % capture.sample_stride:
        return
    if capture.sample_count == MAX_SAMPLES:
        for kept in range(MAX_SAMPLES // 2):
            capture.samples[kept] = capture.samples[2 * kept + 1]
        capture.sample_count = MAX_SAMPLES // 2
        capture.sample_stride *= 2
        return
    for index in range(capture.buffer_count):
        consumed = capture.buffers[index].consumed[0]
        used += load64(capture.buffers[index].produced) - consumed
    capture.samples[capture.sample_count] = Sample(monotonic_ns(), used)
    capture.sample_count += 1
