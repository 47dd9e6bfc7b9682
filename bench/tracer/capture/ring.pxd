# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Visit a BPF ring buffer: Documentation/bpf/ringbuf.rst, kernel/bpf/ringbuf.c."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from bench.tracer.capture.buffers cimport (
    BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT, BPF_RINGBUF_HDR_SZ, Buffer, ring_step,
)
from bench.tracer.capture.capture cimport Capture, Source
from bench.tracer.capture.rows cimport append, copied_whole
from bench.tracer.capture.shims cimport load32, load64, store64
from bench.tracer.capture.tally cimport tally


cdef inline uint64_t visit_ring(Capture capture, const Source *source,
                                uint64_t limit) noexcept nogil:
    """Read up to ``limit`` records; return how many, discarded ones included."""
    cdef const Buffer *ring = &source.buffer
    cdef uint64_t position = ring.consumed[0]  # written by this thread alone
    # Pairs with smp_store_release(&rb->producer_pos) at the end of __bpf_ringbuf_reserve(): it has
    # written the header, with BUSY set, of every record before this position.
    cdef uint64_t end = load64(ring.produced)
    cdef uint64_t read = 0
    cdef uint32_t header, size
    cdef uint8_t *record
    cdef bint lazy = source.lazy, tallies = capture.tallies
    cdef bint plain = not (tallies or source.whole)
    while position < end and read < limit:
        # Bounds: positions and lengths are multiples of 8, so that a header never leaves the data.
        # __bpf_ringbuf_reserve() refuses a record longer than the data, which are mapped twice in
        # a row: from any start within the first copy, a whole record lies within the mapping.
        record = ring.data + (position & ring.mask)
        # Pairs with xchg(&hdr->len), a full barrier, in bpf_ringbuf_commit(): where BUSY is clear,
        # the record was written before.
        header = load32(<uint32_t *>record)
        if header & BPF_RINGBUF_BUSY_BIT:
            break  # reserved, not yet submitted: later records wait behind it
        size = header & ~<uint32_t>BPF_RINGBUF_DISCARD_BIT
        if header & BPF_RINGBUF_DISCARD_BIT:
            capture.discarded += 1
        elif plain:
            append(capture, record + BPF_RINGBUF_HDR_SZ, size)
        elif tallies:
            tally(capture, record + BPF_RINGBUF_HDR_SZ, size)
        else:
            append(capture, copied_whole(capture, record + BPF_RINGBUF_HDR_SZ, size), size)
        position += ring_step(size)
        # Pairs with smp_load_acquire(&rb->consumer_pos) in __bpf_ringbuf_reserve(): the copy is
        # made before the space is written again.
        if not lazy:
            store64(ring.consumed, position)
        read += 1
    if lazy:
        store64(ring.consumed, position)
    return read
