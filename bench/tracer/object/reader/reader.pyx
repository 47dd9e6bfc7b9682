# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The reader. Of each record it keeps nothing but its length and its age, so that it needs no room.

Ring and perf buffers are visited as in bench/tracer/capture, whose comments say which barrier of
the kernel each load and store pairs with.
"""

from cpython.exc cimport PyErr_SetFromErrnoWithFilename
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

import errno
import os
import select

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

cdef extern from "capture.h" nogil:
    uint64_t load64 "load_acquire"(const uint64_t *place)
    uint32_t load32 "load_acquire"(const uint32_t *place)
    int load_int "load_acquire"(const int *place)
    void store64 "store_release"(uint64_t *place, uint64_t value)
    void store_int "store_release"(int *place, int value)
    uint64_t monotonic_ns()
    uint64_t thread_cpu_ns()
    int wait_readable(int epoll_fd, int timeout_ms, int wake_fd)

cdef enum:
    PAGE = 4096
    MOST_BUFFERS = 1024
    RECORDS_PER_VISIT = 4096
    HEADER_BYTES = 8  # of a perf record: u32 type, u16 misc, u16 size
    RAW_AT = 12       # PERF_SAMPLE_RAW: u32 size after the header, then the data
    LOST_AT = 16      # PERF_RECORD_LOST: u64 id after the header, then u64 lost
    BITS = 8          # a bin of ages is 1/256 of them wide
    BINS = (65 - BITS) << BITS

BIN_BITS = BITS

cdef struct Buffer:
    bint is_ring
    uint8_t *data
    uint64_t mask
    uint64_t *produced
    uint64_t *consumed
    void *mappings[2]
    size_t lengths[2]


cdef inline int bin_of(uint64_t value) noexcept nogil:
    """Return the value itself to 2^BITS, then its exponent and its first bits."""
    cdef int shift = 0
    while value >> shift >= 2 << BITS:
        shift += 1
    return (shift << BITS) + <int>(value >> shift)


cdef class Reader:
    """Buffers to read in one thread, from ``run`` until another calls ``stop``.

    ``stamp_at``: where a record has a u64 of CLOCK_MONOTONIC ns; -1: it has none. One from before
    ``stamped_from_ns``, or after the record was read, counts as misdated.
    """

    cdef Buffer buffers[MOST_BUFFERS]
    cdef int count
    cdef object epoll
    cdef int epoll_fd
    cdef int wake_fd
    cdef int stopping
    cdef long stamp_at
    cdef uint64_t stamped_from_ns
    cdef uint64_t ages[BINS]
    cdef readonly uint64_t delivered
    cdef readonly uint64_t delivered_bytes
    cdef readonly uint64_t discarded
    cdef readonly uint64_t lost_reported
    cdef readonly uint64_t malformed
    cdef readonly uint64_t misdated
    cdef readonly uint64_t peak_bytes   # unread at once, over all buffers
    cdef readonly uint64_t data_bytes   # of all buffers
    cdef readonly uint64_t wakeups_taken
    cdef readonly uint64_t empty_polls
    cdef readonly uint64_t cpu_ns
    cdef readonly uint64_t latency_max_ns

    def __cinit__(self, long stamp_at=-1, uint64_t stamped_from_ns=0):
        self.stamp_at, self.stamped_from_ns = stamp_at, stamped_from_ns
        self.wake_fd = -1
        self.epoll = select.epoll()
        self.epoll_fd = self.epoll.fileno()
        self.wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.epoll.register(self.wake_fd, select.EPOLLIN)

    def __dealloc__(self):
        self.unmap_all()
        if self.wake_fd >= 0:
            os.close(self.wake_fd)

    cdef void *map_pages(self, int fd, size_t length, int protection, long offset) except NULL:
        cdef Buffer *buffer
        cdef void *pages
        cdef int part
        if self.count == MOST_BUFFERS:
            raise OSError(errno.E2BIG, "more buffers than can be read at once")
        buffer = &self.buffers[self.count]
        pages = mmap(NULL, length, protection, MAP_SHARED, fd, offset)
        if pages == MAP_FAILED:
            PyErr_SetFromErrnoWithFilename(OSError, "pages of a buffer")
        part = 0 if buffer.mappings[0] == NULL else 1
        buffer.mappings[part], buffer.lengths[part] = pages, length
        return pages

    cdef object added(self, int fd, bint is_ring, void *data, size_t data_bytes):
        cdef Buffer *buffer = &self.buffers[self.count]
        buffer.is_ring, buffer.data, buffer.mask = is_ring, <uint8_t *>data, data_bytes - 1
        self.data_bytes += data_bytes
        self.epoll.register(fd, select.EPOLLIN)
        self.count += 1

    def add_ring(self, int fd, size_t data_bytes):
        """Map the ring buffer of map ``fd``; OSError from mmap."""
        cdef void *own = self.map_pages(fd, PAGE, PROT_READ | PROT_WRITE, 0)
        cdef void *kernels = self.map_pages(fd, PAGE + 2 * data_bytes, PROT_READ, PAGE)
        self.buffers[self.count].consumed = <uint64_t *>own
        self.buffers[self.count].produced = <uint64_t *>kernels
        self.added(fd, True, <uint8_t *>kernels + PAGE, data_bytes)

    def add_perf(self, int fd, size_t data_bytes):
        """Map the perf buffer of event ``fd``; OSError from mmap."""
        cdef perf_event_mmap_page *head = <perf_event_mmap_page *>self.map_pages(
            fd, PAGE + data_bytes, PROT_READ | PROT_WRITE, 0)
        self.buffers[self.count].produced = <uint64_t *>&head.data_head
        self.buffers[self.count].consumed = <uint64_t *>&head.data_tail
        self.added(fd, False, <uint8_t *>head + PAGE, data_bytes)

    def unmap(self):
        """Unmap all buffers, which no thread may read any more."""
        self.unmap_all()

    cdef void unmap_all(self) noexcept:
        cdef int index, part
        self.count = 0
        for index in range(MOST_BUFFERS):
            for part in range(2):
                if self.buffers[index].mappings[part] != NULL:
                    munmap(self.buffers[index].mappings[part], self.buffers[index].lengths[part])
                    self.buffers[index].mappings[part] = NULL

    def run(self):
        """Read, waiting on epoll, until ``stop`` was called and all buffers are empty."""
        cdef uint64_t begun_ns, read
        cdef int index, stopping, readable = 0
        with nogil:
            begun_ns = thread_cpu_ns()
            while True:
                stopping = load_int(&self.stopping)
                self.sample()
                read = 0
                for index in range(self.count):
                    if self.buffers[index].is_ring:
                        read += self.visit_ring(&self.buffers[index])
                    else:
                        read += self.visit_perf(&self.buffers[index])
                if readable:
                    if read:
                        self.wakeups_taken += 1
                    else:
                        self.empty_polls += 1
                    readable = 0
                if read:
                    continue
                if stopping:
                    break
                readable = wait_readable(self.epoll_fd, -1, self.wake_fd)
            self.cpu_ns = thread_cpu_ns() - begun_ns

    def stop(self):
        """Make ``run`` end once the buffers are empty."""
        store_int(&self.stopping, 1)
        os.eventfd_write(self.wake_fd, 1)

    def latencies(self):
        """Return how many records had each age, as bytes of uint64.

        Bin b below 2 << BIN_BITS is that many ns; above, it is (b % 2^BITS + 2^BITS) << (b >>
        BIN_BITS) - 1.
        """
        return (<const char *>self.ages)[:sizeof(self.ages)]

    cdef void sample(self) noexcept nogil:
        # The consumer's position is this thread's own; the producer's never falls behind it.
        cdef int index
        cdef uint64_t used = 0
        for index in range(self.count):
            used += load64(self.buffers[index].produced) - self.buffers[index].consumed[0]
        self.peak_bytes = max(self.peak_bytes, used)

    cdef void take(self, const uint8_t *stamp, uint32_t size) noexcept nogil:
        """Count a record of ``size`` bytes, whose stamp lies at ``stamp`` if it is long enough."""
        cdef uint64_t stamp_ns, now_ns
        self.delivered += 1
        self.delivered_bytes += size
        if self.stamp_at < 0:
            return
        if size < self.stamp_at + sizeof(stamp_ns):
            self.misdated += 1
            return
        memcpy(&stamp_ns, stamp, sizeof(stamp_ns))
        now_ns = monotonic_ns()
        if not self.stamped_from_ns <= stamp_ns <= now_ns:
            self.misdated += 1
            return
        self.latency_max_ns = max(self.latency_max_ns, now_ns - stamp_ns)
        self.ages[bin_of(now_ns - stamp_ns)] += 1

    cdef uint64_t visit_ring(self, Buffer *ring) noexcept nogil:
        cdef uint64_t position = ring.consumed[0], end = load64(ring.produced), read = 0
        cdef uint32_t header, size
        cdef uint8_t *record
        while position < end and read < RECORDS_PER_VISIT:
            record = ring.data + (position & ring.mask)
            header = load32(<uint32_t *>record)
            if header & BPF_RINGBUF_BUSY_BIT:
                break
            size = header & ~<uint32_t>BPF_RINGBUF_DISCARD_BIT
            if header & BPF_RINGBUF_DISCARD_BIT:
                self.discarded += 1
            else:
                self.take(record + BPF_RINGBUF_HDR_SZ + self.stamp_at, size)
            position += (size + BPF_RINGBUF_HDR_SZ + 7) & ~<uint64_t>7
            store64(ring.consumed, position)
            read += 1
        return read

    cdef uint64_t visit_perf(self, Buffer *perf) noexcept nogil:
        cdef uint64_t position = perf.consumed[0], end = load64(perf.produced), read = 0
        cdef uint64_t header
        cdef uint32_t kind, size
        while position < end and read < RECORDS_PER_VISIT:
            header = (<uint64_t *>(perf.data + (position & perf.mask)))[0]
            kind, size = <uint32_t>header, <uint32_t>(header >> 48)
            if kind == PERF_RECORD_SAMPLE:
                self.take_raw(perf, position)
            elif kind == PERF_RECORD_LOST:
                self.lost_reported += (
                    <uint64_t *>(perf.data + ((position + LOST_AT) & perf.mask)))[0]
            elif size < HEADER_BYTES:
                self.malformed += 1
                size = end - position
            position += size
            store64(perf.consumed, position)
            read += 1
        return read

    cdef void take_raw(self, Buffer *perf, uint64_t position) noexcept nogil:
        """Take a sample; a stamp that wraps is put together first."""
        cdef uint32_t size = (
            <uint32_t *>(perf.data + ((position + HEADER_BYTES) & perf.mask)))[0]
        cdef uint64_t at = (position + RAW_AT + self.stamp_at) & perf.mask
        cdef uint64_t first = perf.mask + 1 - at
        cdef uint8_t stamp[8]
        if first >= sizeof(stamp):
            self.take(perf.data + at, size)
            return
        memcpy(stamp, perf.data + at, first)
        memcpy(stamp + first, perf.data, sizeof(stamp) - first)
        self.take(stamp, size)
