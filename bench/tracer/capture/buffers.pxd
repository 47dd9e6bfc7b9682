# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Map the kernel's buffers and unmap them."""

from cpython.exc cimport PyErr_SetFromErrnoWithFilename
from libc.stdint cimport uint8_t, uint64_t

from bench.tracer.capture.capture cimport MAX_MAPPINGS, Buffer, Capture, Mapping

cdef extern from "sys/mman.h":
    void *mmap(void *, size_t, int, int, int, long)
    int munmap(void *, size_t)
    int PROT_READ, PROT_WRITE, MAP_SHARED
    void *MAP_FAILED

cdef extern from "linux/perf_event.h":
    struct perf_event_mmap_page:
        unsigned long long data_head
        unsigned long long data_tail

cdef enum:
    PAGE = 4096  # the rig refuses machines with other pages
    OVERWRITE_POS = 2  # words after producer_pos; bench.tracer.btf asks the kernel


cdef inline void *map_pages(Capture capture, int fd, size_t length, int protection, long offset,
                            const char *what) except NULL:
    """Map pages of ``fd`` until unmap_all(); OSError from mmap."""
    cdef void *pages
    # A buffer takes at most two mappings: the one check bounds both arrays.
    if capture.mapping_count > MAX_MAPPINGS - 2:
        raise ValueError("more buffers than a kernel can have CPUs")
    pages = mmap(NULL, length, protection, MAP_SHARED, fd, offset)
    if pages == MAP_FAILED:
        PyErr_SetFromErrnoWithFilename(OSError, what)
    capture.mappings[capture.mapping_count] = Mapping(pages, length)
    capture.mapping_count += 1
    capture.mapped_bytes += length
    return pages


cdef inline int map_ring(Capture capture, int fd, size_t data_bytes, bint lazy,
                         bint overwrites) except -1:
    """Map the ring buffer of map ``fd``.

    kernel/bpf/ringbuf.c, ringbuf_map_mmap_kern(): of the first page, the consumer's position,
    alone the kernel allows a writable mapping. Then come the page of the producer's position and
    the data, twice in a row (bpf_ringbuf_area_alloc()), so that no record ever wraps.
    """
    cdef void *own = map_pages(capture, fd, PAGE, PROT_READ | PROT_WRITE, 0,
                               "consumer page of a ring buffer")
    cdef void *kernels = map_pages(capture, fd, PAGE + 2 * data_bytes, PROT_READ, PAGE,
                                   "data pages of a ring buffer")
    cdef uint64_t *oldest = NULL
    if overwrites:
        oldest = <uint64_t *>kernels + OVERWRITE_POS
    capture.buffers[capture.buffer_count] = Buffer(
        True, lazy, <uint8_t *>kernels + PAGE, data_bytes - 1, <uint64_t *>kernels,
        <uint64_t *>own, oldest, 0)
    capture.buffer_count += 1
    return 0


cdef inline int map_perf(Capture capture, int fd, size_t data_bytes, bint lazy) except -1:
    """Map the perf buffer of event ``fd``: a page that holds both positions, then the data.

    Writable, or the kernel would take the buffer for one to overwrite (kernel/events/core.c,
    perf_mmap(): RING_BUFFER_WRITABLE from VM_WRITE).
    """
    cdef perf_event_mmap_page *head = <perf_event_mmap_page *>map_pages(
        capture, fd, PAGE + data_bytes, PROT_READ | PROT_WRITE, 0, "pages of a perf buffer")
    capture.buffers[capture.buffer_count] = Buffer(
        False, lazy, <uint8_t *>head + PAGE, data_bytes - 1, <uint64_t *>&head.data_head,
        <uint64_t *>&head.data_tail, NULL, 0)
    capture.buffer_count += 1
    return 0


cdef inline void unmap_all(Capture capture) noexcept:
    """Unmap all buffers. No thread may read them any more."""
    capture.buffer_count = 0
    while capture.mapping_count:
        capture.mapping_count -= 1
        munmap(capture.mappings[capture.mapping_count].pages,
               capture.mappings[capture.mapping_count].length)
