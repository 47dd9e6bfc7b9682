/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What Cython cannot say: atomics, clocks, waiting, and the BPF programs' record layout. */
#ifndef BUFBENCH_CAPTURE_H
#define BUFBENCH_CAPTURE_H

#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;
#include "record.h"

/* The kernel's smp_load_acquire() and smp_store_release(), of any width. */
#define load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store_release(p, value) __atomic_store_n((p), (value), __ATOMIC_RELEASE)
#define full_barrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)

#define fence_acquire() __atomic_thread_fence(__ATOMIC_ACQUIRE)

#define unlikely(condition) __builtin_expect(!!(condition), 0)

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec;
}

static inline uint64_t monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static inline uint64_t thread_cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static inline void thread_switches(uint64_t *voluntary, uint64_t *involuntary)
{
	struct rusage use;

	getrusage(RUSAGE_THREAD, &use);
	*voluntary = use.ru_nvcsw;
	*involuntary = use.ru_nivcsw;
}

/* Sleep until `when`, or until fd is readable: stop() does not wait for the end of a long sleep. */
static inline void sleep_until_ns(uint64_t when, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (uint64_t now = monotonic_ns(); now < when; now = monotonic_ns()) {
		struct timespec t = { (when - now) / 1000000000ull, (when - now) % 1000000000ull };

		if (ppoll(&p, 1, &t, NULL) > 0)
			break;
	}
}

/* Return the number of readable buffers, at most 16; wake_fd, which only ends the wait, does not count. */
static inline int wait_readable(int epoll_fd, int timeout_ms, int wake_fd)
{
	struct epoll_event events[16];
	int buffers = 0;

	/*
	 * The consumer's position goes out before the kernel looks at the producer's: a release
	 * alone lets a later load overtake it, on arm64 as on x86.
	 */
	full_barrier();
	for (int i = epoll_wait(epoll_fd, events, 16, timeout_ms); i > 0; i--)
		buffers += events[i - 1].data.fd != wake_fd;
	return buffers;
}

static inline void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif
