# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The consumer: maps ring and perf buffers and drains both alike, without the GIL.

Per record: copy, time stamp, append; nothing else. The layouts read here are the kernel's:
Documentation/bpf/ringbuf.rst and include/uapi/linux/perf_event.h. numpy is not needed here, so
that ``bufbench trace`` starts without it.
"""

from libc.errno cimport errno
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy

import os
import select

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <stdint.h>
    #include <time.h>
    #include <sched.h>
    #include <poll.h>
    #include <sys/epoll.h>
    #include <sys/mman.h>
    #include <sys/resource.h>

    static inline uint64_t load_acquire64(const volatile uint64_t *p)
    { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
    static inline uint32_t load_acquire32(const volatile uint32_t *p)
    { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
    static inline int load_acquire_int(const volatile int *p)
    { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
    static inline void store_release_int(volatile int *p, int v)
    { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
    static inline void store_release64(volatile uint64_t *p, uint64_t v)
    { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
    static inline uint64_t monotonic_ns(void)
    { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t);
      return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec; }
    static inline uint64_t thread_cpu_ns(void)
    { struct timespec t; clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
      return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec; }
    /* Also ends when fd is readable: stop() does not wait for the end of a long sleep. */
    static inline void sleep_until_ns(uint64_t when, int fd)
    { struct pollfd p = { .fd = fd, .events = POLLIN };
      for (uint64_t now = monotonic_ns(); now < when; now = monotonic_ns()) {
        struct timespec t = { (when - now) / 1000000000ull, (when - now) % 1000000000ull };
        if (ppoll(&p, 1, &t, NULL) > 0) break; } }
    static inline void pause_ms(int ms) { poll(NULL, 0, ms); }
    static inline void thread_switches(uint64_t *voluntary, uint64_t *involuntary)
    { struct rusage u; getrusage(RUSAGE_THREAD, &u);
      *voluntary = u.ru_nvcsw; *involuntary = u.ru_nivcsw; }
    /* Buffers reported readable, at most 16; wake_fd, which only stops the wait, is not one. */
    static inline int wait_readable(int epoll_fd, int timeout_ms, int wake_fd)
    { struct epoll_event e[16]; int buffers = 0;
      for (int i = epoll_wait(epoll_fd, e, 16, timeout_ms); i > 0; i--)
        buffers += e[i - 1].data.fd != wake_fd;
      return buffers; }
    static inline void wait_for(int fd)
    { struct pollfd p = { .fd = fd, .events = POLLIN }; poll(&p, 1, -1); }
    static inline void relax(void) { __builtin_ia32_pause(); }
    static inline int is_failed(void *p) { return p == MAP_FAILED; }

    enum {
      MAX_BUFFERS = 8192,        /* one for each CPU that a kernel can have */
      RECORD_BYTES = 72,
      RECORD_OWN = 1,
      ROW_BYTES = 88,
      RECORDS_PER_VISIT = 4096,  /* of one buffer, before the next has its turn */
      RING_HEADER = 8,
      MOST_SAMPLES = 16384,      /* of occupancy; then every second is dropped */
      MOST_LATE = 1024,          /* late records whose wait is noted; more are only counted */
      PERF_DATA_HEAD = 1024,     /* offsets within perf_event_mmap_page */
      PERF_DATA_TAIL = 1032,
      PERF_RECORD_LOST = 2,
      PERF_RECORD_SAMPLE = 9
    };
    #define RING_BUSY (1u << 31)
    #define RING_DISCARD (1u << 30)
    """
    enum:
        MAX_BUFFERS
        RECORD_BYTES
        RECORD_OWN
        ROW_BYTES
        RECORDS_PER_VISIT
        RING_HEADER
        MOST_SAMPLES
        MOST_LATE
        PERF_DATA_HEAD
        PERF_DATA_TAIL
        PERF_RECORD_LOST
        PERF_RECORD_SAMPLE
    const uint32_t RING_BUSY
    const uint32_t RING_DISCARD
    uint64_t load_acquire64(const uint64_t *) nogil
    uint32_t load_acquire32(const uint32_t *) nogil
    int load_acquire_int(const int *) nogil
    void store_release_int(int *, int) nogil
    void store_release64(uint64_t *, uint64_t) nogil
    uint64_t monotonic_ns() nogil
    uint64_t thread_cpu_ns() nogil
    void sleep_until_ns(uint64_t, int) nogil
    void pause_ms(int) nogil
    void thread_switches(uint64_t *, uint64_t *) nogil
    int wait_readable(int, int, int) nogil
    void wait_for(int) nogil
    void relax() nogil
    bint is_failed(void *) nogil

cdef extern from "sys/mman.h":
    void *mmap(void *, size_t, int, int, int, long) nogil
    int munmap(void *, size_t) nogil
    int PROT_READ, PROT_WRITE, MAP_SHARED, MAP_PRIVATE, MAP_ANONYMOUS, MAP_POPULATE

EPOLL, BUSY, TIMED, STOPPED = 0, 1, 2, 3

cdef struct Row:
    uint8_t record[RECORD_BYTES]
    uint64_t delivered_ns
    uint32_t arrived_bytes
    uint32_t tail

cdef struct Sample:
    uint64_t time_ns
    uint64_t used_bytes

cdef struct Late:
    uint64_t row
    uint64_t entered_ns   # of the last wait before the record was delivered
    uint64_t returned_ns

cdef struct Buffer:
    bint is_ring
    uint8_t *data
    uint64_t mask
    uint64_t *produced  # ring: producer position; perf: data_head
    uint64_t *consumed  # ring: consumer position; perf: data_tail
    void *first
    size_t first_bytes
    void *second
    size_t second_bytes


cdef inline bint is_own(const uint8_t *record) noexcept nogil:
    return (<const uint16_t *>(record + 54))[0] & RECORD_OWN

cdef inline uint64_t timestamp_of(const uint8_t *record) noexcept nogil:
    return (<const uint64_t *>record)[0]

cdef inline uint32_t length_of(const uint8_t *record) noexcept nogil:
    return (<const uint32_t *>(record + 48))[0]


cdef class Capture:
    """Buffers to drain, and an array of ``capacity`` rows (bench.record.records.CAPTURED) to fill.

    ``run`` drains until ``stop`` is called from another thread, then until all is empty.
    ``collect`` drains once, for those who handle the records themselves. The array is
    read through the buffer protocol: ``memoryview(capture)``, ``count`` rows of it are filled.
    """

    cdef Row *rows
    cdef readonly size_t capacity
    cdef size_t bytes_
    cdef readonly size_t count
    cdef Buffer buffers[MAX_BUFFERS]
    cdef readonly int buffer_count
    cdef int turn  # the buffer that collect() visited last
    cdef readonly size_t mapped_bytes
    cdef object epoll
    cdef int wake_fd
    cdef readonly int stopping
    cdef readonly uint64_t stopped_ns  # when stop() was called; 0: not yet
    cdef int running  # run() reads the buffers
    cdef volatile uint64_t stall_from_ns
    cdef volatile uint64_t stall_ns
    cdef uint64_t cost_ns
    cdef volatile int more_to_do  # late_ns, cost_ns or a stall is set
    cdef readonly uint64_t overflow       # records that found the array full
    cdef readonly uint64_t malformed      # records too short for the layout
    cdef readonly uint64_t lost_told      # sum of PERF_RECORD_LOST, or what libbcc reported
    cdef readonly uint64_t wakeups_taken  # returns of epoll_wait after which something was read
    cdef readonly uint64_t empty_polls    # buffers reported readable, but nothing could be read
    cdef readonly uint64_t misdated       # visits whose last record claims to be delivered later
    cdef uint64_t late_ns
    cdef uint64_t entered_ns              # of the last wait
    cdef uint64_t returned_ns
    cdef readonly uint64_t late_count     # records that waited late_ns or longer
    cdef Late late[MOST_LATE]
    cdef readonly uint64_t cpu_ns         # of the consuming thread, while it ran
    cdef readonly uint64_t voluntary_switches
    cdef readonly uint64_t involuntary_switches
    cdef Sample samples[MOST_SAMPLES]
    cdef readonly size_t sample_count
    cdef uint64_t sample_stride  # passes from one sample to the next
    cdef uint64_t passes
    cdef Py_ssize_t shape[1]
    cdef Py_ssize_t strides[1]

    def __cinit__(self, size_t capacity):
        cdef void *memory
        self.wake_fd = -1
        if capacity < 1 or capacity > (<size_t>1 << 36):
            raise ValueError("capacity out of range")
        self.capacity = capacity
        self.bytes_ = (capacity * ROW_BYTES + 4095) & ~<size_t>4095
        memory = mmap(NULL, self.bytes_, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0)
        if is_failed(memory):
            raise MemoryError(f"no memory for a capture of {capacity} records")
        self.rows = <Row *>memory
        self.sample_stride = 1
        self.epoll = select.epoll()
        self.wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.epoll.register(self.wake_fd, select.EPOLLIN)

    def __dealloc__(self):
        self.unmap_all()
        if self.wake_fd >= 0:
            os.close(self.wake_fd)
        if self.rows != NULL:
            munmap(self.rows, self.bytes_)

    def __getbuffer__(self, Py_buffer *view, int flags):
        self.shape[0] = self.capacity * ROW_BYTES
        self.strides[0] = 1
        view.buf = self.rows
        view.format = "B"
        view.internal = NULL
        view.itemsize = 1
        view.len = self.capacity * ROW_BYTES
        view.ndim = 1
        view.obj = self
        view.readonly = 0
        view.shape = self.shape
        view.strides = self.strides
        view.suboffsets = NULL

    # -- buffers ------------------------------------------------------------------------------

    def add_ring(self, int fd, size_t data_bytes):
        """Map the ring buffer of map ``fd``; OSError from mmap."""
        cdef Buffer *new = self.slot()
        new.is_ring = True
        new.mask = data_bytes - 1
        new.first_bytes = 4096
        new.first = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
        if is_failed(new.first):
            raise OSError(errno, os.strerror(errno), "consumer page of a ring buffer")
        # The kernel maps the data twice in a row: a record never wraps.
        new.second_bytes = 4096 + 2 * data_bytes
        new.second = mmap(NULL, new.second_bytes, PROT_READ, MAP_SHARED, fd, 4096)
        if is_failed(new.second):
            code = errno
            munmap(new.first, 4096)
            raise OSError(code, os.strerror(code), "data pages of a ring buffer")
        new.consumed = <uint64_t *>new.first
        new.produced = <uint64_t *>new.second
        new.data = <uint8_t *>new.second + 4096
        self.added(fd)

    def add_perf(self, int fd, size_t data_bytes):
        """Map the perf buffer of event ``fd``; OSError from mmap."""
        cdef Buffer *new = self.slot()
        new.is_ring = False
        new.mask = data_bytes - 1
        new.first_bytes = 4096 + data_bytes
        new.second = NULL
        new.second_bytes = 0
        new.first = mmap(NULL, new.first_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
        if is_failed(new.first):
            raise OSError(errno, os.strerror(errno), "pages of a perf buffer")
        new.produced = <uint64_t *>(<uint8_t *>new.first + PERF_DATA_HEAD)
        new.consumed = <uint64_t *>(<uint8_t *>new.first + PERF_DATA_TAIL)
        new.data = <uint8_t *>new.first + 4096
        self.added(fd)

    cdef Buffer *slot(self) except NULL:
        if self.buffer_count == MAX_BUFFERS:
            raise ValueError(f"more than {MAX_BUFFERS} buffers")
        return &self.buffers[self.buffer_count]

    cdef added(self, int fd):
        cdef Buffer *new = &self.buffers[self.buffer_count]
        self.mapped_bytes += new.first_bytes + new.second_bytes
        self.buffer_count += 1
        self.epoll.register(fd, select.EPOLLIN)

    cdef unmap_all(self):
        cdef Buffer *old
        # Also on Ctrl-C: buffers stay mapped while run() reads them.
        if load_acquire_int(&self.running):
            self.stop()
            with nogil:
                while load_acquire_int(&self.running):
                    pause_ms(1)
        while self.buffer_count:
            self.buffer_count -= 1
            old = &self.buffers[self.buffer_count]
            munmap(old.first, old.first_bytes)
            if old.second != NULL:
                munmap(old.second, old.second_bytes)

    def unmap(self):
        """Unmap all buffers; the records stay."""
        self.unmap_all()

    def reset(self):
        """Forget all records and settings; the array stays."""
        self.unmap_all()
        self.epoll.close()
        os.close(self.wake_fd)
        self.epoll = select.epoll()
        self.wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.epoll.register(self.wake_fd, select.EPOLLIN)
        self.mapped_bytes = 0
        self.count = self.overflow = self.malformed = self.lost_told = 0
        self.wakeups_taken = self.empty_polls = self.misdated = self.cpu_ns = 0
        self.late_ns = self.late_count = self.entered_ns = self.returned_ns = 0
        self.voluntary_switches = self.involuntary_switches = 0
        self.stall_from_ns = self.stall_ns = self.cost_ns = 0
        self.more_to_do = 0
        self.sample_count = self.passes = 0
        self.sample_stride = 1
        self.stopping = 0
        self.stopped_ns = 0

    # -- draining -----------------------------------------------------------------------------

    def run(self, *, int poll, uint64_t interval_ns=0, uint64_t cost_ns=0, uint64_t late_ns=0):
        """Drain until ``stop``, then until all buffers are empty.

        ``poll``: EPOLL, BUSY, TIMED with a sleep of ``interval_ns`` between drains, or STOPPED:
        nothing is read before ``stop``.
        ``cost_ns``: spent on each record, as a slower consumer would.
        ``late_ns``: note the wait that ended before each record that is delivered so long after
        its kernel timestamp; 0: none.
        """
        cdef int epoll_fd = self.epoll.fileno()
        cdef uint64_t cpu_before, voluntary, involuntary, voluntary_after, involuntary_after
        cdef uint64_t read
        cdef int stopping, readable = 0
        self.cost_ns = cost_ns
        self.late_ns = late_ns
        if cost_ns or late_ns:  # stall() may have been called before
            self.more_to_do = 1
        store_release_int(&self.running, 1)
        with nogil:
            cpu_before = thread_cpu_ns()
            thread_switches(&voluntary, &involuntary)
            if poll == 3:
                wait_for(self.wake_fd)
            while True:
                # Loaded before the buffers are visited: a thread without the CPU may miss a
                # whole storm between a visit that finds nothing and its next step.
                stopping = load_acquire_int(&self.stopping)
                self.sample()
                read = self.drain_once()
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
                if poll == 0:
                    readable = self.wait(epoll_fd)
                elif poll == 1:
                    relax()
                else:
                    sleep_until_ns(monotonic_ns() + interval_ns, self.wake_fd)
            thread_switches(&voluntary_after, &involuntary_after)
            self.cpu_ns = thread_cpu_ns() - cpu_before
            self.voluntary_switches = voluntary_after - voluntary
            self.involuntary_switches = involuntary_after - involuntary
            store_release_int(&self.running, 0)

    cdef int wait(self, int epoll_fd) noexcept nogil:
        """Wait for a record or ``stop``; return how many buffers were reported readable."""
        cdef int readable
        if not self.late_ns:
            return wait_readable(epoll_fd, -1, self.wake_fd)
        self.entered_ns = monotonic_ns()
        readable = wait_readable(epoll_fd, -1, self.wake_fd)
        self.returned_ns = monotonic_ns()
        return readable

    def collect(self, int timeout_ms):
        """Wait up to ``timeout_ms``, read from row 0 on, and return the number of rows read.

        No more is taken out of the buffers than there are rows: the next call goes on with the
        buffer after the last one visited. 0 rows: there was nothing to read.
        """
        cdef int epoll_fd = self.epoll.fileno()
        with nogil:
            self.count = 0
            if not self.fill_rows():
                wait_readable(epoll_fd, timeout_ms, self.wake_fd)
                self.fill_rows()
        return self.count

    cdef size_t fill_rows(self) noexcept nogil:
        """Visit each buffer once, as long as there are rows; again if that gave no record."""
        cdef int visited
        cdef uint64_t read
        while True:
            read = 0
            for visited in range(self.buffer_count):
                if self.count == self.capacity:
                    break
                self.turn = (self.turn + 1) % self.buffer_count
                read += self.visit(self.turn, min(<uint64_t>RECORDS_PER_VISIT,
                                                  <uint64_t>(self.capacity - self.count)))
            if self.count or not read:
                return self.count

    def stop(self):
        """Make ``run`` end once the buffers are empty."""
        self.stopped_ns = monotonic_ns()
        self.stopping = 1
        os.eventfd_write(self.wake_fd, 1)

    def stall(self, uint64_t from_ns, uint64_t stall_ns):
        """Read nothing for ``stall_ns``, once.

        It begins with the first of the storm's own records that is read at ``from_ns``
        (CLOCK_MONOTONIC) or later, so that a storm cannot begin after it is over.
        """
        self.stall_from_ns = from_ns
        self.stall_ns = stall_ns
        self.more_to_do = 1

    def spend(self, uint64_t cost_ns):
        """Spend so much on each record that libbcc's readers deliver."""
        self.cost_ns = cost_ns
        self.more_to_do = 1

    cdef void sample(self) noexcept nogil:
        """Note how full the buffers are, at most MOST_SAMPLES times, evenly over the passes."""
        cdef int index
        cdef uint64_t used = 0
        cdef size_t kept
        self.passes += 1
        if self.passes % self.sample_stride:
            return
        if self.sample_count == MOST_SAMPLES:
            for kept in range(MOST_SAMPLES // 2):
                self.samples[kept] = self.samples[2 * kept + 1]
            self.sample_count = MOST_SAMPLES // 2
            self.sample_stride *= 2
            return
        for index in range(self.buffer_count):
            used += (load_acquire64(self.buffers[index].produced)
                     - self.buffers[index].consumed[0])
        self.samples[self.sample_count].time_ns = monotonic_ns()
        self.samples[self.sample_count].used_bytes = used
        self.sample_count += 1

    def occupancy(self):
        """Return the samples as bytes: pairs of uint64, CLOCK_MONOTONIC ns and unread bytes."""
        return (<const char *>self.samples)[:self.sample_count * sizeof(Sample)]

    def late_records(self):
        """Return rows of late records and the wait before each as bytes: triples of uint64."""
        return (<const char *>self.late)[:min(self.late_count, MOST_LATE) * sizeof(Late)]

    cdef uint64_t drain_once(self) noexcept nogil:
        """Visit each buffer once; return the records read."""
        cdef int index
        cdef uint64_t read = 0
        for index in range(self.buffer_count):
            read += self.visit(index, RECORDS_PER_VISIT)
        return read

    cdef inline uint64_t visit(self, int index, uint64_t most) noexcept nogil:
        """Read up to ``most`` records of one buffer."""
        cdef uint64_t read
        if self.buffers[index].is_ring:
            read = self.visit_ring(&self.buffers[index], most)
        else:
            read = self.visit_perf(&self.buffers[index], most)
        if read and self.count and self.rows[self.count - 1].delivered_ns > monotonic_ns():
            self.misdated += 1
        return read

    cdef inline Row *next_row(self) noexcept nogil:
        if self.count < self.capacity:
            self.count += 1
            return &self.rows[self.count - 1]
        self.overflow += 1
        return NULL

    cdef inline void finish(self, Row *row, uint32_t arrived_bytes) noexcept nogil:
        row.arrived_bytes = arrived_bytes
        row.delivered_ns = monotonic_ns()
        if self.more_to_do:
            self.do_more(row)

    cdef void do_more(self, Row *row) noexcept nogil:
        """Do what few consumers need, apart, so that the others pay one branch for it."""
        cdef uint64_t until
        if self.late_ns:
            self.note_if_late(row)
        if self.cost_ns:
            until = row.delivered_ns + self.cost_ns
            while monotonic_ns() < until:
                relax()
        if self.stall_ns and not self.stopping and is_own(row.record):
            if row.delivered_ns >= self.stall_from_ns:
                sleep_until_ns(row.delivered_ns + self.stall_ns, self.wake_fd)
                self.stall_ns = 0

    cdef void note_if_late(self, Row *row) noexcept nogil:
        cdef Late *late
        if row.delivered_ns < timestamp_of(row.record) + self.late_ns:
            return
        if self.late_count < MOST_LATE:
            late = &self.late[self.late_count]
            late.row = row - self.rows
            late.entered_ns = self.entered_ns
            late.returned_ns = self.returned_ns
        self.late_count += 1

    cdef uint64_t visit_ring(self, Buffer *ring, uint64_t most) noexcept nogil:
        """Read up to ``most`` records of a ring buffer; return how many, discarded ones included.

        kernel/bpf/ringbuf.c: __bpf_ringbuf_reserve() stores a header with BUSY before it publishes
        producer_pos by smp_store_release(), and bpf_ringbuf_commit() clears BUSY by xchg() after
        the record is written. So up to an acquired producer_pos every header is valid, and a
        record is whole once its acquired header is not BUSY. The kernel's reserve reads
        consumer_pos by smp_load_acquire(): the release below orders the copy before its reuse.
        Reserve refuses a record larger than the data, which are mapped twice in a row: no copy
        within a record's length leaves the mapping.
        """
        cdef uint64_t position = ring.consumed[0]  # written by this thread alone
        cdef uint64_t end = load_acquire64(ring.produced)
        cdef uint64_t read = 0
        cdef uint32_t header, bytes_, length
        cdef uint8_t *record
        cdef Row *row
        while position < end and read < most:
            record = ring.data + (position & ring.mask)
            header = load_acquire32(<uint32_t *>record)
            if header & RING_BUSY:
                break  # reserved, not yet submitted: later records wait behind it
            bytes_ = header & ~RING_DISCARD
            if not header & RING_DISCARD:
                record += RING_HEADER
                if bytes_ < RECORD_BYTES:
                    self.malformed += 1
                else:
                    row = self.next_row()
                    if row != NULL:
                        memcpy(row.record, record, RECORD_BYTES)
                        length = length_of(row.record)
                        row.tail = 0
                        if length > RECORD_BYTES and length <= bytes_:
                            row.tail = (<uint32_t *>(record + length - 4))[0]
                        self.finish(row, bytes_)
            position += (bytes_ + RING_HEADER + 7) & ~<uint64_t>7
            store_release64(ring.consumed, position)
            read += 1
        return read

    cdef uint64_t visit_perf(self, Buffer *perf, uint64_t most) noexcept nogil:
        """Read up to ``most`` records of a perf buffer; return how many.

        kernel/events/ring_buffer.c: perf_output_put_handle() stores data_head after smp_wmb(), when
        no writer of its CPU is nested any more: up to an acquired data_head every record is
        whole. __perf_output_begin() reads data_tail before it writes (a control dependency), so
        that the release below orders the copy before the space is written again. Records wrap at
        any multiple of 8 bytes: copies are split there, and 8 bytes at such a place never are.
        """
        cdef uint64_t position = perf.consumed[0]  # written by this thread alone
        cdef uint64_t end = load_acquire64(perf.produced)
        cdef uint64_t read = 0
        cdef uint64_t header  # u32 type, u16 misc, u16 size; 8 bytes never wrap
        cdef uint32_t kind, size, bytes_, length
        cdef Row *row
        while position < end and read < most:
            header = (<uint64_t *>(perf.data + (position & perf.mask)))[0]
            kind = <uint32_t>header
            size = <uint32_t>(header >> 48)
            if kind == PERF_RECORD_SAMPLE:
                bytes_ = (<uint32_t *>(perf.data + ((position + 8) & perf.mask)))[0]
                if bytes_ < RECORD_BYTES:
                    self.malformed += 1
                else:
                    row = self.next_row()
                    if row != NULL:
                        copy_wrapped(row.record, perf, position + 12, RECORD_BYTES)
                        length = length_of(row.record)
                        row.tail = 0
                        if length > RECORD_BYTES and length <= bytes_:
                            copy_wrapped(<uint8_t *>&row.tail, perf, position + 12 + length - 4, 4)
                        self.finish(row, bytes_)
            elif kind == PERF_RECORD_LOST:
                self.lost_told += (<uint64_t *>(perf.data + ((position + 16) & perf.mask)))[0]
            elif size < 8:  # not a perf record at all: nothing behind it can be found
                self.malformed += 1
                size = end - position
            position += size
            store_release64(perf.consumed, position)
            read += 1
        return read

    # -- libbcc's readers call these ----------------------------------------------------------

    @property
    def address(self):
        """Return the context for the callbacks."""
        return <uintptr_t><void *>self

    def account(self, uint64_t wakeups_taken, uint64_t cpu_ns, uint64_t voluntary,
                uint64_t involuntary):
        """Enter the use of libbcc's readers."""
        self.wakeups_taken = wakeups_taken
        self.cpu_ns = cpu_ns
        self.voluntary_switches = voluntary
        self.involuntary_switches = involuntary

    cdef void tell_lost(self, uint64_t lost) noexcept nogil:
        self.lost_told += lost

    cdef void append(self, const uint8_t *record, uint32_t bytes_) noexcept nogil:
        cdef uint32_t length
        cdef Row *row
        if bytes_ < RECORD_BYTES:
            self.malformed += 1
            return
        row = self.next_row()
        if row != NULL:
            memcpy(row.record, record, RECORD_BYTES)
            length = length_of(row.record)
            row.tail = 0
            if length > RECORD_BYTES and length <= bytes_:
                row.tail = (<const uint32_t *>(record + length - 4))[0]
            self.finish(row, bytes_)


cdef inline void copy_wrapped(uint8_t *target, Buffer *perf, uint64_t position,
                              uint64_t count) noexcept nogil:
    cdef uint64_t start = position & perf.mask
    cdef uint64_t first = perf.mask + 1 - start
    if first >= count:
        if count == RECORD_BYTES:
            memcpy(target, perf.data + start, RECORD_BYTES)
        else:
            memcpy(target, perf.data + start, count)
    else:
        memcpy(target, perf.data + start, first)
        memcpy(target + first, perf.data, count - first)


cdef int on_ring_sample(void *context, void *data, size_t size) noexcept nogil:
    (<Capture>context).append(<const uint8_t *>data, <uint32_t>size)
    return 0


cdef void on_perf_sample(void *context, void *data, int size) noexcept nogil:
    (<Capture>context).append(<const uint8_t *>data, <uint32_t>size)


cdef void on_perf_lost(void *context, uint64_t lost) noexcept nogil:
    (<Capture>context).tell_lost(lost)


RING_CALLBACK = <uintptr_t>&on_ring_sample
PERF_CALLBACK = <uintptr_t>&on_perf_sample
LOST_CALLBACK = <uintptr_t>&on_perf_lost
