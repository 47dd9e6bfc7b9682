# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A consumer's work beside reading: wait, stall, spend time, note late records."""

from libc.stdint cimport uint64_t

from bench.tracer.capture.capture cimport MAX_LATE, Capture, Late, Row
from bench.tracer.capture.shims cimport (
    RECORD_OWN, load_int, monotonic_ns, relax, sleep_until_ns, wait_readable,
)


cdef inline int wait(Capture capture) noexcept nogil:
    """Wait for a record, stop() or the flush; return how many buffers were reported readable.

    No record is slept over. epoll_wait() asks every buffer on its ready list again before it
    sleeps, and takes one off only when it is found empty (fs/eventpoll.c, ep_send_events()).
    A ring is asked for its positions (kernel/bpf/ringbuf.c, ringbuf_map_poll_kern()): a full
    barrier before publishes this thread's consumer position first, and pairs with the xchg() of
    bpf_ringbuf_commit(), so that a later one sees a consumer that has caught up and wakes it. A
    perf buffer is asked
    whether any wake-up came since (kernel/events/core.c, perf_poll()).
    """
    cdef int readable
    if not capture.late_ns:
        return wait_readable(capture.epoll_fd, capture.flush_ms, capture.wake_fd)
    capture.entered_ns = monotonic_ns()
    readable = wait_readable(capture.epoll_fd, capture.flush_ms, capture.wake_fd)
    capture.returned_ns = monotonic_ns()
    return readable


cdef inline void do_extras(Capture capture, Row *row) noexcept nogil:
    """Do what few consumers need, apart, so that the others pay one branch for it."""
    cdef uint64_t until
    if capture.late_ns and row.delivered_ns >= row.record.timestamp_ns + capture.late_ns:
        if capture.late_count < MAX_LATE:
            capture.late[capture.late_count] = Late(
                row - capture.rows, capture.entered_ns, capture.returned_ns)
        capture.late_count += 1
    if capture.cost_ns:
        until = row.delivered_ns + capture.cost_ns
        while monotonic_ns() < until:
            relax()
    if (capture.stall_ns and row.record.flags & RECORD_OWN
            and row.delivered_ns >= capture.stall_from_ns and not load_int(&capture.stopping)):
        sleep_until_ns(row.delivered_ns + capture.stall_ns, capture.wake_fd)
        capture.stall_ns = 0
