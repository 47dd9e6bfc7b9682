/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Shared by the parts that make children: workers, children and functions. */
#ifndef WORKER_H
#define WORKER_H

#include "forkstorm.h"

struct worker {
	const struct request *request;
	struct shared *shared;
	unsigned int index;
	pid_t pid;
	double mean_gap_ns; /* between this worker's arrivals; 0: as fast as it can */
	double due_ns; /* the next arrival */
	uint64_t random;
	char *stacks; /* threads only */
	uint64_t count; /* children to be made, ... */
	_Atomic uint64_t *next; /* ... and how many have been handed out */
	unsigned int cpu_count; /* pingpong and uneven only, as is the next */
	unsigned short cpus[CPUS_LIMIT];
};

struct child;
typedef void body(const struct child *child);

/* One child: what it does, its number among all workers' children, how many follow below it. */
struct child {
	const struct worker *worker;
	body *run;
	uint64_t number;
	unsigned int below;
	uint32_t round; /* burst only */
};

static inline bool stopped(const struct shared *shared)
{
	return atomic_load_explicit(&shared->stop, memory_order_relaxed) != STOP_NOT;
}

/* pace.c */
double uniform(struct worker *worker);
void pace(struct worker *worker, unsigned int arrivals);

/* children.c */
pid_t spawn(enum spawn how, const struct child *child);
void reap(struct shared *shared, pid_t pid);

/* bursts.c */
void run_bursts(struct worker *worker);

#endif
