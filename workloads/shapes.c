// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The shapes of storm: what each worker makes, and what its children do. Every child is
 * reaped by the process that made it, and counted there, once.
 *
 * Nothing here polls a clock: the generator sets `stop` when the time is over. Waiting is done
 * on futexes, with an absolute time where there is one, so that a stop is never slept through.
 */
#define _GNU_SOURCE
#include "forkstorm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STACK_BYTES 16384 /* of a thread that does nothing but return */
#define RETRY_NS 1000000 /* after EAGAIN, before the next attempt */

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
	int cpus[CPU_SETSIZE];
};

/* One child to be: which one it is, counted over all workers, and how many follow below it. */
struct child {
	const struct worker *worker;
	uint64_t number;
	unsigned int below;
	uint32_t round; /* burst only */
};

typedef void body(const struct child *child);

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

void count_status(struct shared *shared, int status)
{
	if (WIFEXITED(status))
		atomic_fetch_add(&shared->exits[WEXITSTATUS(status)], 1);
	else
		atomic_fetch_add(&shared->signals[status & 0xff], 1);
}

void count_failure(struct shared *shared, int error)
{
	atomic_fetch_add(&shared->failed[error < ERRNO_LIMIT ? error : 0], 1);
}

static bool stopped(const struct shared *shared)
{
	return atomic_load_explicit(&shared->stop, memory_order_relaxed) != STOP_NOT;
}

/* Sleeps until then or until the storm is stopped. */
static void rest_until(struct shared *shared, uint64_t until_ns)
{
	while (!stopped(shared) && now_ns() < until_ns)
		futex_wait(&shared->stop, STOP_NOT, until_ns);
}

/* splitmix64 (public domain), as a fraction in [0, 1). */
static double uniform(struct worker *worker)
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
static void pace(struct worker *worker, unsigned int arrivals)
{
	if (worker->mean_gap_ns == 0)
		return;
	rest_until(worker->shared, (uint64_t)worker->due_ns);
	for (unsigned int i = 0; i < arrivals; i++)
		worker->due_ns += worker->mean_gap_ns *
				  (worker->request->exponential ? exponential(worker) : 1);
}

/* Ends a child as the request says: with its exit code, through tiny if it is to exec. */
static _Noreturn void leave(const struct child *child)
{
	const struct request *request = child->worker->request;
	int code = request->exit_code < 0 ? (int)(child->number & 255) : request->exit_code;

	if (request->tiny) {
		char text[4] = { '0' + code / 100, '0' + code / 10 % 10, '0' + code % 10, '\0' };
		char *const arguments[] = { (char *)request->tiny, text, NULL };
		char *const environment[] = { NULL };

		execveat(request->tiny_folder, request->tiny_name, arguments, environment,
			 AT_EMPTY_PATH);
		count_failure(child->worker->shared, errno);
	}
	_exit(code);
}

/*
 * Makes a child that runs `run` and ends there. A vforked child uses our stack, so it must not
 * return from the function that made it: hence the function to run.
 */
static pid_t spawn(enum spawn how, body *run, const struct child *child)
{
	struct shared *shared = child->worker->shared;
	pid_t pid;

	if (how == SPAWN_VFORK)
		pid = vfork();
	else if (how == SPAWN_FORK)
		pid = fork();
	else
		pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		run(child);
		leave(child);
	}
	if (pid > 0)
		atomic_fetch_add_explicit(&shared->made, 1, memory_order_relaxed);
	else
		count_failure(shared, errno);
	return pid;
}

static void reap(struct shared *shared, pid_t pid)
{
	int status;

	while (waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return;
	count_status(shared, status);
}

static void do_nothing(const struct child *child)
{
	(void)child;
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/*
 * A process of a chain: makes the next one, reaps it, and ends after it. It never has another
 * child, so when it ends it has none left.
 */
static void chain_link(const struct child *child)
{
	const struct worker *worker = child->worker;
	struct child next = *child;
	pid_t pid;

	/* The pair's parent runs on one CPU, its child on the next; the next pair moves on. */
	if (worker->request->shape == SHAPE_PINGPONG)
		pin(worker->cpus[(child->number / 2 + child->number % 2) % worker->cpu_count]);
	if (child->below == 0 || stopped(worker->shared))
		return;
	next.number++;
	next.below--;
	pid = spawn(worker->request->spawn, chain_link, &next);
	if (pid > 0)
		reap(worker->shared, pid);
}

static int thread_main(void *unused)
{
	(void)unused;
	return 0;
}

/*
 * Starts threads that return at once and waits until they are gone. Not pthreads: these
 * work in a vforked child too, which shares its maker's thread-local storage. "Gone" is asked
 * of the kernel, since a thread's tid is cleared well before it has left.
 */
static void have_threads(const struct child *child)
{
	const struct worker *worker = child->worker;
	unsigned int started = 0;
	int tids[THREADS_LIMIT];

	for (unsigned int i = 0; i < worker->request->threads; i++) {
		int tid = clone(thread_main, worker->stacks + (i + 1) * STACK_BYTES,
				CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
					CLONE_SYSVSEM,
				NULL);

		if (tid > 0)
			tids[started++] = tid;
		else
			count_failure(worker->shared, errno);
	}
	atomic_fetch_add(&worker->shared->threads_made, started);
	for (unsigned int i = 0; i < started; i++)
		while (syscall(SYS_tgkill, getpid(), tids[i], 0) == 0)
			sched_yield();
}

/* Children of `group` processes each (a chain, or one), one after the other. */
static void run_series(struct worker *worker, body *run, unsigned int group)
{
	const struct request *request = worker->request;
	struct shared *shared = worker->shared;
	struct child child = { .worker = worker };

	for (;;) {
		uint64_t left;
		pid_t pid;

		pace(worker, group);
		if (stopped(shared))
			return;
		child.number = atomic_fetch_add(worker->next, group);
		if (child.number >= worker->count)
			return;
		left = worker->count - child.number;
		child.below = (left < group ? left : group) - 1;
		while ((pid = spawn(request->spawn, run, &child)) < 0) {
			if (errno != EAGAIN && errno != ENOMEM)
				return;
			rest_until(shared, now_ns() + RETRY_NS);
			if (stopped(shared))
				return;
		}
		reap(shared, pid);
	}
}

/* A child of a burst: waits until its round is over. Nothing but its parent would end it. */
static void park(const struct child *child)
{
	struct shared *shared = child->worker->shared;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != child->worker->pid)
		return; /* it died before we asked to be told */
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

static void run_bursts(struct worker *worker)
{
	const struct request *request = worker->request;
	/* A child that waits for its release cannot hold its parent up. */
	enum spawn how = request->spawn == SPAWN_VFORK ? SPAWN_FORK : request->spawn;
	struct shared *shared = worker->shared;
	struct child child = { .worker = worker };
	bool over = false;

	while (!over) {
		uint64_t first = (uint64_t)child.round * request->burst_size;
		uint64_t left = request->count - first;
		uint64_t size = left < request->burst_size ? left : request->burst_size;
		uint64_t end = first + size * (worker->index + 1) / shared->workers;
		uint32_t own = 0;

		child.number = first + size * worker->index / shared->workers;
		for (; child.number < end && !stopped(shared); child.number++) {
			if (spawn(how, park, &child) < 0)
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

/*
 * The hot worker, on the first CPU, is not paced. The quiet one, on the last, is, and makes
 * children until the generator stops it, which it does when the hot one has made its own.
 */
static void prepare_uneven(struct worker *worker)
{
	bool quiet = worker->index > 0;

	pin(worker->cpus[quiet ? worker->cpu_count - 1 : 0]);
	worker->mean_gap_ns = quiet ? 1e9 / worker->request->rate_per_s : 0;
	if (quiet) {
		worker->count = UINT64_MAX;
		worker->next = &worker->shared->next_quiet;
	}
}

static void prepare(struct worker *worker)
{
	const struct request *request = worker->request;
	cpu_set_t allowed;

	worker->random = request->seed * 0x9e3779b97f4a7c15 + worker->index;
	uniform(worker);
	if (request->rate_per_s > 0)
		worker->mean_gap_ns = 1e9 * request->workers / request->rate_per_s;
	worker->count = request->count;
	worker->next = &worker->shared->next;
	if (request->shape == SHAPE_PINGPONG || request->shape == SHAPE_UNEVEN) {
		sched_getaffinity(0, sizeof(allowed), &allowed);
		for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
			if (CPU_ISSET(cpu, &allowed))
				worker->cpus[worker->cpu_count++] = cpu;
	}
	if (request->shape == SHAPE_UNEVEN)
		prepare_uneven(worker);
	if (request->shape == SHAPE_THREADS) {
		worker->stacks = mmap(NULL, (size_t)request->threads * STACK_BYTES,
				      PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (worker->stacks == MAP_FAILED) {
			count_failure(worker->shared, errno);
			_exit(0);
		}
	}
}

static void run_shape(struct worker *worker)
{
	switch (worker->request->shape) {
	case SHAPE_BURST:
		run_bursts(worker);
		break;
	case SHAPE_CHAIN:
		run_series(worker, chain_link, worker->request->depth);
		break;
	case SHAPE_PINGPONG:
		run_series(worker, chain_link, 2);
		break;
	case SHAPE_THREADS:
		run_series(worker, have_threads, 1);
		break;
	case SHAPE_STORM:
	case SHAPE_HOTCPU:
	case SHAPE_TRICKLE:
	case SHAPE_UNEVEN:
		run_series(worker, do_nothing, 1);
		break;
	}
}

/* A worker's life: prepare, wait for the start, make children until there is no more to do. */
_Noreturn void run_worker(const struct request *request, struct shared *shared, unsigned int index)
{
	struct worker worker = {
		.request = request, .shared = shared, .index = index, .pid = getpid(),
	};
	uint64_t end_ns, latest_ns = 0;

	prctl(PR_SET_TIMERSLACK, 1); /* paced arrivals are to be on time */
	prepare(&worker);
	atomic_fetch_add(&shared->ready, 1);
	futex_wake_all(&shared->ready);
	while (!atomic_load(&shared->start))
		futex_wait(&shared->start, 0, 0);
	worker.due_ns = now_ns() + worker.mean_gap_ns * index / request->workers;
	run_shape(&worker);
	end_ns = now_ns();
	while (latest_ns < end_ns &&
	       !atomic_compare_exchange_weak(&shared->end_ns, &latest_ns, end_ns))
		;
	_exit(0);
}
