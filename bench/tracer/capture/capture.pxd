# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Declare the C of capture.h and the state that all parts share."""

from cpython.buffer cimport Py_buffer
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "capture.h" nogil:
    struct exit_record:
        uint64_t timestamp_ns
        uint32_t length
        uint16_t flags
    enum:
        RECORD_OWN
    bint unlikely(bint condition)
    uint64_t load64 "load_acquire"(const uint64_t *place)
    uint32_t load32 "load_acquire"(const uint32_t *place)
    int load_int "load_acquire"(const int *place)
    void store64 "store_release"(uint64_t *place, uint64_t value)
    void store_int "store_release"(int *place, int value)
    void fence_acquire()
    void full_barrier()
    uint64_t monotonic_ns()
    uint64_t thread_cpu_ns()
    void thread_switches(uint64_t *voluntary, uint64_t *involuntary)
    void sleep_until_ns(uint64_t when, int fd)
    int wait_readable(int epoll_fd, int timeout_ms, int wake_fd)
    void relax()

cdef enum:
    MAX_MAPPINGS = 16384  # two for each of the 8,192 CPUs that a kernel can have
    MAX_SAMPLES = 16384   # of occupancy; then every second is dropped
    MAX_LATE = 1024       # late records whose wait is noted; more are only counted
    MAX_RECORD = 65536    # perf_event_header.size has 16 bits

cdef struct Row:  # bench.record.layout.ROW
    exit_record record
    uint64_t delivered_ns
    uint32_t arrived_bytes
    uint32_t tail

cdef struct Buffer:
    bint is_ring
    bint lazy           # its consumer's position is published once a visit
    uint8_t *data
    uint64_t mask       # data bytes - 1: a power of two
    uint64_t *produced  # ring: producer position; perf: data_head
    uint64_t *consumed  # ring: consumer position; perf: data_tail
    uint64_t *overwritten   # ring that overwrites: position of the oldest record; else NULL
    uint64_t missed_bytes   # that were overwritten before they were read

cdef struct Mapping:
    void *pages
    size_t length

cdef struct Sample:
    uint64_t time_ns
    uint64_t used_bytes

cdef struct Late:
    uint64_t row
    uint64_t entered_ns  # of the last wait before the record was delivered
    uint64_t returned_ns

cdef class Capture:
    # rows
    cdef readonly object array  # whose memory the rows are
    cdef Py_buffer view
    cdef Row *rows
    cdef readonly size_t capacity
    cdef readonly size_t count
    cdef readonly uint64_t overflow       # records that found the array full
    cdef readonly uint64_t malformed      # records too short for the layout
    cdef readonly uint64_t lost_reported  # sum of PERF_RECORD_LOST, or what libbcc reported
    cdef readonly uint64_t misdated       # visits whose last record claims to be delivered later
    cdef size_t visit_from                # first row of the visit under way
    cdef size_t stamped                   # rows before it have their time of delivery
    cdef size_t stamp_at                  # the row after which the next stamp is due

    # buffers
    cdef Buffer buffers[MAX_MAPPINGS]
    cdef Mapping mappings[MAX_MAPPINGS]
    cdef int mapping_count
    cdef readonly int buffer_count
    cdef readonly size_t mapped_bytes
    cdef int turn                         # the buffer that collect() visited last
    cdef bint timed                       # visits are
    cdef uint64_t read_ns[MAX_MAPPINGS]   # of visits that read something, by buffer
    cdef uint8_t unwrapped[MAX_RECORD]    # a perf record that wrapped, in one piece

    # waiting and stopping
    cdef object epoll
    cdef list waited_fds                  # descriptors of all buffers
    cdef int epoll_fd
    cdef int wake_fd
    cdef int flush_ms                     # longest wait; -1: without end
    cdef readonly int stopping
    cdef readonly uint64_t stopped_ns     # when stop() was called; 0: not yet
    cdef int running                      # run() reads the buffers

    # what few consumers do with a record
    cdef int has_extras                   # late_ns, cost_ns or a stall is set
    cdef uint64_t stall_from_ns
    cdef uint64_t stall_ns
    cdef uint64_t cost_ns
    cdef uint64_t late_ns
    cdef uint64_t entered_ns              # of the last wait
    cdef uint64_t returned_ns
    cdef readonly uint64_t late_count     # records that waited late_ns or longer
    cdef Late late[MAX_LATE]

    # use of the consuming thread, while it ran; libbcc's reader enters its own
    cdef public uint64_t wakeups_taken  # returns of epoll_wait after which something was read
    cdef readonly uint64_t empty_polls    # buffers reported readable, but nothing could be read
    cdef public uint64_t cpu_ns
    cdef public uint64_t voluntary_switches
    cdef public uint64_t involuntary_switches

    # occupancy
    cdef Sample samples[MAX_SAMPLES]
    cdef size_t sample_count
    cdef uint64_t sample_stride           # passes from one sample to the next
    cdef uint64_t passes
