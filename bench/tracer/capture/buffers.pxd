# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Map the kernel's buffers and unmap them; the layout of what is in them."""

from cpython.exc cimport PyErr_SetFromErrnoWithFilename
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef extern from "sys/mman.h":
    void *mmap(void *, size_t, int, int, int, long)
    int munmap(void *, size_t)
    int PROT_READ, PROT_WRITE, MAP_SHARED
    void *MAP_FAILED

cdef extern from "linux/bpf.h":
    enum:
        BPF_RINGBUF_BUSY_BIT
        BPF_RINGBUF_DISCARD_BIT
        BPF_RINGBUF_HDR_SZ

cdef extern from "linux/perf_event.h":
    struct perf_event_mmap_page:
        unsigned long long data_head
        unsigned long long data_tail
    enum:
        PERF_RECORD_LOST
        PERF_RECORD_SAMPLE

cdef enum:
    PAGE = 4096  # machines with other pages are refused
    OVERWRITE_POS = 2  # words after a ring's producer_pos; bench.tracer.btf asks the kernel
    PERF_HEADER_BYTES = 8  # u32 type, u16 misc, u16 size
    PERF_RAW_AT = 12       # PERF_SAMPLE_RAW: u32 size after the header, then the data
    PERF_LOST_AT = 16      # PERF_RECORD_LOST: u64 id after the header, then u64 lost

cdef struct Buffer:
    bint is_ring
    uint8_t *data
    uint64_t mask       # data bytes - 1: a power of two
    uint64_t *produced  # ring: producer position; perf: data_head
    uint64_t *consumed  # ring: consumer position; perf: data_tail
    void *pages[2]
    size_t lengths[2]   # of its mappings; 0: there is none


cdef inline void *map_pages(Buffer *buffer, int part, int fd, size_t length, int protection,
                            long offset, const char *what) except NULL:
    cdef void *pages = mmap(NULL, length, protection, MAP_SHARED, fd, offset)
    if pages == MAP_FAILED:
        unmap(buffer)
        PyErr_SetFromErrnoWithFilename(OSError, what)
    buffer.pages[part], buffer.lengths[part] = pages, length
    return pages


cdef inline int map_ring(Buffer *buffer, int fd, size_t data_bytes, int protection) except -1:
    """Map the ring buffer of map ``fd``, its consumer's position with ``protection``; OSError.

    kernel/bpf/ringbuf.c, ringbuf_map_mmap_kern(): of the first page, the consumer's position,
    alone the kernel allows a writable mapping. Then come the page of the producer's position and
    the data, twice in a row (bpf_ringbuf_area_alloc()), so that no record ever wraps.
    """
    cdef void *own = map_pages(buffer, 0, fd, PAGE, protection, 0, "consumer page of a ring buffer")
    cdef void *kernels = map_pages(buffer, 1, fd, PAGE + 2 * data_bytes, PROT_READ, PAGE,
                                   "data pages of a ring buffer")
    buffer.is_ring, buffer.data, buffer.mask = True, <uint8_t *>kernels + PAGE, data_bytes - 1
    buffer.produced, buffer.consumed = <uint64_t *>kernels, <uint64_t *>own
    return 0


cdef inline int map_perf(Buffer *buffer, int fd, size_t data_bytes, int protection) except -1:
    """Map the perf buffer of event ``fd``, a page with both positions, then the data; OSError.

    Who maps it first has to map it writable, or the kernel would take the buffer for one to
    overwrite (kernel/events/core.c, perf_mmap(): RING_BUFFER_WRITABLE from VM_WRITE).
    """
    cdef perf_event_mmap_page *head = <perf_event_mmap_page *>map_pages(
        buffer, 0, fd, PAGE + data_bytes, protection, 0, "pages of a perf buffer")
    buffer.is_ring, buffer.data, buffer.mask = False, <uint8_t *>head + PAGE, data_bytes - 1
    buffer.produced, buffer.consumed = <uint64_t *>&head.data_head, <uint64_t *>&head.data_tail
    return 0


cdef inline void unmap(Buffer *buffer) noexcept:
    """Unmap what is mapped. No thread may read it any more."""
    cdef int part
    for part in range(2):
        if buffer.lengths[part]:
            munmap(buffer.pages[part], buffer.lengths[part])
            buffer.lengths[part] = 0


cdef inline uint64_t ring_step(uint32_t size) noexcept nogil:
    """Return how far the record behind one of ``size`` bytes is, in a ring."""
    return (size + BPF_RINGBUF_HDR_SZ + 7) & ~<uint64_t>7


cdef inline uint64_t lost_at(const Buffer *perf, uint64_t position) noexcept nogil:
    """Return what a PERF_RECORD_LOST reports; its number may lie beyond where the data wrap."""
    return (<const uint64_t *>(perf.data + ((position + PERF_LOST_AT) & perf.mask)))[0]
