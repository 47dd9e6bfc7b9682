// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* When children are due: paced arrivals, evenly spaced or at random. */
#define _GNU_SOURCE
#include "worker.h"

/* splitmix64 (public domain), as a fraction in [0, 1). */
double uniform(struct worker *worker)
{
	uint64_t mixed = worker->random += 0x9e3779b97f4a7c15;

	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
	return ((mixed ^ (mixed >> 31)) >> 11) * 0x1p-53;
}

/*
 * Exponential variate of mean 1 by comparing uniform ones (von Neumann, 1951): exact, and
 * no logarithm, so the generator needs no libm.
 */
static double exponential(struct worker *worker)
{
	for (double whole = 0;; whole++) {
		double first = uniform(worker);
		double last = first;
		double next;
		bool odd = true;

		while ((next = uniform(worker)) < last) {
			last = next;
			odd = !odd;
		}
		if (odd)
			return whole + first;
	}
}

/*
 * Waits until the next arrivals are due. Deadlines are absolute: a worker that is late catches
 * up, and the rate holds over the whole storm.
 */
void pace(struct worker *worker, unsigned int arrivals)
{
	if (worker->mean_gap_ns == 0)
		return;
	rest_until(worker->shared, (uint64_t)worker->due_ns);
	for (unsigned int i = 0; i < arrivals; i++)
		worker->due_ns += worker->mean_gap_ns *
				  (worker->request->exponential ? exponential(worker) : 1);
}
