// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The generator's command line, as workloads/generator.py or a user writes it. */
#define _GNU_SOURCE
#include "forkstorm.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const SPAWNS[] = { "vfork", "fork", "clone", NULL };
static const char *const GAPS[] = { "fixed", "exponential", NULL };

_Noreturn void usage_error(const char *format, ...)
{
	va_list arguments;

	fputs("forkstorm: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(2);
}

static unsigned int choice(const char *name, const char *text, const char *const *words)
{
	for (unsigned int i = 0; words[i]; i++)
		if (!strcmp(text, words[i]))
			return i;
	usage_error("--%s does not know '%s'", name, text);
}

static const struct shape *shape_named(const char *name)
{
	for (const struct shape *shape = SHAPES; shape->name; shape++)
		if (!strcmp(name, shape->name))
			return shape;
	usage_error("--shape does not know '%s'", name);
}

static uint64_t whole(const char *name, const char *text, uint64_t low, uint64_t high)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text < '0' || *text > '9' || value < low ||
	    value > high)
		usage_error("--%s wants a whole number from %llu to %llu, not '%s'", name,
			    (unsigned long long)low, (unsigned long long)high, text);
	return value;
}

static double real(const char *name, const char *text, double low, double high)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= low && value <= high))
		usage_error("--%s wants a number from %g to %g, not '%s'", name, low, high, text);
	return value;
}

static void cpu_list(struct request *request, char *text)
{
	char *rest = text;
	char *word;

	memset(&request->cpus, 0, sizeof(request->cpus));
	while ((word = strsep(&rest, ",")))
		add_cpu(&request->cpus, whole("cpus", word, 0, CPUS_LIMIT - 1));
	request->pinned = true;
}

/* UID:GID. Not root: --privileged keeps that. */
static void user_and_group(struct request *request, char *text)
{
	char *group = strchr(text, ':');

	if (!group)
		usage_error("--user wants UID:GID, not '%s'", text);
	*group++ = '\0';
	request->uid = whole("user", text, 1, UINT32_MAX - 1);
	request->gid = whole("user", group, 0, UINT32_MAX - 1);
	request->change_user = true;
}

static int open_fd(const char *name, const char *text)
{
	int fd = (int)whole(name, text, 0, 1 << 20);

	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		usage_error("--%s: %d is not an open file descriptor", name, fd);
	return fd;
}

static void check_together(struct request *request)
{
	if (request->report_fd < 0 || request->go_fd < 0)
		usage_error("--report-fd and --go-fd are needed");
	if (request->shape->paced && request->rate_per_s == 0)
		usage_error("%s wants --rate", request->shape->name);
	if (request->shape->scheduled && request->schedule_fd < 0)
		usage_error("%s wants --schedule-fd", request->shape->name);
	if (request->shape->in_bursts && request->rate_per_s > 0)
		usage_error("%s is paced by --pause-ms, not --rate", request->shape->name);
	if (request->shape->workers)
		request->workers = request->shape->workers;
	if (request->burst_size > request->count) /* room for more is not needed */
		request->burst_size = request->count;
	if (request->tiny && access(request->tiny, X_OK) < 0)
		usage_error("--tiny %s: %s", request->tiny, strerror(errno));
	if (request->privileged && request->change_user)
		usage_error("--privileged gives up no user");
}

void parse_request(struct request *request, int argc, char **argv)
{
	enum {
		SHAPE, SPAWN, GAP, COUNT, WORKERS, RATE, BURST_SIZE, PAUSE_MS, DEPTH, THREADS,
		EXIT_CODE, SECONDS, SEED, TINY, CPUS, USER, PRIVILEGED, KILL_EVERY,
		SCHEDULE_FD, TRUTH_FD, REPORT_FD, GO_FD,
	};
	static const struct option OPTIONS[] = {
		{ "shape", required_argument, NULL, SHAPE },
		{ "spawn", required_argument, NULL, SPAWN },
		{ "gap", required_argument, NULL, GAP },
		{ "count", required_argument, NULL, COUNT },
		{ "workers", required_argument, NULL, WORKERS },
		{ "rate", required_argument, NULL, RATE },
		{ "burst-size", required_argument, NULL, BURST_SIZE },
		{ "pause-ms", required_argument, NULL, PAUSE_MS },
		{ "depth", required_argument, NULL, DEPTH },
		{ "threads", required_argument, NULL, THREADS },
		{ "exit-code", required_argument, NULL, EXIT_CODE },
		{ "seconds", required_argument, NULL, SECONDS },
		{ "seed", required_argument, NULL, SEED },
		{ "tiny", required_argument, NULL, TINY },
		{ "cpus", required_argument, NULL, CPUS },
		{ "user", required_argument, NULL, USER },
		{ "privileged", no_argument, NULL, PRIVILEGED },
		{ "kill-every", required_argument, NULL, KILL_EVERY },
		{ "schedule-fd", required_argument, NULL, SCHEDULE_FD },
		{ "truth-fd", required_argument, NULL, TRUTH_FD },
		{ "report-fd", required_argument, NULL, REPORT_FD },
		{ "go-fd", required_argument, NULL, GO_FD },
		{ NULL, 0, NULL, 0 },
	};
	int index = 0;
	int option;

	*request = (struct request){
		.shape = SHAPES, .count = 20000, .workers = 2, .burst_size = 1000, .depth = 8, .threads = 4,
		.seconds = 30, .seed = 1, .schedule_fd = -1, .truth_fd = -1,
		.report_fd = -1, .go_fd = -1,
	};
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", OPTIONS, &index)) != -1) {
		const char *name = OPTIONS[index].name;

		switch (option) {
		case SHAPE:
			request->shape = shape_named(optarg);
			break;
		case SPAWN:
			request->spawn = choice(name, optarg, SPAWNS);
			break;
		case GAP:
			request->exponential = choice(name, optarg, GAPS) == 1;
			break;
		case COUNT:
			request->count = whole(name, optarg, 1, 10000000);
			break;
		case WORKERS:
			request->workers = whole(name, optarg, 1, WORKERS_LIMIT);
			break;
		case RATE:
			request->rate_per_s = real(name, optarg, 0, 1e7);
			break;
		case BURST_SIZE:
			request->burst_size = whole(name, optarg, 1, 1000000);
			break;
		case PAUSE_MS:
			request->pause_ms = real(name, optarg, 0, 3600e3);
			break;
		case DEPTH:
			request->depth = whole(name, optarg, 1, DEPTH_LIMIT);
			break;
		case THREADS:
			request->threads = whole(name, optarg, 1, THREADS_LIMIT);
			break;
		case EXIT_CODE:
			request->exit_code =
				strcmp(optarg, "turn") ? (int)whole(name, optarg, 0, 255) : -1;
			break;
		case SECONDS:
			request->seconds = real(name, optarg, 0.001, 3600);
			break;
		case SEED:
			request->seed = whole(name, optarg, 0, UINT64_MAX);
			break;
		case TINY:
			request->tiny = optarg;
			break;
		case CPUS:
			cpu_list(request, optarg);
			break;
		case USER:
			user_and_group(request, optarg);
			break;
		case PRIVILEGED:
			request->privileged = true;
			break;
		case KILL_EVERY:
			request->kill_every = whole(name, optarg, 1, 10000000);
			break;
		case SCHEDULE_FD:
			request->schedule_fd = open_fd(name, optarg);
			break;
		case TRUTH_FD:
			request->truth_fd = open_fd(name, optarg);
			break;
		case REPORT_FD:
			request->report_fd = open_fd(name, optarg);
			break;
		case GO_FD:
			request->go_fd = open_fd(name, optarg);
			break;
		default:
			usage_error("'%s' is no option, or wants a value", argv[optind - 1]);
		}
	}
	if (optind < argc)
		usage_error("'%s' is no option", argv[optind]);
	check_together(request);
}
