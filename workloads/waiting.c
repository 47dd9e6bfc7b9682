// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Waits on futexes, up to an absolute time if there is one, so that no stop is slept through.
 */
#define _GNU_SOURCE
#include "worker.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* Sleeps while *word is `value`, but not beyond `until_ns` (CLOCK_MONOTONIC; 0: no end). */
long futex_wait(_Atomic uint32_t *word, uint32_t value, uint64_t until_ns)
{
	struct timespec until = { .tv_sec = until_ns / NS_PER_S, .tv_nsec = until_ns % NS_PER_S };

	return syscall(SYS_futex, word, FUTEX_WAIT_BITSET, value, until_ns ? &until : NULL, NULL,
		       FUTEX_BITSET_MATCH_ANY);
}

void futex_wake_all(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

/* Sleeps until then or until the storm is stopped. */
void rest_until(struct shared *shared, uint64_t until_ns)
{
	while (!stopped(shared) && now_ns() < until_ns)
		futex_wait(&shared->stop, STOP_NOT, until_ns);
}
