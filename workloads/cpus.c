// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Sets of CPUs, and running on them. Results are those of sched_setaffinity(2): 0, or -1. */
#define _GNU_SOURCE
#include "forkstorm.h"

#include <string.h>

void add_cpu(struct cpus *cpus, int cpu)
{
	CPU_SET_S(cpu, sizeof(*cpus), cpus->set);
}

bool has_cpu(const struct cpus *cpus, int cpu)
{
	return CPU_ISSET_S(cpu, sizeof(*cpus), cpus->set);
}

int count_cpus(const struct cpus *cpus)
{
	return CPU_COUNT_S(sizeof(*cpus), cpus->set);
}

int get_affinity(struct cpus *cpus)
{
	memset(cpus, 0, sizeof(*cpus));
	return sched_getaffinity(0, sizeof(*cpus), cpus->set);
}

int run_on(const struct cpus *cpus)
{
	return sched_setaffinity(0, sizeof(*cpus), cpus->set);
}

int run_on_one(int cpu)
{
	struct cpus one = { 0 };

	add_cpu(&one, cpu);
	return run_on(&one);
}
