# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Append a record to the array: one that was read here, or that a library handed over.

The first STAMPED_ALONE records of a visit are stamped one by one; behind them, of n records the
n / STAMPED_ALONE last ones share a stamp, so that a long visit does not spend its time on the
clock. Each was held after the stamp before its own: by so much its latency may be too long. All
were made before the visit began, which loads the producer's position once, and have waited since:
that is about the STAMPED_ALONE-th part of the latency at most, unless the thread was held up, which
the stamps show.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from bench.tracer.capture.buffers cimport (
    PERF_HEADER_BYTES, PERF_LOST_AT, PERF_RAW_AT, PERF_RECORD_LOST, PERF_RECORD_SAMPLE,
)
from bench.tracer.capture.capture cimport MAX_RECORD, Capture, Row
from bench.tracer.capture.consumer cimport do_extras
from bench.tracer.capture.shims cimport exit_record, load_int, monotonic_ns, unlikely

cdef enum:
    STAMPED_ALONE = 64
    LIBBPF_PERF_EVENT_CONT = -2


cdef inline void append(Capture capture, const uint8_t *data, uint32_t size) noexcept nogil:
    """Copy the record of ``size`` bytes at ``data``, stamp it, and do nothing else."""
    cdef Row *row = copied(capture, data, size)
    if row != NULL:
        keep(capture)


cdef inline Row *copied(Capture capture, const uint8_t *data, uint32_t size) noexcept nogil:
    """Copy the record to the next row, which is not counted yet; NULL where that cannot be.

    Bounds: the first check keeps the copy within the ``size`` bytes, which the caller has in one
    piece; the second keeps the row within the array. ``length`` is the tracer's word: the tail is
    read only where it lies behind the record and within ``size``.
    """
    cdef Row *row
    cdef uint32_t length
    if size < sizeof(exit_record):
        capture.malformed += 1
        return NULL
    if capture.count == capture.capacity:
        capture.overflow += 1
        return NULL
    row = &capture.rows[capture.count]
    memcpy(&row.record, data, sizeof(exit_record))
    length = row.record.length
    row.tail = 0
    if length > sizeof(exit_record) and length <= size:
        row.tail = (<const uint32_t *>(data + length - 4))[0]
    row.arrived_bytes = size
    return row


cdef inline const uint8_t *copied_whole(Capture capture, const uint8_t *data,
                                        uint32_t size) noexcept nogil:
    """Copy all of a record, as readers do that hand it over in memory of their own.

    Of one that no tracer here sends, longer than the copy's memory, return what is in the buffer.
    """
    if unlikely(size > MAX_RECORD):
        return data
    memcpy(capture.copy, data, size)
    return capture.copy


cdef inline void keep(Capture capture) noexcept nogil:
    """Count the row that was copied, and stamp it once that is due."""
    cdef int extras = load_int(&capture.has_extras)
    capture.count += 1
    if capture.count < capture.stamp_at and not unlikely(extras):
        return
    stamp(capture, monotonic_ns())
    capture.stamp_at = capture.count + 1 + (capture.count - capture.visit_from) // STAMPED_ALONE
    if unlikely(extras):
        do_extras(capture, &capture.rows[capture.count - 1])


cdef inline void stamp(Capture capture, uint64_t now_ns) noexcept nogil:
    """Stamp all rows that are not stamped yet."""
    cdef Row *row = capture.rows + capture.stamped
    cdef Row *end = capture.rows + capture.count
    while row < end:
        row.delivered_ns = now_ns
        row += 1
    capture.stamped = capture.count


cdef inline void add_lost(Capture capture, uint64_t lost) noexcept nogil:
    """Add to the records that the kernel reports as lost."""
    capture.lost_reported += lost


cdef inline int on_ring_sample(void *context, void *data, size_t size) noexcept nogil:
    append_alone(<Capture>context, <const uint8_t *>data, <uint32_t>size)
    return 0


cdef inline void on_perf_sample(void *context, void *data, int size) noexcept nogil:
    append_alone(<Capture>context, <const uint8_t *>data, <uint32_t>size)


cdef inline int on_perf_event(void *context, int cpu, void *event) noexcept nogil:
    """Take a perf record that libbpf has put together where it wrapped."""
    cdef uint32_t kind = (<uint32_t *>event)[0]
    cdef const uint8_t *data = <const uint8_t *>event
    if kind == PERF_RECORD_SAMPLE:
        append_alone(<Capture>context, data + PERF_RAW_AT,
                     (<const uint32_t *>(data + PERF_HEADER_BYTES))[0])
    elif kind == PERF_RECORD_LOST:
        add_lost(<Capture>context, (<const uint64_t *>(data + PERF_LOST_AT))[0])
    return LIBBPF_PERF_EVENT_CONT


cdef inline void append_alone(Capture capture, const uint8_t *data, uint32_t size) noexcept nogil:
    """Append a record as a visit of its own: libraries do not report when a visit ends."""
    capture.visit_from = capture.count
    append(capture, data, size)


cdef inline void on_perf_lost(void *context, uint64_t lost) noexcept nogil:
    add_lost(<Capture>context, lost)
