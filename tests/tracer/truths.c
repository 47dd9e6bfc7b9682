/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Makes processes that end in every way there is, and writes for each what its parent
 * learns: "PID PPID SESSION STATUS COMM", the status as waitpid gave it, the rest from
 * /proc while the process was a zombie.
 *
 *     truths KIND COUNT     a kind of the table below, or "all" in turn
 *
 * Waits for a line on stdin first, so that a caller can prepare for it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4

static void die(const char *what)
{
	perror(what);
	kill(0, SIGKILL);
	abort();
}

static void thread_exit(int code)
{
	syscall(SYS_exit, code);
	__builtin_unreachable();
}

/* Until the process's first thread has gone while others live on. */
static void await_dead_leader(void)
{
	char path[64], text[512];

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", getpid());
	for (;;) {
		int fd = open(path, O_RDONLY);
		ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
		char *end;

		if (fd >= 0)
			close(fd);
		if (got <= 0)
			return;
		text[got] = 0;
		end = strrchr(text, ')');
		if (end && end[2] == 'Z')
			return;
		usleep(200);
	}
}

static void start(void *(*body)(void *), intptr_t argument)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, body, (void *)argument))
		die("pthread_create");
}

static void *exits_process(void *code)
{
	await_dead_leader();
	_exit((intptr_t)code);
}

static void *exits_alone(void *code)
{
	thread_exit((intptr_t)code);
	return NULL;
}

static void *exits_alone_last(void *code)
{
	await_dead_leader();
	thread_exit((intptr_t)code);
	return NULL;
}

static void *kills_process(void *signal)
{
	await_dead_leader();
	kill(getpid(), (intptr_t)signal);
	pause();
	return NULL;
}

static void *executes(void *code)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", (int)(intptr_t)code);
	execl("/proc/self/exe", "truths", "exit", text, (char *)NULL);
	die("execl");
	return NULL;
}

static void *takes_a_name(void *arg)
{
	(void)arg;
	prctl(PR_SET_NAME, "not-the-process");
	return NULL;
}

static void *sleeps(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

static void code(int i)
{
	_exit(i & 255);
}

/* The last thread of all is not the leader. */
static void leader_first(int i)
{
	start(exits_process, i & 255);
	pthread_exit(NULL);
}

static void leader_first_then_killed(int i)
{
	(void)i;
	start(kills_process, SIGUSR1);
	pthread_exit(NULL);
}

/* No exit_group at all: whose code it is differs between kernels. */
static void all_alone_leader_first(int i)
{
	(void)i;
	start(exits_alone_last, 9);
	thread_exit(3);
}

static void all_alone_leader_last(int i)
{
	pthread_t thread;

	(void)i;
	if (pthread_create(&thread, NULL, exits_alone, (void *)9))
		die("pthread_create");
	pthread_join(thread, NULL);
	thread_exit(5);
}

static void all_alone_at_once(int i)
{
	(void)i;
	for (int n = 0; n < THREADS; n++)
		start(exits_alone, 10 + n);
	thread_exit(4);
}

static void exec_from_thread(int i)
{
	start(executes, i & 255);
	for (;;)
		pause();
}

static void exec_from_leader(int i)
{
	start(sleeps, 0);
	executes((void *)(intptr_t)(i & 255));
}

static void by_signal(int i)
{
	const int signals[] = { SIGHUP, SIGINT, SIGKILL, SIGUSR1, SIGPIPE, SIGALRM, SIGTERM,
				SIGRTMIN, SIGRTMIN + 3, SIGRTMAX };
	int chosen = signals[i / 2 % (int)(sizeof(signals) / sizeof(*signals))];

	signal(chosen, SIG_DFL);
	if (i % 2) /* also with others alive */
		start(sleeps, 0);
	kill(getpid(), chosen);
	for (;;)
		pause();
}

static void core(int i)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	const int signals[] = { SIGABRT, SIGSEGV, SIGQUIT, SIGTRAP };

	setrlimit(RLIMIT_CORE, &unlimited);
	signal(signals[i / 2 % 4], SIG_DFL);	/* a shell's background jobs ignore SIGQUIT */
	if (i % 2)
		start(sleeps, 0);
	kill(getpid(), signals[i / 2 % 4]);
	for (;;)
		pause();
}

static void names(int i)
{
	pthread_t thread;
	char name[32];

	snprintf(name, sizeof(name), "name %d )(", i);
	prctl(PR_SET_NAME, name);
	if (pthread_create(&thread, NULL, takes_a_name, NULL))
		die("pthread_create");
	pthread_join(thread, NULL);
	_exit(0);
}

/* Ends in the main program's care, whose pid is its parent's by then. */
static void outlive_parent(int code, pid_t parent)
{
	if (fork())
		_exit(1);
	while (getppid() == parent)
		usleep(100);
	_exit(code);
}

static void orphan(int i)
{
	outlive_parent(i & 255, getpid());
}

/* As daemons are made: a session of its own, whose leader goes away. */
static void daemon_(int i)
{
	if (setsid() < 0)
		die("setsid");
	outlive_parent(i & 255, getpid());
}

static void session_leader(int i)
{
	if (setsid() < 0)
		die("setsid");
	_exit(i & 255);
}

static const struct kind {
	const char *name;
	void (*run)(int i);
} kinds[] = {
	{ "code", code },
	{ "leader-first", leader_first },
	{ "leader-first-then-killed", leader_first_then_killed },
	{ "all-alone-leader-first", all_alone_leader_first },
	{ "all-alone-leader-last", all_alone_leader_last },
	{ "all-alone-at-once", all_alone_at_once },
	{ "exec-from-thread", exec_from_thread },
	{ "exec-from-leader", exec_from_leader },
	{ "signal", by_signal },
	{ "core", core },
	{ "names", names },
	{ "orphan", orphan },
	{ "daemon", daemon_ },
	{ "session-leader", session_leader },
};

#define KINDS ((int)(sizeof(kinds) / sizeof(*kinds)))

/* Writes down a zombie, then reaps it; 0 if none is left. */
static int bury(void)
{
	char path[64], text[512], *name, *end;
	siginfo_t info;
	int fd, status, parent, session;
	ssize_t got;

	if (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT)) {
		if (errno == ECHILD)
			return 0;
		die("waitid");
	}
	snprintf(path, sizeof(path), "/proc/%d/stat", info.si_pid);
	fd = open(path, O_RDONLY);
	got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (got <= 0)
		die(path);
	close(fd);
	text[got] = 0;
	name = strchr(text, '(');
	end = strrchr(text, ')');
	if (!name || !end || sscanf(end + 1, " %*c %d %*d %d", &parent, &session) != 2)
		die(path);
	*end = 0;
	if (waitpid(info.si_pid, &status, 0) != info.si_pid)
		die("waitpid");
	printf("%d %d %d %d %s\n", info.si_pid, parent, session, status, name + 1);
	return 1;
}

int main(int argc, char **argv)
{
	const struct kind *only = NULL;
	int count;

	if (argc != 3)
		return 2;
	count = atoi(argv[2]);
	if (!strcmp(argv[1], "exit"))
		return count;
	for (int k = 0; k < KINDS; k++)
		if (!strcmp(argv[1], kinds[k].name))
			only = &kinds[k];
	if (!only && strcmp(argv[1], "all"))
		return 2;
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		die("prctl");
	if (getchar() == EOF)
		return 2;
	for (int i = 0; i < count; i++) {
		const struct kind *kind = only ? only : &kinds[i % KINDS];
		pid_t child = fork();

		if (child < 0)
			die("fork");
		if (!child) {
			kind->run(only ? i : i / KINDS);
			_exit(99);
		}
		while (bury())
			;
	}
	return 0;
}
