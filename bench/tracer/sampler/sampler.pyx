# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The sampler. All its mappings are read-only: the kernel itself keeps it from writing."""

from collections import namedtuple

from cpython.exc cimport PyErr_SetFromErrnoWithFilename
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

cdef extern from "sys/mman.h":
    void *mmap(void *, size_t, int, int, int, long)
    int munmap(void *, size_t)
    int PROT_READ, MAP_SHARED
    void *MAP_FAILED

cdef extern from "capture.h" nogil:
    uint64_t monotonic_ns()
    uint64_t thread_cpu_ns()
    void sleep_until_ns(uint64_t when, int fd)
    uint64_t load64 "load_acquire"(const uint64_t *place)
    int load_int "load_acquire"(const int *place)
    void store_int "store_release"(int *place, int value)

cdef extern from "linux/perf_event.h":
    struct perf_event_mmap_page:
        unsigned long long data_head
        unsigned long long data_tail

cdef enum:
    PAGE = 4096
    MOST_BUFFERS = 1024
    STEPS = 256           # of how full a buffer is
    LENGTHS = 256         # different lengths of records that are counted apart
    BINS = 8192           # of time; when they are full, every two become one
    HEADER = 8            # of a ring's record, and of perf's
    BUSY_OR_DISCARDED = 0xC0000000  # BPF_RINGBUF_BUSY_BIT and BPF_RINGBUF_DISCARD_BIT
    DISCARDED = 0x40000000
    CHECK_EVERY = 64      # samples, of what sampling takes
    PERF_RECORD_LOST = 2
    PERF_RECORD_SAMPLE = 9

cdef uint64_t PEAK_NS = 100000000  # the peak rate is over so long
cdef uint64_t FIRST_BIN_NS = 10000000

cdef struct Buffer:
    bint is_ring
    uint8_t *data
    uint64_t size
    const uint64_t *produced
    const uint64_t *consumed
    void *mappings[2]
    size_t lengths_bytes[2]
    uint64_t walked          # up to where records were counted
    uint64_t first
    uint64_t samples
    uint64_t used
    uint64_t peak
    uint64_t filled[STEPS + 1]
    uint64_t records
    uint64_t uncounted       # bytes whose records were gone before they were counted
    uint64_t discarded
    uint64_t lost
    uint64_t last_consumed
    uint64_t away_since      # 0: it has read all there was, or moves
    uint64_t absence
    uint64_t window_begin
    uint64_t window_bytes
    double peak_rate
    uint32_t length[LENGTHS]
    uint64_t of_length[LENGTHS]
    int length_count
    uint64_t bin_bytes[BINS]
    uint64_t bin_records[BINS]

Seen = namedtuple("Seen", (
    "samples", "used_bytes", "peak_bytes", "p99_bytes", "produced_bytes", "records",
    "uncounted_bytes", "discarded", "lost", "absence_ns", "peak_bytes_per_s", "lengths"))


cdef inline void count_length(Buffer *buffer, uint32_t length) noexcept nogil:
    cdef int place
    for place in range(buffer.length_count):
        if buffer.length[place] == length:
            buffer.of_length[place] += 1
            return
    if buffer.length_count < LENGTHS:
        buffer.length[buffer.length_count] = length
        buffer.of_length[buffer.length_count] = 1
        buffer.length_count += 1


cdef inline uint64_t walk_ring(Buffer *buffer, uint64_t end) noexcept nogil:
    """Count records up to ``end``; return where it came to.

    kernel/bpf/ringbuf.c, __bpf_ringbuf_reserve(): a header is written before the producer's
    position moves over it.
    """
    cdef uint64_t place = buffer.walked
    cdef uint32_t header, length
    while place < end:
        header = (<const uint32_t *>(buffer.data + (place & (buffer.size - 1))))[0]
        length = header & ~<uint32_t>BUSY_OR_DISCARDED
        if length > buffer.size:
            break
        if header & DISCARDED:
            buffer.discarded += 1
        buffer.records += 1
        count_length(buffer, length)
        place += (length + HEADER + 7) & ~<uint64_t>7
    return place


cdef inline uint64_t walk_perf(Buffer *buffer, uint64_t end) noexcept nogil:
    """The same of a perf buffer, whose records may say that others were lost."""
    cdef uint64_t place = buffer.walked
    cdef uint8_t *record
    cdef uint16_t length
    cdef uint32_t kind
    while place < end:
        record = buffer.data + (place & (buffer.size - 1))
        kind = (<const uint32_t *>record)[0]
        length = (<const uint16_t *>(record + 6))[0]
        if length < HEADER:
            break
        if kind == PERF_RECORD_LOST:  # header, id, lost; it may wrap between the two
            buffer.lost += (<const uint64_t *>(
                buffer.data + ((place + 16) & (buffer.size - 1))))[0]
        elif kind == PERF_RECORD_SAMPLE:
            buffer.records += 1
            count_length(buffer, length)
        place += length
    return place


cdef class Sampler:
    """Up to 1,024 buffers, and what was seen of each. Unmapped when it is let go."""

    cdef Buffer *buffers
    cdef int count
    cdef int stopping
    cdef uint64_t begun_ns
    cdef uint64_t bin_ns
    cdef readonly uint64_t interval_ns  # as it is now

    def __cinit__(self):
        self.bin_ns = FIRST_BIN_NS
        self.buffers = <Buffer *>calloc(MOST_BUFFERS, sizeof(Buffer))
        if self.buffers == NULL:
            raise MemoryError

    def __dealloc__(self):
        cdef int index, part
        if self.buffers == NULL:
            return
        for index in range(self.count):
            for part in range(2):
                if self.buffers[index].mappings[part] != NULL:
                    munmap(self.buffers[index].mappings[part],
                           self.buffers[index].lengths_bytes[part])
        free(self.buffers)

    cdef void *map_pages(self, int fd, size_t length, long offset) except NULL:
        cdef void *pages = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, offset)
        if pages == MAP_FAILED:
            PyErr_SetFromErrnoWithFilename(OSError, "pages of a buffer")
        return pages

    cdef Buffer *fresh(self) except NULL:
        if self.count == MOST_BUFFERS:
            raise ValueError("more buffers than can be watched at once")
        return &self.buffers[self.count]

    cdef int begin(self, Buffer *buffer) except -1:
        buffer.walked = buffer.first = load64(buffer.produced)
        buffer.last_consumed = load64(buffer.consumed)
        self.count += 1
        return self.count - 1

    def add_ring(self, int fd, size_t data_bytes):
        """Map the ring buffer of map ``fd``; return its index. OSError from mmap."""
        cdef Buffer *buffer = self.fresh()
        cdef void *own = self.map_pages(fd, PAGE, 0)
        cdef void *kernels
        buffer.mappings[0], buffer.lengths_bytes[0] = own, PAGE
        try:
            kernels = self.map_pages(fd, PAGE + 2 * data_bytes, PAGE)
        except OSError:
            munmap(own, PAGE)
            buffer.mappings[0] = NULL
            raise
        buffer.mappings[1], buffer.lengths_bytes[1] = kernels, PAGE + 2 * data_bytes
        buffer.is_ring, buffer.size = True, data_bytes
        buffer.data = <uint8_t *>kernels + PAGE
        buffer.consumed, buffer.produced = <const uint64_t *>own, <const uint64_t *>kernels
        return self.begin(buffer)

    def add_perf(self, int fd, size_t data_bytes):
        """Map the buffer that the perf event ``fd`` has already; return its index. OSError."""
        cdef Buffer *buffer = self.fresh()
        cdef perf_event_mmap_page *head = <perf_event_mmap_page *>self.map_pages(
            fd, PAGE + data_bytes, 0)
        buffer.mappings[0], buffer.lengths_bytes[0] = <void *>head, PAGE + data_bytes
        buffer.size = data_bytes
        buffer.data = <uint8_t *>head + PAGE
        buffer.produced = <const uint64_t *>&head.data_head
        buffer.consumed = <const uint64_t *>&head.data_tail
        return self.begin(buffer)

    def run(self, *, uint64_t interval_ns, uint64_t until_ns, double most_cpu=1.0):
        """Sample every ``interval_ns`` until CLOCK_MONOTONIC ``until_ns``, or until ``stop``.

        More seldom where that would take more than ``most_cpu`` of a CPU: being woken alone takes
        some microseconds, in a virtual machine ten or more.
        """
        cdef uint64_t due, checked, cpu_ns, samples = 0
        cdef double share
        if not self.begun_ns:
            self.begun_ns = monotonic_ns()
        self.interval_ns = interval_ns
        with nogil:
            due = checked = monotonic_ns()
            cpu_ns = thread_cpu_ns()
            while due < until_ns and not load_int(&self.stopping):
                self.sample(monotonic_ns())
                samples += 1
                if samples % CHECK_EVERY == 0:
                    share = <double>(thread_cpu_ns() - cpu_ns) / (monotonic_ns() - checked)
                    cpu_ns, checked = thread_cpu_ns(), monotonic_ns()
                    if share > most_cpu:
                        self.interval_ns = <uint64_t>(self.interval_ns * share / most_cpu)
                    elif share < most_cpu / 2 and self.interval_ns > interval_ns:
                        self.interval_ns = max(interval_ns, self.interval_ns // 2)
                due = max(due + self.interval_ns, monotonic_ns())
                sleep_until_ns(min(due, until_ns), -1)

    def stop(self):
        """Make ``run`` end within an interval."""
        store_int(&self.stopping, 1)

    cdef void sample(self, uint64_t now) noexcept nogil:
        cdef uint64_t bin = (now - self.begun_ns) // self.bin_ns
        cdef int index, kept
        if bin >= BINS:
            for index in range(self.count):
                for kept in range(BINS // 2):
                    self.buffers[index].bin_bytes[kept] = (
                        self.buffers[index].bin_bytes[2 * kept]
                        + self.buffers[index].bin_bytes[2 * kept + 1])
                    self.buffers[index].bin_records[kept] = (
                        self.buffers[index].bin_records[2 * kept]
                        + self.buffers[index].bin_records[2 * kept + 1])
                for kept in range(BINS // 2, BINS):
                    self.buffers[index].bin_bytes[kept] = 0
                    self.buffers[index].bin_records[kept] = 0
            self.bin_ns *= 2
            bin //= 2
        for index in range(self.count):
            self.sample_one(&self.buffers[index], now, bin)

    cdef void sample_one(self, Buffer *buffer, uint64_t now, uint64_t bin) noexcept nogil:
        # The consumer's position first: the producer's never falls behind it.
        cdef uint64_t consumed = load64(buffer.consumed), produced = load64(buffer.produced)
        cdef uint64_t before = buffer.walked, records = buffer.records, moved = produced - before
        buffer.used = min(produced - consumed, buffer.size)
        buffer.peak = max(buffer.peak, buffer.used)
        buffer.filled[buffer.used * STEPS // buffer.size] += 1
        buffer.samples += 1
        if consumed != buffer.last_consumed or not buffer.used:
            buffer.away_since = 0
        elif not buffer.away_since:
            buffer.away_since = now
        else:
            buffer.absence = max(buffer.absence, now - buffer.away_since)
        buffer.last_consumed = consumed
        if moved > buffer.size:
            buffer.uncounted += moved
        elif moved:
            if buffer.is_ring:
                walk_ring(buffer, produced)
            else:
                walk_perf(buffer, produced)
            if load64(buffer.produced) - before > buffer.size:  # overwritten meanwhile
                buffer.records = records
                buffer.uncounted += moved
        buffer.walked = produced
        buffer.bin_bytes[bin] += moved
        buffer.bin_records[bin] += buffer.records - records
        if not buffer.window_begin or now - buffer.window_begin >= PEAK_NS:
            if buffer.window_begin:
                buffer.peak_rate = max(buffer.peak_rate,
                                       1e9 * buffer.window_bytes / (now - buffer.window_begin))
            buffer.window_begin, buffer.window_bytes = now, 0
        buffer.window_bytes += moved

    def seen(self, int index):
        """Return what was seen of one buffer so far."""
        cdef Buffer *buffer
        cdef uint64_t reached = 0
        cdef int step, place
        if not 0 <= index < self.count:
            raise IndexError(index)
        buffer = &self.buffers[index]
        for step in range(STEPS, -1, -1):
            reached += buffer.filled[step]
            if 100 * reached > buffer.samples:
                break
        return Seen(
            buffer.samples, buffer.used, buffer.peak,
            min(buffer.peak, (step + 1) * buffer.size // STEPS) if buffer.peak else 0,
            buffer.walked - buffer.first, buffer.records, buffer.uncounted, buffer.discarded,
            buffer.lost, buffer.absence, buffer.peak_rate,
            {buffer.length[place]: buffer.of_length[place]
             for place in range(buffer.length_count)})

    def bins(self, int index):
        """Return the length of a bin in ns, and bytes and records of each so far."""
        cdef Buffer *buffer
        cdef uint64_t now = monotonic_ns()
        cdef int last, place
        if not 0 <= index < self.count:
            raise IndexError(index)
        buffer = &self.buffers[index]
        last = min(BINS, (now - self.begun_ns) // self.bin_ns + 1) if self.begun_ns else 0
        return (self.bin_ns, [buffer.bin_bytes[place] for place in range(last)],
                [buffer.bin_records[place] for place in range(last)])
