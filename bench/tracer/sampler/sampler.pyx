# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Sample others' buffers, mapped read-only: the kernel itself keeps it from writing.

Perf buffers are sampled by the thread that runs it; ring buffers too, unless the kernel samples
them (bench.tracer.sampler.timer).
"""

import select
from collections import namedtuple

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from bench.tracer.capture.buffers cimport (
    BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT, BPF_RINGBUF_HDR_SZ, PERF_HEADER_BYTES,
    PERF_RECORD_LOST, PERF_RECORD_SAMPLE, PROT_READ, PROT_WRITE, Buffer, lost_at, map_perf,
    map_ring, ring_step, unmap,
)
from bench.tracer.capture.shims cimport (
    load32, load64, load_int, monotonic_ns, sleep_until_ns, store64, store_int, thread_cpu_ns,
    wait_readable,
)

cdef enum:
    MOST_BUFFERS = 1024
    STEPS = 256           # of how full a buffer is
    LENGTHS = 256         # different lengths of records that are counted apart
    BINS = 8192           # of time; when they are full, every two become one
    CHECK_EVERY = 64      # looks, of what they take
    LOOK_MS = 100         # at least so often samples of the kernel are read
    RARE_NS = 1000000000  # over so long they have to be half as many as asked for

cdef uint64_t PEAK_NS = 100000000  # the peak rate is over so long
cdef uint64_t FIRST_BIN_NS = 10000000

LOOK_NS = 1_000_000 * LOOK_MS

cdef struct Watched:
    Buffer buffer
    bint by_kernel           # the kernel samples it, not the thread
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


cdef inline void count_length(Watched *watched, uint32_t length) noexcept nogil:
    cdef int place
    for place in range(watched.length_count):
        if watched.length[place] == length:
            watched.of_length[place] += 1
            return
    if watched.length_count < LENGTHS:
        watched.length[watched.length_count] = length
        watched.of_length[watched.length_count] = 1
        watched.length_count += 1


cdef inline void halve(uint64_t *bins) noexcept nogil:
    """Make every two bins one, and clear the upper half."""
    cdef int kept
    for kept in range(BINS // 2):
        bins[kept] = bins[2 * kept] + bins[2 * kept + 1]
    memset(bins + BINS // 2, 0, BINS // 2 * sizeof(uint64_t))


cdef inline void walk_ring(Watched *watched, uint64_t end) noexcept nogil:
    """Count records up to ``end``.

    kernel/bpf/ringbuf.c, __bpf_ringbuf_reserve(): a header is written before the producer's
    position moves over it.
    """
    cdef Buffer *ring = &watched.buffer
    cdef uint64_t place = watched.walked
    cdef uint32_t header, length
    while place < end:
        header = (<const uint32_t *>(ring.data + (place & ring.mask)))[0]
        length = header & ~<uint32_t>(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT)
        if length > ring.mask:
            break
        if header & BPF_RINGBUF_DISCARD_BIT:
            watched.discarded += 1
        watched.records += 1
        count_length(watched, length)
        place += ring_step(length)


cdef inline void walk_perf(Watched *watched, uint64_t end) noexcept nogil:
    """Count records of a perf buffer, some of which may say that others were lost."""
    cdef Buffer *perf = &watched.buffer
    cdef uint64_t place = watched.walked
    cdef uint8_t *record
    cdef uint16_t length
    cdef uint32_t kind
    while place < end:
        record = perf.data + (place & perf.mask)
        kind = (<const uint32_t *>record)[0]
        length = (<const uint16_t *>(record + 6))[0]
        if length < PERF_HEADER_BYTES or length & 7:  # overwritten meanwhile
            break
        if kind == PERF_RECORD_LOST:
            watched.lost += lost_at(perf, place)
        elif kind == PERF_RECORD_SAMPLE:
            watched.records += 1
            count_length(watched, length)
        place += length


cdef struct Positions:
    uint64_t place           # of the buffer in the sampler
    uint64_t consumed
    uint64_t produced


cdef struct Sample:
    uint64_t kernel_ns
    Positions positions[1]   # or more: as many as the record is long


cdef class Sampler:
    """Sample up to 1,024 buffers, and keep what was seen of each. Unmapped when it is let go."""

    cdef Watched *buffers
    cdef int count
    cdef int by_thread                  # of them, those that the thread samples
    cdef int stopping
    cdef uint64_t begun_ns
    cdef public uint64_t bin_ns         # doubled whenever the bins are full
    cdef Buffer samples                 # those of the kernel
    cdef uint64_t lead_ns               # of CLOCK_MONOTONIC over its clock
    cdef uint64_t[::1] counted          # by place: up to where records were counted
    cdef object epoll
    cdef int epoll_fd

    def __cinit__(self):
        self.bin_ns = FIRST_BIN_NS
        self.epoll_fd = -1
        self.buffers = <Watched *>calloc(MOST_BUFFERS, sizeof(Watched))
        if self.buffers == NULL:
            raise MemoryError

    def __dealloc__(self):
        while self.count:
            self.count -= 1
            unmap(&self.buffers[self.count].buffer)
        unmap(&self.samples)
        free(self.buffers)

    def add_ring(self, int fd, size_t data_bytes):
        """Map the ring buffer of map ``fd``; return its index. OSError from mmap."""
        map_ring(self.next_buffer(), fd, data_bytes, PROT_READ)
        return self.begin()

    def add_perf(self, int fd, size_t data_bytes):
        """Map the buffer that the perf event ``fd`` has already; return its index. OSError."""
        map_perf(self.next_buffer(), fd, data_bytes, PROT_READ)
        return self.begin()

    cdef Buffer *next_buffer(self) except NULL:
        if self.count == MOST_BUFFERS:
            raise ValueError("more buffers than can be watched at once")
        return &self.buffers[self.count].buffer

    cdef int begin(self) except -1:
        cdef Watched *watched = &self.buffers[self.count]
        watched.walked = watched.first = load64(watched.buffer.produced)
        watched.last_consumed = load64(watched.buffer.consumed)
        watched.window_begin = monotonic_ns()
        self.count += 1
        self.by_thread += 1
        return self.count - 1

    def follow(self, int fd, size_t data_bytes, uint64_t[::1] counted not None,
               int64_t lead_ns):
        """Read the kernel's samples from the ring of map ``fd``; OSError from mmap.

        ``counted`` has an element for each buffer sampled by it, which shows the kernel how far
        records have been counted. ``lead_ns``: of CLOCK_MONOTONIC over the time of a sample.
        """
        map_ring(&self.samples, fd, data_bytes, PROT_READ | PROT_WRITE)
        self.counted, self.lead_ns = counted, lead_ns
        self.epoll = select.epoll()
        # Edge-triggered: samples alone, which come without a wake-up, do not end the wait.
        self.epoll.register(fd, select.EPOLLIN | select.EPOLLET)
        self.epoll_fd = self.epoll.fileno()

    def by_kernel(self, int index):
        """Leave the sampling of a buffer to the kernel."""
        cdef Watched *watched = self.at(index)
        watched.by_kernel = True
        self.by_thread -= 1
        self.counted[index] = watched.walked

    def run(self, *, uint64_t interval_ns, uint64_t until_ns, double most_cpu=1.0):
        """Sample every ``interval_ns`` until CLOCK_MONOTONIC ``until_ns``, or until ``stop``.

        More seldom where that would take more than ``most_cpu`` of a CPU: being woken alone takes
        some microseconds, in a virtual machine ten or more. The kernel's samples are read ten times
        a second, and when it wakes the thread. If they are rare, the thread samples everything: an
        idle CPU of a virtual machine may run timers of perf events a few times a second only.
        """
        cdef uint64_t due, checked, cpu_ns, now, left_ms, looks = 0, gap_ns = interval_ns
        cdef uint64_t samples, before = 0, counted_ns
        cdef double share
        if not self.begun_ns:
            self.begun_ns = monotonic_ns()
        with nogil:
            due = checked = counted_ns = now = monotonic_ns()
            cpu_ns = thread_cpu_ns()
            while now < until_ns and not load_int(&self.stopping):
                self.take()
                if self.epoll_fd >= 0 and now - counted_ns >= RARE_NS:
                    samples = self.by_kernel_so_far()
                    if 2 * (samples - before) * interval_ns < now - counted_ns:
                        self.sample_by_thread()
                    before, counted_ns = samples, now
                self.sample(now, False)
                looks += 1
                if looks % CHECK_EVERY == 0:
                    share = <double>(thread_cpu_ns() - cpu_ns) / (monotonic_ns() - checked)
                    cpu_ns, checked = thread_cpu_ns(), monotonic_ns()
                    if share > most_cpu:
                        gap_ns = <uint64_t>(gap_ns * share / most_cpu)
                    elif share < most_cpu / 2 and gap_ns > interval_ns:
                        gap_ns = max(interval_ns, gap_ns // 2)
                due = max(due + gap_ns, monotonic_ns())
                if not self.by_thread and self.epoll_fd >= 0:
                    left_ms = (until_ns - now) // 1_000_000 + 1
                    wait_readable(self.epoll_fd, <int>min(left_ms, <uint64_t>LOOK_MS), -1)
                if self.by_thread or self.epoll_fd < 0 or gap_ns > interval_ns:
                    sleep_until_ns(min(due, until_ns), -1)
                now = monotonic_ns()
            self.take()
            self.sample(now, True)

    def stop(self):
        """Make ``run`` end within an interval."""
        store_int(&self.stopping, 1)

    cdef uint64_t by_kernel_so_far(self) noexcept nogil:
        """Return the number of samples of a buffer that the kernel samples."""
        cdef int index
        for index in range(self.count):
            if self.buffers[index].by_kernel:
                return self.buffers[index].samples
        return 0

    cdef void sample_by_thread(self) noexcept nogil:
        """Let the thread sample all buffers, and ignore the kernel's samples from now on."""
        cdef int index
        for index in range(self.count):
            self.buffers[index].by_kernel = False
        self.by_thread = self.count
        self.epoll_fd = -1  # no older sample may follow the thread's

    cdef void take(self) noexcept nogil:
        """Add the kernel's samples, and show it how far records are counted."""
        cdef uint64_t place, end, now, bin
        cdef uint32_t length
        cdef Sample *sample
        cdef Positions *each
        cdef int index
        if self.epoll_fd < 0:
            return
        place, end = load64(self.samples.consumed), load64(self.samples.produced)
        while place < end:
            length = load32(<const uint32_t *>(self.samples.data + (place & self.samples.mask)))
            if length & BPF_RINGBUF_BUSY_BIT:
                break
            sample = <Sample *>(self.samples.data + (place & self.samples.mask)
                                + BPF_RINGBUF_HDR_SZ)
            now = max(sample.kernel_ns + self.lead_ns, self.begun_ns)
            bin = self.bin_of(now)
            for index in range(<int>((length - sizeof(uint64_t)) // sizeof(Positions))):
                each = &sample.positions[index]
                self.sample_one(&self.buffers[each.place], now, bin, each.consumed, each.produced)
            place += ring_step(length)
            store64(self.samples.consumed, place)
        for index in range(self.count):
            if self.buffers[index].by_kernel:
                self.counted[index] = self.buffers[index].walked

    cdef void sample(self, uint64_t now, bint everything) noexcept nogil:
        """Sample the buffers that the kernel does not, or everything."""
        cdef uint64_t bin = self.bin_of(now), consumed
        cdef Watched *watched
        cdef int index
        for index in range(self.count):
            watched = &self.buffers[index]
            if everything or not watched.by_kernel:
                # The consumer's position first: the producer's never falls behind it.
                consumed = load64(watched.buffer.consumed)
                self.sample_one(watched, now, bin, consumed, load64(watched.buffer.produced))

    cdef uint64_t bin_of(self, uint64_t now) noexcept nogil:
        """Return the bin of time, of bins that are long enough to have one."""
        cdef uint64_t bin = (now - self.begun_ns) // self.bin_ns
        cdef int index
        while bin >= BINS:  # several times after a stop (Ctrl-Z) longer than all that went before
            for index in range(self.count):
                halve(self.buffers[index].bin_bytes)
                halve(self.buffers[index].bin_records)
            self.bin_ns *= 2
            bin //= 2
        return bin

    cdef void sample_one(self, Watched *watched, uint64_t now, uint64_t bin, uint64_t consumed,
                         uint64_t produced) noexcept nogil:
        cdef uint64_t size = watched.buffer.mask + 1
        cdef uint64_t before = watched.walked, records = watched.records, moved = produced - before
        cdef uint64_t discarded = watched.discarded, lost = watched.lost
        watched.used = min(produced - consumed, size)
        watched.peak = max(watched.peak, watched.used)
        watched.filled[watched.used * STEPS // size] += 1
        watched.samples += 1
        if consumed != watched.last_consumed or not watched.used:
            watched.away_since = 0
        elif not watched.away_since:
            watched.away_since = now
        else:
            watched.absence = max(watched.absence, now - watched.away_since)
        watched.last_consumed = consumed
        if load64(watched.buffer.produced) - before > size:
            watched.uncounted += moved
        elif moved:
            if watched.buffer.is_ring:
                walk_ring(watched, produced)
            else:
                walk_perf(watched, produced)
            if load64(watched.buffer.produced) - before > size:  # overwritten meanwhile
                watched.records, watched.discarded, watched.lost = records, discarded, lost
                watched.uncounted += moved
        watched.walked = produced
        watched.bin_bytes[bin] += moved
        watched.bin_records[bin] += watched.records - records
        watched.window_bytes += moved
        if now - watched.window_begin >= PEAK_NS:
            watched.peak_rate = max(watched.peak_rate,
                                    1e9 * watched.window_bytes / (now - watched.window_begin))
            watched.window_begin, watched.window_bytes = now, 0

    cdef Watched *at(self, int index) except NULL:
        if not 0 <= index < self.count:
            raise IndexError(index)
        return &self.buffers[index]

    def seen(self, int index):
        """Return what was seen of one buffer so far."""
        cdef Watched *watched = self.at(index)
        cdef uint64_t reached = 0, size = watched.buffer.mask + 1
        cdef int step, place
        for step in range(STEPS, -1, -1):
            reached += watched.filled[step]
            if 100 * reached > watched.samples:
                break
        return Seen(
            watched.samples, watched.used, watched.peak,
            min(watched.peak, (step + 1) * size // STEPS) if watched.peak else 0,
            watched.walked - watched.first, watched.records, watched.uncounted, watched.discarded,
            watched.lost, watched.absence, watched.peak_rate,
            {watched.length[place]: watched.of_length[place]
             for place in range(watched.length_count)})

    def bins(self, int index):
        """Return the length of a bin in ns, and bytes and records of each so far."""
        cdef Watched *watched = self.at(index)
        cdef uint64_t now = monotonic_ns()
        cdef int last, place
        last = min(BINS, (now - self.begun_ns) // self.bin_ns + 1) if self.begun_ns else 0
        return (self.bin_ns, [watched.bin_bytes[place] for place in range(last)],
                [watched.bin_records[place] for place in range(last)])
