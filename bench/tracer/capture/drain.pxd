# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Drain all buffers, until stopped or as long as there are rows, and sample how full they are."""

from libc.stdint cimport uint64_t

from bench.tracer.capture.capture cimport MAX_SAMPLES, Capture, Sample, Source
from bench.tracer.capture.consumer cimport wait
from bench.tracer.capture.overwriting cimport visit_overwriting
from bench.tracer.capture.perf cimport visit_perf
from bench.tracer.capture.ring cimport visit_ring
from bench.tracer.capture.rows cimport stamp
from bench.tracer.capture.shims cimport (
    full_barrier, load64, load_int, monotonic_ns, relax, sleep_until_ns, thread_cpu_ns,
    thread_switches,
)

cdef enum:  # in the order of bench.plan.config.Poll
    EPOLL
    BUSY
    TIMED
    STOPPED
    EDGE
    EDGE_BARE

cdef enum:
    RECORDS_PER_VISIT = 4096  # of one buffer, before the next has its turn
    MOST_NS_PER_READ = 1000   # of a timed visit, so that one that was held up does not decide


cdef inline uint64_t visit(Capture capture, int index, uint64_t limit) noexcept nogil:
    """Read up to ``limit`` records of one buffer; return how many."""
    cdef Source *source = &capture.sources[index]
    cdef uint64_t read, ended_ns, begun_ns = monotonic_ns() if capture.timed else 0
    capture.visit_from = capture.count
    capture.stamp_at = capture.count + 1
    if source.overwritten != NULL:
        read = visit_overwriting(capture, source, limit)
    elif source.buffer.is_ring:
        read = visit_ring(capture, source, limit)
    else:
        read = visit_perf(capture, source, limit)
    if read:
        ended_ns = monotonic_ns()
        stamp(capture, ended_ns)
        if capture.count and capture.rows[capture.count - 1].delivered_ns > ended_ns:
            capture.misdated += 1
        if capture.timed:
            source.read_ns += min(ended_ns - begun_ns, MOST_NS_PER_READ * read)
    return read


cdef inline size_t fill_rows(Capture capture) noexcept nogil:
    """Visit each buffer once, as long as there are rows; again if that gave no record."""
    cdef int visited
    cdef uint64_t read = 1
    while read and not capture.count:
        read = 0
        for visited in range(capture.buffer_count):
            if capture.count == capture.capacity:
                break
            capture.turn = (capture.turn + 1) % capture.buffer_count
            read += visit(capture, capture.turn, min(<uint64_t>RECORDS_PER_VISIT,
                                                     <uint64_t>(capture.capacity - capture.count)))
    return capture.count


cdef inline uint64_t unread(Capture capture) noexcept nogil:
    """Return the unread bytes of all buffers.

    The consumer's positions are written by this thread alone. A producer's is read after its
    consumer's, and never falls behind it: the difference is no less than 0.
    """
    cdef Source *source
    cdef int index
    cdef uint64_t consumed, used = 0
    for index in range(capture.buffer_count):
        source = &capture.sources[index]
        consumed = source.buffer.consumed[0]
        if source.overwritten != NULL:
            consumed = max(consumed, load64(source.overwritten))
        used += load64(source.buffer.produced) - consumed
    return used


cdef inline void sample(Capture capture) noexcept nogil:
    """Note the unread bytes: at most MAX_SAMPLES times, evenly over the passes, or their peak."""
    cdef size_t kept
    if capture.tallies:
        capture.peak_bytes = max(capture.peak_bytes, unread(capture))
        return
    capture.passes += 1
    if capture.passes % capture.sample_stride:
        return
    if capture.sample_count == MAX_SAMPLES:
        for kept in range(MAX_SAMPLES // 2):
            capture.samples[kept] = capture.samples[2 * kept + 1]
        capture.sample_count = MAX_SAMPLES // 2
        capture.sample_stride *= 2
        return
    capture.samples[capture.sample_count] = Sample(monotonic_ns(), unread(capture))
    capture.sample_count += 1


cdef inline void drain_until_stopped(Capture capture, int poll,
                                     uint64_t interval_ns) noexcept nogil:
    """Drain until stop() was called and all buffers are empty; note what the thread used."""
    cdef uint64_t cpu_before = thread_cpu_ns(), voluntary, involuntary, read
    cdef int index, stopping, readable = 0, looked_again = 0
    thread_switches(&voluntary, &involuntary)
    if poll == STOPPED:
        sleep_until_ns(<uint64_t>-1, capture.wake_fd)
    while True:
        # Loaded before the buffers are visited: a thread without the CPU may miss a whole storm
        # between a visit that finds nothing and its next step. The acquire, which pairs with
        # stop()'s release, keeps the visit behind it: it sees all that was there at stop().
        stopping = load_int(&capture.stopping)
        sample(capture)
        read = 0
        for index in range(capture.buffer_count):
            read += visit(capture, index, RECORDS_PER_VISIT)
        if readable:
            if read:
                capture.wakeups_taken += 1
            else:
                capture.empty_polls += 1
            readable = 0
        if read:
            looked_again = 0
            continue
        if stopping:
            break
        if poll == EDGE and not looked_again:
            # Edge-triggered epoll_wait() does not ask the buffers before it sleeps. Publishing
            # the position, then looking for a record, pairs with the xchg() of
            # bpf_ringbuf_commit(), which publishes a record, then looks at the position: with
            # a full barrier in between on both sides one of them sees the other.
            full_barrier()
            looked_again = 1
        elif poll == EPOLL or poll >= EDGE:
            looked_again = 0
            readable = wait(capture)
        elif poll == BUSY:
            relax()
        else:
            sleep_until_ns(monotonic_ns() + interval_ns, capture.wake_fd)
    thread_switches(&capture.voluntary_switches, &capture.involuntary_switches)
    capture.cpu_ns = thread_cpu_ns() - cpu_before
    capture.voluntary_switches -= voluntary
    capture.involuntary_switches -= involuntary
