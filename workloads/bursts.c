// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Bursts: children that wait for one another and exit at once, round after round. */
#define _GNU_SOURCE
#include "worker.h"

#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* A child of a burst: waits until its round is over. Nothing but its parent would end it. */
static void park(const struct child *child)
{
	struct shared *shared = child->worker->shared;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != child->worker->pid)
		return; /* it died before this process asked for its signal */
	atomic_fetch_add(&shared->parked, 1);
	while (atomic_load(&shared->round) == child->round)
		futex_wait(&shared->round, child->round, 0);
}

/*
 * Ends a round: when every child waits, releases them all. Only the last worker to have made
 * its children gets here, and it alone decides whether there is another round.
 */
static void release(const struct worker *worker, uint32_t round, bool last)
{
	struct shared *shared = worker->shared;

	while (atomic_load(&shared->parked) < atomic_load(&shared->forked) && !stopped(shared))
		nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
	if (atomic_load(&shared->widest) < atomic_load(&shared->forked))
		atomic_store(&shared->widest, atomic_load(&shared->forked));
	atomic_store(&shared->over, last || stopped(shared));
	atomic_store(&shared->parked, 0);
	atomic_store(&shared->forked, 0);
	atomic_store(&shared->forking, shared->workers);
	atomic_store(&shared->round, round + 1);
	futex_wake_all(&shared->round);
}

/* Waits until every worker has reaped its part of the round: bursts do not run into each other. */
static void settle(struct shared *shared, uint32_t round)
{
	if (atomic_fetch_sub(&shared->reaping, 1) == 1) {
		atomic_store(&shared->reaping, shared->workers);
		atomic_store(&shared->settled, round + 1);
		futex_wake_all(&shared->settled);
	}
	while (atomic_load(&shared->settled) == round)
		futex_wait(&shared->settled, round, 0);
}

void run_bursts(struct worker *worker)
{
	const struct request *request = worker->request;
	/* A child that waits for its release cannot hold its parent up. */
	enum spawn how = request->spawn == SPAWN_VFORK ? SPAWN_FORK : request->spawn;
	struct shared *shared = worker->shared;
	struct child child = { .worker = worker, .run = park };
	bool over = false;

	while (!over) {
		uint64_t first = (uint64_t)child.round * request->burst_size;
		uint64_t left = request->count - first;
		uint64_t size = left < request->burst_size ? left : request->burst_size;
		uint64_t end = first + size * (worker->index + 1) / shared->workers;
		uint32_t own = 0;

		child.number = first + size * worker->index / shared->workers;
		for (; child.number < end && !stopped(shared); child.number++) {
			if (spawn(how, &child) < 0)
				break; /* counted; the burst is smaller */
			own++;
		}
		atomic_fetch_add(&shared->forked, own);
		if (atomic_fetch_sub(&shared->forking, 1) == 1)
			release(worker, child.round, size == left);
		while (atomic_load(&shared->round) == child.round)
			futex_wait(&shared->round, child.round, 0);
		over = atomic_load(&shared->over);
		for (uint32_t i = 0; i < own; i++)
			reap(shared, -1);
		settle(shared, child.round);
		child.round++;
		if (!over && request->pause_ms > 0)
			rest_until(shared, now_ns() + (uint64_t)(request->pause_ms * 1e6));
	}
}
