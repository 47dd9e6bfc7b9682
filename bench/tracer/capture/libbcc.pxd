# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The callbacks of libbcc's readers, which hand over each record in one piece."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from bench.tracer.capture.capture cimport Capture
from bench.tracer.capture.rows cimport add_lost, append


cdef inline int on_ring_sample(void *context, void *data, size_t size) noexcept nogil:
    append(<Capture>context, <const uint8_t *>data, <uint32_t>size)
    return 0


cdef inline void on_perf_sample(void *context, void *data, int size) noexcept nogil:
    append(<Capture>context, <const uint8_t *>data, <uint32_t>size)


cdef inline void on_perf_lost(void *context, uint64_t lost) noexcept nogil:
    add_lost(<Capture>context, lost)
