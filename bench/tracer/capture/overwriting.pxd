# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Visit a ring whose producers overwrite the oldest records (BPF_F_RB_OVERWRITE, Linux 6.19).

__bpf_ringbuf_reserve() advances overwrite_pos before it publishes the record that takes the room:
what was read at a position that overwrite_pos has not passed since is whole.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from bench.tracer.capture.buffers cimport (
    BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT, BPF_RINGBUF_HDR_SZ, Buffer, ring_step,
)
from bench.tracer.capture.capture cimport Capture, Row, Source
from bench.tracer.capture.rows cimport copied, keep
from bench.tracer.capture.shims cimport fence_acquire, load32, load64, store64


cdef inline uint64_t visit_overwriting(Capture capture, Source *source,
                                       uint64_t limit) noexcept nogil:
    """Read up to ``limit`` records, the oldest first that is still there; return how many."""
    cdef Buffer *ring = &source.buffer
    cdef uint64_t oldest, position = ring.consumed[0]
    cdef uint64_t end = load64(ring.produced)
    cdef uint64_t read = 0
    cdef uint32_t header, size
    cdef uint8_t *record
    cdef Row *row
    while position < end and read < limit:
        oldest = load64(source.overwritten)
        if oldest > position:
            source.missed_bytes += oldest - position
            position = oldest
            store64(ring.consumed, position)
            continue
        record = ring.data + (position & ring.mask)
        header = load32(<uint32_t *>record)
        # Before its length is believed: what has been overwritten may be anything.
        if load64(source.overwritten) > position:
            continue
        if header & BPF_RINGBUF_BUSY_BIT:
            break
        size = header & ~<uint32_t>BPF_RINGBUF_DISCARD_BIT
        if not header & BPF_RINGBUF_DISCARD_BIT:
            row = copied(capture, record + BPF_RINGBUF_HDR_SZ, size)
            fence_acquire()  # the copy is made before overwrite_pos is read again
            if load64(source.overwritten) > position:
                continue
            if row != NULL:
                keep(capture)
        position += ring_step(size)
        store64(ring.consumed, position)
        read += 1
    return read
