// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * A plugin of QEMU that notes what a guest executes between two readings of its clock: the
 * instructions of a call, as many as the guest itself counts. Its file has a line for
 * each call that ran:
 *
 *	call NUMBER INSTRUCTIONS TIMES ADDRESS:EXECUTED ...
 *
 * NUMBER is its place in the guest's plan, INSTRUCTIONS what most of its runs took, the least of
 * several, and TIMES how many. Each ADDRESS has how often one of those runs executed it. Without a file it only says whether it would be taken.
 */
#include "api.h"
#include "marks.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_STEPS 65536 /* of a run; one with more was interrupted */
#define MOST_TOTALS 256 /* of the runs of a call: as many as there are runs */

/* An instruction of the kernel. */
struct step {
	uint64_t address;
	unsigned int executed; /* in one run; 0 between uses */
	bool reads_clock;
};

struct total {
	unsigned int length; /* of the path: its instructions */
	unsigned int times;
	struct step **path; /* of the first run that took so many */
};

EXPORTED int qemu_plugin_version = API;

static FILE *out;
static uint64_t plugin;
static int api;
static int call = -1;
static bool watching; /* the kernel: from the first call on */
static bool counting;
static const struct step *began; /* where the clock was read, unless user space ran since */
static struct step *path[MOST_STEPS];
static unsigned int length;
static struct total totals[MOST_TOTALS];
static unsigned int known;

static void note_path(void)
{
	struct total *at = totals;

	while (at < totals + known && at->length != length)
		at++;
	if (at == totals + MOST_TOTALS)
		return;
	if (at == totals + known) {
		known++;
		*at = (struct total){ .length = length };
		at->path = malloc(length * sizeof(*path));
		if (!at->path)
			abort();
		memcpy(at->path, path, length * sizeof(*path));
	}
	at->times++;
}

static void write_path(const struct total *total)
{
	fprintf(out, "call %d %u %u", call, total->length, total->times);
	for (unsigned int i = 0; i < total->length; i++)
		total->path[i]->executed++;
	for (unsigned int i = 0; i < total->length; i++) {
		struct step *step = total->path[i];

		if (step->executed)
			fprintf(out, " %llx:%u", (unsigned long long)step->address, step->executed);
		step->executed = 0;
	}
	fputc('\n', out);
	fflush(out);
}

static void translated(uint64_t id, struct qemu_plugin_tb *block);

static void translate_anew(uint64_t id)
{
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
}

static void watch_nothing(uint64_t id)
{
	(void)id;
}

static void end_call(void)
{
	const struct total *usual = totals;

	for (const struct total *at = totals; at < totals + known; at++)
		if (at->times > usual->times ||
		    (at->times == usual->times && at->length < usual->length))
			usual = at;
	if (known)
		write_path(usual);
	while (known)
		free(totals[--known].path);
	counting = false;
}

static void next_call(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	end_call();
	call++;
	if (!watching)
		qemu_plugin_reset(plugin, translate_anew);
	watching = true;
}

static void calls_over(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	end_call();
	qemu_plugin_reset(plugin, watch_nothing);
}

static void begin_runs(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	counting = true;
	began = NULL;
}

/* What lies between two runs is left out: the guest's program is in it. */
static void in_user_space(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	began = NULL;
}

/* A call lies between two readings by one instruction; the kernel has others. */
static void executed(unsigned int cpu, void *data)
{
	struct step *step = data;

	(void)cpu;
	if (!counting)
		return;
	if (length == MOST_STEPS)
		began = NULL;
	if (began)
		path[length++] = step;
	if (!step->reads_clock)
		return;
	if (began && began->address == step->address)
		note_path();
	began = step;
	length = 0;
}

static size_t copy_bytes(const struct qemu_plugin_insn *instruction, unsigned char bytes[8])
{
	size_t size = qemu_plugin_insn_size(instruction);
	size_t copied = size < 8 ? size : 8;
	uintptr_t data = qemu_plugin_insn_data(instruction, bytes, copied);

	if (api < 3)
		memcpy(bytes, (const void *)data, copied);
	return size;
}

static bool is_mark(const unsigned char *bytes, size_t size, uint32_t mark)
{
	return size == 8 && !memcmp(bytes, "\x0f\x1f\x84\x00", 4) && !memcmp(bytes + 4, &mark, 4);
}

static bool is_clock(const unsigned char *bytes, size_t size)
{
	return (size == 2 && !memcmp(bytes, "\x0f\x31", 2)) || /* rdtsc */
	       (size == 3 && !memcmp(bytes, "\x0f\x01\xf9", 3)); /* rdtscp */
}

/*
 * Instructions are followed one by one: a block may be left early, at an instruction that reaches
 * a device, and may end with one that the next block begins with.
 */
static void watch_kernel(struct qemu_plugin_insn *instruction, const unsigned char *bytes,
			 size_t size)
{
	struct step *step = calloc(1, sizeof(*step));

	if (!step)
		abort();
	step->address = qemu_plugin_insn_vaddr(instruction);
	step->reads_clock = is_clock(bytes, size);
	qemu_plugin_register_vcpu_insn_exec_cb(instruction, executed, NO_REGISTERS, step);
}

static void watch_program(struct qemu_plugin_insn *instruction, const unsigned char *bytes,
			  size_t size)
{
	if (is_mark(bytes, size, MARK_NEXT))
		qemu_plugin_register_vcpu_insn_exec_cb(instruction, next_call, NO_REGISTERS, NULL);
	else if (is_mark(bytes, size, MARK_RUNS))
		qemu_plugin_register_vcpu_insn_exec_cb(instruction, begin_runs, NO_REGISTERS, NULL);
	else if (is_mark(bytes, size, MARK_OVER))
		qemu_plugin_register_vcpu_insn_exec_cb(instruction, calls_over, NO_REGISTERS, NULL);
}

/* Until the first call, nothing of the kernel is watched: it boots at its usual speed. */
static void translated(uint64_t id, struct qemu_plugin_tb *block)
{
	bool kernel = qemu_plugin_tb_vaddr(block) >> 63;
	size_t count = qemu_plugin_tb_n_insns(block);
	unsigned char bytes[8];

	(void)id;
	if (kernel && !watching)
		return;
	if (!kernel)
		qemu_plugin_register_vcpu_tb_exec_cb(block, in_user_space, NO_REGISTERS, NULL);
	for (size_t i = 0; i < count; i++) {
		struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
		size_t size = copy_bytes(instruction, bytes);

		(kernel ? watch_kernel : watch_program)(instruction, bytes, size);
	}
}

EXPORTED int qemu_plugin_install(uint64_t id, const struct qemu_info *info, int argc, char **argv)
{
	const char *file = argc == 1 && !strncmp(argv[0], "out=", 4) ? argv[0] + 4 : NULL;

	plugin = id;
	api = info->version.cur;
	if (api > NEWEST_API) {
		printf("its plugin API is version %d, and known are those up to %d\n", api, NEWEST_API);
		return 1;
	}
	if (!file) {
		puts("taken");
		return 1;
	}
	out = fopen(file, "we");
	if (!out) {
		perror(file);
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
