// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* One child: how it is made, how it ends, and how it is reaped and counted, once. */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* Ends a child as the request says: with its exit code, through tiny if it is to exec. */
static _Noreturn void leave(const struct child *child)
{
	const struct request *request = child->worker->request;
	unsigned int kill_every = request->kill_every;
	int code = request->exit_code < 0 ? (int)(child->number & 255) : request->exit_code;

	if (kill_every && child->number % kill_every == kill_every - 1)
		kill(getpid(), SIGKILL);
	if (request->tiny) {
		char text[4] = { '0' + code / 100, '0' + code / 10 % 10, '0' + code % 10, '\0' };
		char *const arguments[] = { (char *)request->tiny, text, NULL };
		char *const environment[] = { NULL };

		if (request->tiny_copy < 0) /* tools that trace execve(2) miss execveat(2) */
			execve(request->tiny_name, arguments, environment);
		else
			execveat(request->tiny_copy, "", arguments, environment, AT_EMPTY_PATH);
		count_failure(child->worker->shared, errno);
	}
	_exit(code);
}

/*
 * Makes a child that runs its function and ends there. A vforked child uses our stack, so it must
 * not return from the function that made it.
 */
pid_t spawn(enum spawn how, const struct child *child)
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
		child->run(child);
		leave(child);
	}
	if (pid > 0)
		atomic_fetch_add_explicit(&shared->made, 1, memory_order_relaxed);
	else
		count_failure(shared, errno);
	return pid;
}

static void tell_truth(struct shared *shared, pid_t pid, int status)
{
	uint64_t place = atomic_fetch_add_explicit(&shared->truths, 1, memory_order_relaxed);

	if (place < shared->truth_size)
		shared->truth[place] = (struct truth){
			.reaped_ns = now_ns(), .pid = pid, .parent = getpid(), .status = status,
		};
}

void reap(struct shared *shared, pid_t child)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(child, &status, __WALL)) < 0)
		if (errno != EINTR)
			return;
	count_status(shared, status);
	if (shared->truth)
		tell_truth(shared, pid, status);
}
