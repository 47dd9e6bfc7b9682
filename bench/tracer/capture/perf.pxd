# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Visit a perf buffer: include/uapi/linux/perf_event.h, kernel/events/ring_buffer.c."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from bench.tracer.capture.buffers cimport (
    PERF_HEADER_BYTES, PERF_RAW_AT, PERF_RECORD_LOST, PERF_RECORD_SAMPLE, Buffer, lost_at,
)
from bench.tracer.capture.capture cimport Capture, Source
from bench.tracer.capture.rows cimport add_lost, append, copied_whole
from bench.tracer.capture.shims cimport load64, store64, unlikely
from bench.tracer.capture.tally cimport tally


cdef inline uint64_t visit_perf(Capture capture, const Source *source,
                                uint64_t limit) noexcept nogil:
    """Read up to ``limit`` records; return how many."""
    cdef const Buffer *perf = &source.buffer
    cdef uint64_t position = perf.consumed[0]  # written by this thread alone
    # Pairs with smp_wmb() before the store to data_head in perf_output_put_handle(), which makes
    # it when no writer of the CPU is nested any more: every record before this position is whole.
    cdef uint64_t end = load64(perf.produced)
    cdef uint64_t read = 0
    cdef uint64_t header
    cdef uint32_t kind, size
    cdef bint lazy = source.lazy, tallies = capture.tallies, whole = source.whole
    while position < end and read < limit:
        # Bounds: positions and sizes are multiples of 8, and so is the length of the data
        # (perf_output_sample(): raw data are padded). 8 bytes at such a place never wrap.
        header = (<uint64_t *>(perf.data + (position & perf.mask)))[0]
        kind = <uint32_t>header
        size = <uint32_t>(header >> 48)
        if kind == PERF_RECORD_SAMPLE:
            append_raw(capture, perf, position, tallies, whole)
        elif kind == PERF_RECORD_LOST:
            add_lost(capture, lost_at(perf, position))
        elif size < PERF_HEADER_BYTES:  # not a perf record at all: nothing behind it can be found
            capture.malformed += 1
            size = end - position
        position += size
        # __perf_output_begin() reads data_tail and writes only where it left room, a control
        # dependency: the copy is made before the space is written again. The kernel's own readers
        # store it so too (tools/include/linux/ring_buffer.h, ring_buffer_write_tail()).
        if not lazy:
            store64(perf.consumed, position)
        read += 1
    if lazy:
        store64(perf.consumed, position)
    return read


cdef inline void append_raw(Capture capture, const Buffer *perf, uint64_t position,
                            bint tallies, bint whole) noexcept nogil:
    """Append the raw data of the sample at ``position``, first put together if they wrap.

    Bounds: ``size`` is part of the header's, which has 16 bits, and of ``copy``'s 65,536.
    __perf_output_begin() refuses a record longer than the data, so that the rest after a wrap
    ends before it began.
    """
    cdef uint32_t size = (<uint32_t *>(perf.data + ((position + PERF_HEADER_BYTES) & perf.mask)))[0]
    cdef uint64_t start = (position + PERF_RAW_AT) & perf.mask
    cdef uint64_t first = perf.mask + 1 - start
    cdef const uint8_t *data = perf.data + start
    if unlikely(first < size):
        memcpy(capture.copy, data, first)
        memcpy(capture.copy + first, perf.data, size - first)
        data = capture.copy
    elif unlikely(whole):
        data = copied_whole(capture, data, size)
    if tallies:
        tally(capture, data, size)
    else:
        append(capture, data, size)
