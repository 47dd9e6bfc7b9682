# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Declare the state that all parts share."""

from cpython.buffer cimport Py_buffer
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from bench.tracer.capture.buffers cimport Buffer
from bench.tracer.capture.shims cimport exit_record

cdef enum:
    MAX_BUFFERS = 16384   # two for each of the 8,192 CPUs that a kernel can have
    MAX_SAMPLES = 16384   # of occupancy; then every second is dropped
    MAX_LATE = 1024       # late records whose wait is noted; more are only counted
    MAX_RECORD = 65536    # perf_event_header.size has 16 bits
    AGE_BITS = 8          # a bin of ages is 1/256 of them wide
    AGES = (65 - AGE_BITS) << AGE_BITS

cdef struct Row:  # bench.record.layout.ROW
    exit_record record
    uint64_t delivered_ns
    uint32_t arrived_bytes
    uint32_t tail

cdef struct Source:
    Buffer buffer
    bint lazy               # its consumer's position is published once a visit
    bint whole              # its records are copied whole before they are kept
    uint64_t *overwritten   # ring that overwrites: position of the oldest record; else NULL
    uint64_t missed_bytes   # that were overwritten before they were read
    uint64_t read_ns        # of visits that read something

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
    cdef readonly uint64_t discarded      # records that a ring's producer gave up
    cdef size_t visit_from                # first row of the visit under way
    cdef size_t stamped                   # rows before it have their time of delivery
    cdef size_t stamp_at                  # the row after which the next stamp is due

    # counts in place of rows
    cdef bint tallies
    cdef long dated_at                    # of a u64 in a record, CLOCK_MONOTONIC ns; -1: none
    cdef uint64_t dated_from_ns
    cdef uint64_t ages[AGES]
    cdef readonly uint64_t age_max_ns
    cdef readonly uint64_t delivered
    cdef readonly uint64_t delivered_bytes
    cdef readonly uint64_t peak_bytes     # unread at once, over all buffers

    # buffers
    cdef Source sources[MAX_BUFFERS]
    cdef Source *next_source(self, bint lazy, bint whole) except NULL
    cdef object add(self, int fd)
    cdef void unmap_all(self) noexcept
    cdef readonly int buffer_count
    cdef readonly size_t mapped_bytes
    cdef int turn                         # the buffer that collect() visited last
    cdef bint timed                       # visits are
    cdef uint8_t copy[MAX_RECORD]         # of a whole record: a perf one that wrapped, or any

    # waiting and stopping
    cdef object epoll
    cdef list waited_fds                  # descriptors of all buffers
    cdef int epoll_fd
    cdef int wake_fd
    cdef int flush_ms                     # longest wait; -1: without end
    cdef readonly int stopping
    cdef readonly uint64_t stopped_ns     # when stop() was called; 0: not yet

    # what few consumers do with a record
    cdef int has_extras                   # late_ns, cost_ns or a stall is set, or stamp_each()
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
