# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Give Python the capture: map buffers, drain them, keep or count the records."""

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint64_t, uintptr_t
from libc.string cimport memcpy

import errno
import mmap
import os
import select

from bench.tracer.capture.buffers cimport (
    OVERWRITE_POS, PROT_READ, PROT_WRITE, map_perf, map_ring, unmap,
)
from bench.tracer.capture.drain cimport EDGE, drain_until_stopped, fill_rows
from bench.tracer.capture.rows cimport (
    on_perf_event, on_perf_lost, on_perf_sample, on_ring_sample,
)
from bench.tracer.capture.shims cimport monotonic_ns, store_int, wait_readable

RING_CALLBACK = <uintptr_t>&on_ring_sample
PERF_CALLBACK = <uintptr_t>&on_perf_sample
LOST_CALLBACK = <uintptr_t>&on_perf_lost
EVENT_CALLBACK = <uintptr_t>&on_perf_event
BIN_BITS = AGE_BITS


cdef class Capture:
    """Drain buffers into ``array``, which has ``capacity`` rows (bench.record.layout.ROW).

    ``run`` drains until ``stop`` is called from another thread, then until all is empty.
    ``collect`` drains once, for those who handle the records themselves. ``count`` rows of the
    array are filled. It is made new, or the array of an earlier capture.
    """

    def __cinit__(self, capacity, array=None):
        self.wake_fd = -1
        if array is None:
            array = mmap.mmap(-1, capacity * sizeof(Row),
                              flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
        PyObject_GetBuffer(array, &self.view, PyBUF_WRITABLE)
        self.array = array
        self.rows = <Row *>self.view.buf
        self.capacity = self.view.len // sizeof(Row)
        self.sample_stride = 1
        self.epoll = select.epoll()
        self.waited_fds = []
        self.epoll_fd = self.epoll.fileno()
        self.wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.epoll.register(self.wake_fd, select.EPOLLIN)

    def __dealloc__(self):
        self.unmap_all()
        if self.wake_fd >= 0:
            os.close(self.wake_fd)
        PyBuffer_Release(&self.view)

    def add_ring(self, int fd, size_t data_bytes, bint lazy=False, bint whole=False,
                 bint overwrites=False):
        """Map the ring buffer of map ``fd``; OSError from mmap.

        ``lazy``: let the kernel know what was read after each visit, not after each record.
        ``whole``: copy all of a record first, as readers do that read nothing in place.
        ``overwrites``: its producers overwrite what was not read.
        """
        cdef Source *source = self.next_source(lazy, whole)
        map_ring(&source.buffer, fd, data_bytes, PROT_READ | PROT_WRITE)
        if overwrites:
            source.overwritten = source.buffer.produced + OVERWRITE_POS
        self.add(fd)

    def add_perf(self, int fd, size_t data_bytes, bint lazy=False, bint whole=False):
        """Map the perf buffer of event ``fd``; OSError from mmap."""
        map_perf(&self.next_source(lazy, whole).buffer, fd, data_bytes, PROT_READ | PROT_WRITE)
        self.add(fd)

    cdef Source *next_source(self, bint lazy, bint whole) except NULL:
        cdef Source *source = &self.sources[self.buffer_count]
        if self.buffer_count == MAX_BUFFERS:
            raise OSError(errno.E2BIG, "more buffers than a kernel can have CPUs")
        source.lazy, source.whole, source.overwritten = lazy, whole, NULL
        source.missed_bytes, source.read_ns = 0, 0
        return source

    cdef object add(self, int fd):
        cdef Buffer *buffer = &self.sources[self.buffer_count].buffer
        self.buffer_count += 1
        self.mapped_bytes += buffer.lengths[0] + buffer.lengths[1]
        self.epoll.register(fd, select.EPOLLIN)
        self.waited_fds.append(fd)

    def deal(self, list others):
        """Keep the first buffer, give each of ``others`` one, and so on: they drain side by side.

        What each has is then its own to unmap.
        """
        cdef list fds = self.waited_fds
        cdef int index, count = self.buffer_count
        cdef size_t mapped_bytes = self.mapped_bytes
        cdef Capture taker
        self.waited_fds, self.buffer_count = [], 0
        for index in range(count):
            self.epoll.unregister(fds[index])
            taker = (self, *others)[index % (1 + len(others))]
            taker.sources[taker.buffer_count] = self.sources[index]
            taker.add(fds[index])
        self.mapped_bytes = mapped_bytes

    cdef void unmap_all(self) noexcept:
        while self.buffer_count:
            self.buffer_count -= 1
            unmap(&self.sources[self.buffer_count].buffer)

    def unmap(self):
        """Unmap all buffers, which run() no longer reads; the records stay."""
        self.unmap_all()

    def run(self, *, poll, uint64_t interval_ns=0, int flush_ms=0, uint64_t cost_ns=0,
            uint64_t late_ns=0):
        """Drain until ``stop``, then until all buffers are empty.

        ``poll``: a bench.plan.config.Poll; TIMED sleeps ``interval_ns`` between drains.
        ``flush_ms``: EPOLL visits every buffer after so long a wait, whether one was reported
        readable or not; 0: never.
        ``cost_ns``: spent on each record, as a slower consumer would.
        ``late_ns``: note the wait that ended before each record that is delivered so long after
        its kernel timestamp; 0: none.
        """
        cdef int way = ("epoll", "busy", "timed", "stopped", "edge", "edge-bare").index(poll)
        if way >= EDGE:
            for fd in self.waited_fds:
                self.epoll.modify(fd, select.EPOLLIN | select.EPOLLET)
        self.flush_ms = flush_ms or -1
        self.late_ns = late_ns
        self.spend(cost_ns)
        with nogil:
            drain_until_stopped(self, way, interval_ns)

    def collect(self, int timeout_ms):
        """Wait up to ``timeout_ms``, read from row 0 on, and return the number of rows read.

        No more is taken out of the buffers than there are rows: the next call goes on with the
        buffer after the last one visited. 0 rows: there was nothing to read.
        """
        with nogil:
            self.count = self.stamped = 0
            if not fill_rows(self):
                wait_readable(self.epoll_fd, timeout_ms, self.wake_fd)
                fill_rows(self)
        return self.count

    def stop(self):
        """Make ``run`` end once the buffers are empty."""
        self.stopped_ns = monotonic_ns()
        store_int(&self.stopping, 1)
        os.eventfd_write(self.wake_fd, 1)

    def stall(self, uint64_t from_ns, uint64_t stall_ns):
        """Read nothing for ``stall_ns``, once.

        It begins with the first of the storm's own records that is read at ``from_ns``
        (CLOCK_MONOTONIC) or later, so that a storm cannot begin after it is over.
        """
        self.stall_from_ns = from_ns
        self.stall_ns = stall_ns
        # Pairs with append()'s acquire: who sees the flag sees what was set before it.
        store_int(&self.has_extras, 1)

    def spend(self, uint64_t cost_ns):
        """Spend so much on each record."""
        self.cost_ns = cost_ns
        if cost_ns or self.late_ns:  # else a stall that was set before stays
            store_int(&self.has_extras, 1)

    def stamp_each(self):
        """Stamp every record by itself: none shares the time of its delivery."""
        store_int(&self.has_extras, 1)

    def tally(self, long stamp_at=-1, uint64_t stamped_from_ns=0):
        """Count records of any layout in place of keeping them, and sum up their ages.

        ``stamp_at``: where a record has a u64 of CLOCK_MONOTONIC ns; -1: it has none. One from
        before ``stamped_from_ns``, or after the record was read, counts as misdated.
        """
        self.tallies = True
        self.dated_at, self.dated_from_ns = stamp_at, stamped_from_ns

    def age_counts(self):
        """Return how many records had each age, as bytes of uint64.

        Bin b below 2 << AGE_BITS is that many ns; above, it is (b % 2^AGE_BITS + 2^AGE_BITS) <<
        (b >> AGE_BITS) - 1.
        """
        return (<const char *>self.ages)[:sizeof(self.ages)]

    def time_visits(self):
        """Time each visit to a buffer: two more readings of the clock, or one where it is empty."""
        self.timed = True

    def reading_ns(self, int first, int end):
        """Return how long visits to buffers ``first`` to ``end`` - 1 took that read something.

        One that was held up counts as no longer than a bound.
        """
        cdef int index
        cdef uint64_t whole = 0
        for index in range(max(first, 0), min(end, self.buffer_count)):
            whole += self.sources[index].read_ns
        return whole

    def overwritten_bytes(self, int first, int end):
        """Return the bytes of buffers ``first`` to ``end`` - 1 that were overwritten unread."""
        cdef int index
        cdef uint64_t whole = 0
        for index in range(max(first, 0), min(end, self.buffer_count)):
            whole += self.sources[index].missed_bytes
        return whole

    def occupancy(self):
        """Return the samples as bytes: pairs of uint64, CLOCK_MONOTONIC ns and unread bytes."""
        return (<const char *>self.samples)[:self.sample_count * sizeof(Sample)]

    def late_records(self):
        """Return rows of late records and the wait before each as bytes: triples of uint64."""
        return (<const char *>self.late)[:min(self.late_count, MAX_LATE) * sizeof(Late)]

    def take(self, const unsigned char[:] rows, *, uint64_t overflow, uint64_t malformed,
             uint64_t lost, uint64_t empty_polls):
        """Take the rows and counts of a reader in another process in place of those of run()."""
        if <size_t>rows.shape[0] > self.capacity * sizeof(Row):
            raise ValueError("there are more rows than the array has")
        if rows.shape[0]:
            memcpy(self.rows, &rows[0], rows.shape[0])
        self.count = rows.shape[0] // sizeof(Row)
        self.overflow, self.malformed, self.lost_reported = overflow, malformed, lost
        self.empty_polls = empty_polls

    @property
    def address(self):
        """Return the context for libraries' callbacks."""
        return <uintptr_t><void *>self
