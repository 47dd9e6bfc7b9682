// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The first process of a guest that has nothing else: it makes each call of the plan a few hundred
 * times, reports what each took, and powers off.
 *
 * /plan in the initial RAM disk has a call a line: NAME OPERATION BYTES quiet|wake BUFFER. The
 * report goes to the device that the kernel's parameter report= names, a word first in each line:
 *
 *	bufbench-exact 1
 *	release 6.12.118+deb13-amd64		and other facts
 *	call NAME BYTES FROM TO NS[*TIMES],...	in the order of the calls; FROM and TO are the
 *						buffer's positions before the first and after
 *						the last
 *	refused NAME BYTES STEP ERRNO WORDS
 *	end
 *
 * Nothing in it may depend on time but for the counts: two boots are compared byte for byte.
 */
#define _GNU_SOURCE
#include "guest.h"
#include "../plugin/marks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <termios.h>
#include <unistd.h>

#define FILLED_BYTES 64 /* by a call at least: records are longer */
#define SOURCE_BYTES 8192 /* what records are copied from */
#define REPORT_BYTES (1 << 20) /* kept until the end: a device that is busy interrupts calls */

static const char *const operations[] = {
	[EMPTY] = "empty",
	[RESERVE_SUBMIT] = "reserve-submit",
	[RESERVE_FILL_SUBMIT] = "reserve-fill-submit",
	[RESERVE_DISCARD] = "reserve-discard",
	[RING_OUTPUT] = "ring-output",
	[DYNPTR_SUBMIT] = "dynptr-submit",
	[DYNPTR_WRITE_SUBMIT] = "dynptr-write-submit",
	[PERF_OUTPUT] = "perf-output",
};

static const char *const buffers[] = {
	[ROOMY] = "roomy",
	[FULL] = "full",
	[OVERWRITE] = "overwrite",
	[SHARDED] = "sharded",
};

static int index_of(const char *word, const char *const words[], size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(word, words[i]))
			return (int)i;
	return -1;
}

static bool parse_call(const char *line, struct call_case *call)
{
	char operation[24], wake[8], buffer[16];
	int which, where;

	if (sscanf(line, "%47s %23s %u %7s %15s", call->name, operation, &call->bytes, wake,
		   buffer) != 5)
		return false;
	which = index_of(operation, operations, sizeof(operations) / sizeof(*operations));
	where = index_of(buffer, buffers, sizeof(buffers) / sizeof(*buffers));
	if (which < 0 || where < 0 || call->bytes > SOURCE_BYTES)
		return false;
	call->operation = (enum operation)which;
	call->buffer = (enum buffer)where;
	call->wake = !strcmp(wake, "wake");
	return true;
}

static void report_counts(const struct call_case *call, const struct counts *counts, uint64_t from,
			  uint64_t to)
{
	printf("call %s %u %llu %llu", call->name, call->bytes, (unsigned long long)from,
	       (unsigned long long)to);
	for (unsigned int i = 0, next; i < RUNS; i = next) {
		for (next = i + 1; next < RUNS && counts->ns[next] == counts->ns[i]; next++)
			;
		printf("%c%llu", i ? ',' : ' ', (unsigned long long)counts->ns[i]);
		if (next - i > 1)
			printf("*%u", next - i);
	}
	putchar('\n');
}

/* Run the program of a call: first until its buffer is full, where that is wanted. */
static int run_call(const struct call_case *call, const struct target *target, int program, int map,
		    struct refusal *refusal)
{
	static struct counts counts;
	uint64_t from;

	if (call->buffer == FULL || call->buffer == OVERWRITE) {
		if (run_program(program, (unsigned int)getpagesize() / FILLED_BYTES))
			return refused(refusal, "run", "");
	}
	memset(&counts, 0, sizeof(counts));
	if (map_update(map, &counts))
		return refused(refusal, "counts", "");
	from = target_position(target);
	mark(MARK_RUNS);
	if (run_program(program, RUNS))
		return refused(refusal, "run", "");
	if (map_lookup(map, &counts))
		return refused(refusal, "counts", "");
	if (counts.runs != RUNS) {
		errno = EAGAIN;
		return refused(refusal, "run", "the program ran too often, or too seldom");
	}
	report_counts(call, &counts, from, target_position(target));
	return 0;
}

static int count(const struct call_case *call, int counts, int source, struct refusal *refusal)
{
	struct target target;
	int program, failed = -1;

	if (target_open(call, &target, refusal) == 0) {
		program = program_load(call, &target, counts, source, refusal);
		if (program >= 0) {
			failed = run_call(call, &target, program, counts, refusal);
			close(program);
		}
	}
	target_close(&target);
	return failed;
}

static void follow_plan(void)
{
	int counts = map_create(BPF_MAP_TYPE_ARRAY, sizeof(struct counts), 1, 0, -1);
	int source = map_create(BPF_MAP_TYPE_ARRAY, SOURCE_BYTES, 1, 0, -1);
	FILE *plan = fopen("/plan", "re");
	char line[160];

	if (counts < 0 || source < 0) {
		printf("failed bpf %d %s\n", errno, strerror(errno));
		return;
	}
	while (plan && fgets(line, sizeof(line), plan)) {
		struct refusal refusal = { 0 };
		struct call_case call;

		mark(MARK_NEXT);
		if (!parse_call(line, &call))
			printf("failed plan %d %s", EINVAL, line);
		else if (count(&call, counts, source, &refusal))
			printf("refused %s %u %s %d %s\n", call.name, call.bytes, refusal.step,
			       refusal.error,
			       *refusal.said ? refusal.said : strerror(refusal.error));
	}
	mark(MARK_OVER);
}

/* A file's first word as a fact; nothing where the kernel has no such file. */
static void report_file(const char *name, const char *path)
{
	FILE *file = fopen(path, "re");
	char word[64];

	if (!file)
		return;
	if (fscanf(file, "%63s", word) == 1)
		printf("%s %s\n", name, word);
	fclose(file);
}

static void report_facts(void)
{
	struct utsname system;

	uname(&system);
	printf("bufbench-exact 1\nrelease %s\nmachine %s\npage %d\n", system.release,
	       system.machine, getpagesize());
	report_file("jit", "/proc/sys/net/core/bpf_jit_enable");
	report_file("clock", "/sys/devices/system/clocksource/clocksource0/current_clocksource");
}

static void open_report(const char *path)
{
	struct termios settings;
	int device = open(path, O_WRONLY | O_NOCTTY);

	if (device < 0)
		return; /* the console says so: there is no end in it */
	if (!tcgetattr(device, &settings)) {
		cfmakeraw(&settings);
		tcsetattr(device, TCSANOW, &settings);
	}
	dup2(device, STDOUT_FILENO);
}

static void mount_on(const char *kind, const char *folder)
{
	mkdir(folder, 0755);
	mount(kind, folder, kind, 0, NULL);
}

/* What the kernel says from here on has times that depend on what a QEMU asks for. */
static void silence_console(void)
{
	FILE *levels = fopen("/proc/sys/kernel/printk", "we");

	if (!levels)
		return;
	fputs("0 4 0 7", levels);
	fclose(levels);
}

int main(void)
{
	static char kept[REPORT_BYTES];
	const char *report = getenv("report");

	mount_on("devtmpfs", "/dev");
	mount_on("proc", "/proc");
	mount_on("sysfs", "/sys");
	open_report(report ? report : "/dev/console");
	setvbuf(stdout, kept, _IOFBF, sizeof(kept));
	/* Until 5.11 maps count against this limit. */
	setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY });
	report_facts();
	follow_plan();
	puts("end");
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
	silence_console();
	report_symbols();
	sync();
	reboot(RB_POWER_OFF);
	return 1;
}
