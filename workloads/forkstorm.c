// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The fork-storm generator. In its own session it makes processes that exit, in one of
 * several shapes, reaps every one, and reports exactly how many there were.
 *
 *	forkstorm --report-fd N --go-fd M [--shape storm] [--count 20000] ...
 *
 * It writes "ready AT_ONCE" to N when its session exists (the session's id is its pid) and it
 * knows the most processes and threads that it will have at once, starts at the first byte that
 * it reads from M, and ends with key=value lines and "end" on N. The end of
 * file on M, at any time, means that its parent is gone. SIGTERM ends the storm early:
 * everything is reaped and reported all the same.
 */
#define _GNU_SOURCE
#include "forkstorm.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE_NS (5 * NS_PER_S) /* workers have after a stop; an emulated machine is slow */

struct generator {
	struct request request;
	struct shared *shared;
	int signals; /* signalfd */
	uint64_t start_ns;
	uint64_t deadline_ns; /* of what is waited for: the storm's end, then the workers' */
	pid_t pids[WORKERS_LIMIT]; /* workers; the first leads a group of all but the generator */
	unsigned int workers_ended;
	char trouble[128]; /* why the counts cannot be trusted */
};

static void die(const char *what)
{
	fprintf(stderr, "forkstorm: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The process that started us can die before prctl() asks for its signal; then there is another parent. */
static void die_with_parent(pid_t parent, int signal)
{
	if (prctl(PR_SET_PDEATHSIG, signal) < 0)
		die("PR_SET_PDEATHSIG");
	if (getppid() != parent)
		_exit(1);
}

static void *map_file(int fd, int protection, const char *what, size_t *size)
{
	struct stat file;
	void *pages;

	if (fstat(fd, &file) < 0)
		die(what);
	*size = file.st_size;
	pages = mmap(NULL, file.st_size, protection, MAP_SHARED, fd, 0);
	if (pages == MAP_FAILED)
		die(what);
	return pages;
}

/* Before any process is made that reads the schedule or writes the truth. */
static void map_files(struct generator *generator)
{
	struct request *request = &generator->request;
	struct shared *shared = generator->shared;
	size_t size;

	if (request->truth_fd >= 0) {
		shared->truth = map_file(request->truth_fd, PROT_READ | PROT_WRITE, "--truth-fd", &size);
		shared->truth_size = size / sizeof(struct truth);
	}
	if (request->shape->scheduled) {
		shared->due_ns = map_file(request->schedule_fd, PROT_READ, "--schedule-fd", &size);
		if (request->count > size / sizeof(uint64_t))
			request->count = size / sizeof(uint64_t);
	}
}

static void set_affinity(struct request *request)
{
	struct cpus allowed;

	if (request->pinned && run_on(&request->cpus) < 0)
		usage_error("--cpus: none of these CPUs can be used: %s", strerror(errno));
	if (get_affinity(&allowed) < 0)
		die("sched_getaffinity");
	for (int cpu = 0; request->pinned && cpu < CPUS_LIMIT; cpu++)
		if (has_cpu(&request->cpus, cpu) && !has_cpu(&allowed, cpu))
			usage_error("--cpus: CPU %d is not there, or not for us", cpu);
	if (request->shape->two_cpus && count_cpus(&allowed) < 2)
		usage_error("%s wants two CPUs, one is available", request->shape->name);
	for (int cpu = 0; request->shape->one_cpu && cpu < CPUS_LIMIT; cpu++) {
		if (!has_cpu(&allowed, cpu))
			continue;
		if (run_on_one(cpu) < 0)
			die("sched_setaffinity");
		break;
	}
}

/* Signals are read from a descriptor, so that none can interrupt a count half-way. */
static int open_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		die("signalfd");
	return fd;
}

static void stop(struct generator *generator, enum stop why)
{
	uint32_t not_yet = STOP_NOT;

	if (!atomic_compare_exchange_strong(&generator->shared->stop, &not_yet, why))
		return;
	futex_wake_all(&generator->shared->stop);
	generator->deadline_ns = now_ns() + GRACE_NS;
}

/* Takes pending signals; true if one of them asks us to end. */
static bool asked_to_end(const struct generator *generator)
{
	struct signalfd_siginfo info;
	bool asked = false;

	while (read(generator->signals, &info, sizeof(info)) == sizeof(info))
		asked |= info.ssi_signo != SIGCHLD;
	return asked;
}

/* Sleeps until a signal, a byte or the end of file on the go descriptor, or `until_ns`. */
static bool wait_for_event(struct generator *generator, uint64_t until_ns)
{
	struct pollfd polled[2] = {
		{ .fd = generator->signals, .events = POLLIN },
		{ .fd = generator->request.go_fd, .events = POLLIN },
	};
	uint64_t now = now_ns();
	int timeout_ms = -1;
	bool gone = false;
	bool go = false;
	char byte;

	if (until_ns)
		timeout_ms = until_ns > now ? (int)((until_ns - now) / 1000000 + 1) : 0;
	if (poll(polled, 2, timeout_ms) < 0 && errno != EINTR)
		die("poll");
	if (polled[1].revents) {
		go = read(generator->request.go_fd, &byte, 1) == 1;
		gone = !go;
	}
	if (gone)
		generator->request.go_fd = -1; /* poll passes over it */
	if (asked_to_end(generator) || gone)
		stop(generator, STOP_SIGNAL);
	return go;
}

static void make_workers(struct generator *generator)
{
	struct shared *shared = generator->shared;
	pid_t self = getpid();
	sigset_t children;

	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	for (unsigned int i = 0; i < generator->request.workers; i++) {
		pid_t pid = fork();

		if (pid < 0) {
			count_failure(shared, errno);
			break;
		}
		if (pid == 0) {
			/* SIGTERM stays blocked: a stop comes from us, between two children. */
			sigprocmask(SIG_UNBLOCK, &children, NULL);
			die_with_parent(self, SIGKILL);
			close(generator->signals);
			close(generator->request.go_fd);
			close(generator->request.report_fd);
			run_worker(&generator->request, shared, i);
		}
		atomic_fetch_add(&shared->made, 1);
		generator->pids[i] = pid;
		setpgid(pid, generator->pids[0]);
		shared->workers++;
	}
	atomic_store(&shared->forking, shared->workers);
	atomic_store(&shared->reaping, shared->workers);
}

/* Reaps what has ended: workers, and orphans, whose subreaper we are. False if none is left. */
static bool reap_ended(struct generator *generator)
{
	struct shared *shared = generator->shared;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0) {
		count_status(shared, status);
		for (unsigned int i = 0; i < shared->workers; i++)
			if (pid == generator->pids[i]) {
				generator->workers_ended++;
				if (status != 0 && !*generator->trouble)
					snprintf(generator->trouble, sizeof(generator->trouble),
						 "worker %u ended with wait status %d", i, status);
			}
		if (*generator->trouble) {
			stop(generator, STOP_SIGNAL);
			generator->deadline_ns = now_ns(); /* no count of it will be used */
		} else if (generator->request.shape->first_ends && pid == generator->pids[0])
			stop(generator, STOP_DONE);
	}
	return pid == 0;
}

static void start_workers(struct generator *generator)
{
	struct shared *shared = generator->shared;
	uint32_t ready;

	while ((ready = atomic_load(&shared->ready)) + generator->workers_ended < shared->workers) {
		futex_wait(&shared->ready, ready, now_ns() + NS_PER_S / 20);
		reap_ended(generator);
	}
	generator->start_ns = now_ns();
	if (!generator->deadline_ns)
		generator->deadline_ns =
			generator->start_ns + (uint64_t)(generator->request.seconds * 1e9);
	atomic_store(&shared->start, 1);
	futex_wake_all(&shared->start);
}

static void supervise(struct generator *generator)
{
	bool killed = false;

	while (reap_ended(generator)) {
		wait_for_event(generator, killed ? 0 : generator->deadline_ns);
		if (killed || now_ns() < generator->deadline_ns)
			continue;
		if (atomic_load(&generator->shared->stop) == STOP_NOT) {
			stop(generator, STOP_SECONDS);
			continue;
		}
		/* All that it made is in the workers' process group. */
		kill(-generator->pids[0], SIGKILL);
		killed = true;
		if (!*generator->trouble)
			snprintf(generator->trouble, sizeof(generator->trouble),
				 "workers had to be killed %llu s after the stop",
				 (unsigned long long)(GRACE_NS / NS_PER_S));
	}
}

static bool report(const struct generator *generator, unsigned int lowered_from)
{
	static const char *const STOPS[] = { "", "seconds", "signal", "" };
	struct shared *shared = generator->shared;
	uint64_t end_ns = atomic_load(&shared->end_ns);
	FILE *file = fdopen(generator->request.report_fd, "w");
	uint64_t reaped = 0;

	if (!file)
		return false;
	for (unsigned int i = 0; i < 256; i++) {
		if (shared->exits[i])
			fprintf(file, "status.%u=%llu\n", i << 8,
				(unsigned long long)shared->exits[i]);
		if (shared->signals[i])
			fprintf(file, "status.%u=%llu\n", i,
				(unsigned long long)shared->signals[i]);
		reaped += shared->exits[i] + shared->signals[i];
	}
	for (int error = 0; error < ERRNO_LIMIT; error++)
		if (shared->failed[error])
			fprintf(file, "failed.%s=%llu\n",
				strerrorname_np(error) ? strerrorname_np(error) : "unknown",
				(unsigned long long)shared->failed[error]);
	fprintf(file, "made=%llu\nreaped=%llu\nthreads_made=%llu\nuser_id=%u\n",
		(unsigned long long)shared->made, (unsigned long long)reaped,
		(unsigned long long)shared->threads_made, getuid());
	fprintf(file, "start_ns=%llu\nend_ns=%llu\nlowered_from=%u\nat_once=%u\nstopped_by=%s\n",
		(unsigned long long)generator->start_ns,
		(unsigned long long)(end_ns ? end_ns : generator->start_ns), lowered_from,
		most_at_once(&generator->request, shared), STOPS[shared->stop]);
	if (*generator->trouble)
		fprintf(file, "trouble=%s\n", generator->trouble);
	fprintf(file, "end\n");
	return fclose(file) == 0;
}

int main(int argc, char **argv)
{
	struct generator generator = { 0 };
	struct request *request = &generator.request;
	pid_t parent = getppid();
	unsigned int lowered_from;

	settle_inherited();
	parse_request(request, argc, argv);
	set_affinity(request);
	generator.signals = open_signals();
	if (setsid() < 0 && getsid(0) != getpid()) /* it may lead one already */
		die("setsid, as leader of a process group (start it with setsid)");
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		die("PR_SET_CHILD_SUBREAPER");
	open_tiny(request);
	drop_privileges(request);
	copy_tiny(request);
	/*
	 * Now, since a change of user clears it. Not SIGKILL: what we made is to be ended and
	 * reaped. Workers do not inherit it and set their own.
	 */
	die_with_parent(parent, SIGTERM);
	lowered_from = lower_to_limits(request);
	generator.shared = mmap(NULL, sizeof(*generator.shared), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (generator.shared == MAP_FAILED)
		die("mmap");
	map_files(&generator);
	if (dprintf(request->report_fd, "ready %u\n", planned_at_once(request)) < 0)
		die("--report-fd");
	while (!wait_for_event(&generator, 0) && !atomic_load(&generator.shared->stop))
		;
	if (!atomic_load(&generator.shared->stop)) {
		make_workers(&generator);
		start_workers(&generator);
		supervise(&generator);
	}
	return report(&generator, lowered_from) && !*generator.trouble ? 0 : 1;
}
