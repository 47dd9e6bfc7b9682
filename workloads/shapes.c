// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The shapes of storms: what each worker makes, and what its children do. Every child is
 * reaped by the process that made it, and counted there once.
 *
 * Nothing here polls a clock: the generator sets `stop` when the time is over.
 */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STACK_BYTES 16384 /* of a thread that does nothing but return */
#define RETRY_NS 1000000 /* after EAGAIN, before the next attempt */

static void do_nothing(const struct child *child)
{
	(void)child;
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

	if (child->below == 0 || stopped(worker->shared))
		return;
	next.number++;
	next.below--;
	pid = spawn(worker->request->spawn, &next);
	if (pid > 0)
		reap(worker->shared, pid);
}

/* A pair's parent runs on one CPU, its child on the next; the next pair moves on. */
static void pair_link(const struct child *child)
{
	const struct worker *worker = child->worker;

	run_on_one(worker->cpus[(child->number / 2 + child->number % 2) % worker->cpu_count]);
	chain_link(child);
}

static int thread_main(void *unused)
{
	(void)unused;
	return 0;
}

/*
 * Starts threads that return at once and waits until they are gone. Not pthreads: these
 * work in a vforked child too, which shares its maker's thread-local storage. The kernel is
 * asked whether a thread is gone, since its tid is cleared well before that.
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
	struct child child = { .worker = worker, .run = run };
	uint64_t start_ns = now_ns();

	for (;;) {
		uint64_t left;
		pid_t pid;

		pace(worker, group);
		if (stopped(shared))
			return;
		child.number = atomic_fetch_add(worker->next, group);
		if (child.number >= worker->count)
			return;
		if (shared->due_ns)
			rest_until(shared, start_ns + shared->due_ns[child.number]);
		if (stopped(shared))
			return;
		left = worker->count - child.number;
		child.below = (left < group ? left : group) - 1;
		while ((pid = spawn(request->spawn, &child)) < 0) {
			if (errno != EAGAIN && errno != ENOMEM)
				return;
			rest_until(shared, now_ns() + RETRY_NS);
			if (stopped(shared))
				return;
		}
		reap(shared, pid);
	}
}

static void list_cpus(struct worker *worker)
{
	struct cpus allowed;

	get_affinity(&allowed);
	for (int cpu = 0; cpu < CPUS_LIMIT; cpu++)
		if (has_cpu(&allowed, cpu))
			worker->cpus[worker->cpu_count++] = cpu;
}

/*
 * The hot worker, on the first CPU, is not paced. The quiet one, on the last, is, and makes
 * children until the generator stops it, which it does when the hot one has made its own.
 */
static void prepare_uneven(struct worker *worker)
{
	bool quiet = worker->index > 0;

	list_cpus(worker);
	run_on_one(worker->cpus[quiet ? worker->cpu_count - 1 : 0]);
	worker->mean_gap_ns = quiet ? 1e9 / worker->request->rate_per_s : 0;
	if (quiet) {
		worker->count = UINT64_MAX;
		worker->next = &worker->shared->next_quiet;
	}
}

static void prepare_threads(struct worker *worker)
{
	worker->stacks = mmap(NULL, (size_t)worker->request->threads * STACK_BYTES,
			      PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (worker->stacks == MAP_FAILED) {
		count_failure(worker->shared, errno);
		_exit(0);
	}
}

static void run_singles(struct worker *worker)
{
	run_series(worker, do_nothing, 1);
}

static void run_chains(struct worker *worker)
{
	run_series(worker, chain_link, worker->request->depth);
}

static void run_pairs(struct worker *worker)
{
	run_series(worker, pair_link, 2);
}

static void run_threads(struct worker *worker)
{
	run_series(worker, have_threads, 1);
}

static unsigned int beside_chain(const struct request *request)
{
	return request->depth;
}

static unsigned int beside_pair(const struct request *request)
{
	(void)request;
	return 2;
}

static unsigned int beside_threads(const struct request *request)
{
	return 1 + request->threads;
}

const struct shape SHAPES[] = {
	{ .name = "storm", .run = run_singles },
	{ .name = "burst", .run = run_bursts, .in_bursts = true },
	{ .name = "chain", .run = run_chains, .beside = beside_chain },
	{ .name = "pingpong", .run = run_pairs, .prepare = list_cpus, .beside = beside_pair,
	  .two_cpus = true },
	{ .name = "hotcpu", .run = run_singles, .one_cpu = true },
	{ .name = "trickle", .run = run_singles, .workers = 1, .paced = true },
	{ .name = "replay", .run = run_singles, .scheduled = true },
	{ .name = "threads", .run = run_threads, .prepare = prepare_threads,
	  .beside = beside_threads },
	{ .name = "uneven", .run = run_singles, .prepare = prepare_uneven, .workers = 2,
	  .two_cpus = true, .paced = true, .first_ends = true },
	{ 0 },
};

static void prepare(struct worker *worker)
{
	const struct request *request = worker->request;

	worker->random = request->seed * 0x9e3779b97f4a7c15 + worker->index;
	uniform(worker);
	if (request->rate_per_s > 0)
		worker->mean_gap_ns = 1e9 * request->workers / request->rate_per_s;
	worker->count = request->count;
	worker->next = &worker->shared->next;
	if (request->shape->prepare)
		request->shape->prepare(worker);
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
	request->shape->run(&worker);
	end_ns = now_ns();
	while (latest_ns < end_ns &&
	       !atomic_compare_exchange_weak(&shared->end_ns, &latest_ns, end_ns))
		;
	_exit(0);
}
