# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Declare the C of capture.h."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t

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
