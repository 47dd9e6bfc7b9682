/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A QEMU of two CPUs that never halt, and run until a timer is due: the guest's, each millisecond, or
 * one of a preloaded library's. It prints how long each ran, the longest turn, and the time of day
 * that they see. Last it is to end, which it forgets at once, and its CPUs never halted.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/time.h>

struct CPUState {
	int leaves;
	int ran;
};

static struct CPUState cpus[2];
static int until_timer;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t halted = PTHREAD_COND_INITIALIZER;
static int waits;
static int started;
static int64_t now_ns, longest_ns, seen_us;
static int ending;

enum { TICK_NS = 1000000 };

struct QEMUTimer {
	int attributes;
	int64_t at_ns;
	void (*run)(void *);
	void *given;
};

static struct QEMUTimer *timer;

int64_t qemu_clock_get_ns(int clock)
{
	return clock == 1 ? now_ns : -1;
}

void timer_init_full(struct QEMUTimer *made, void *group, int clock, int scale, int attributes,
		     void (*run)(void *), void *given)
{
	if (!group && clock == 1 && scale == 1 && attributes == 1)
		timer = made;
	made->run = run;
	made->given = given;
}

void timer_mod_ns(struct QEMUTimer *made, int64_t at_ns)
{
	made->at_ns = at_ns;
}

static int next_timer(void)
{
	if (timer && now_ns >= timer->at_ns)
		timer->run(timer->given);
	return timer && timer->at_ns - now_ns < TICK_NS ? timer->at_ns - now_ns : TICK_NS;
}

int64_t qemu_clock_deadline_ns_all(int clock, int attributes)
{
	return clock == 1 && attributes == -1 ? until_timer : -1;
}

struct CPUState *qemu_get_cpu(int at)
{
	return at < 2 ? &cpus[at] : NULL;
}

void cpu_exit(struct CPUState *cpu)
{
	cpu->leaves = 1;
}

#ifdef SHARES
int64_t icount_percpu_budget(int count)
{
	return until_timer / count;
}
#endif

int qemu_shutdown_requested_get(void)
{
	return ending && ending--;
}

static void *take_turns(void *unused)
{
	struct timeval seen;
	int at = 0;

	pthread_mutex_lock(&lock);
	waits = 1;
	while (!started)
		pthread_cond_wait(&halted, &lock);
	for (int round = 0; round < 100; round++) {
		if (!until_timer)
			until_timer = next_timer();
		for (at %= 2; at < 2 && !cpus[at].leaves; at++) {
			pthread_mutex_unlock(&lock);
			cpus[at].ran += until_timer;
			now_ns += until_timer;
			if (until_timer > longest_ns)
				longest_ns = until_timer;
			until_timer = 0;
			pthread_mutex_lock(&lock);
		}
		if (at < 2)
			cpus[at].leaves = 0;
	}
	pthread_mutex_unlock(&lock);
	gettimeofday(&seen, NULL);
	seen_us = seen.tv_sec * 1000000 + seen.tv_usec;
	return unused;
}

int main(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, take_turns, NULL);
	pthread_mutex_lock(&lock);
	while (!waits) {
		pthread_mutex_unlock(&lock);
		sched_yield();
		pthread_mutex_lock(&lock);
	}
	started = 1;
	pthread_cond_broadcast(&halted);
	pthread_mutex_unlock(&lock);
	pthread_join(thread, NULL);
	ending = 1;
	for (int twice = 0; twice < 2; twice++)
		ppoll(NULL, 0, &(struct timespec){0}, NULL);
	printf("%d %d %d %ld\n", cpus[0].ran, cpus[1].ran, (int)longest_ns, (long)seen_us);
}
