// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * A plugin of QEMU that notes what a guest executes between two readings of its clock: the blocks
 * of instructions of a call, which add up to what the guest itself counts. Its file has a line for
 * each call that ran:
 *
 *	call NUMBER INSTRUCTIONS TIMES ADDRESS:INSTRUCTIONS ...
 *
 * NUMBER is its place in the guest's plan, INSTRUCTIONS what most of its runs took, the least of
 * several, and TIMES how many. A block has the address of its first instruction, and all that the
 * run executed of it. Without a file it only says whether it would be taken.
 */
#include "api.h"
#include "marks.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BLOCKS 65536 /* of a run; one with more was interrupted */
#define MOST_TOTALS 256 /* of the runs of a call: as many as there are runs */

struct block {
	uint64_t address;
	uint64_t instructions;
	uint64_t executed; /* of them, in one run; 0 between uses */
	bool reads_clock; /* its last instruction: with icount, none follows */
};

struct total {
	uint64_t instructions;
	unsigned int times;
	unsigned int length;
	struct block **path; /* of the first run that took so many */
};

EXPORTED int qemu_plugin_version = API;

static FILE *out;
static int api;
static int call = -1;
static bool counting;
static bool in_kernel; /* since the clock was read */
static struct block *path[MOST_BLOCKS];
static unsigned int length;
static struct total totals[MOST_TOTALS];
static unsigned int known;

static uint64_t instructions_of_path(void)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < length; i++)
		sum += path[i]->instructions;
	return sum;
}

static void note_path(void)
{
	uint64_t instructions = instructions_of_path();
	struct total *at = totals;

	while (at < totals + known && at->instructions != instructions)
		at++;
	if (at == totals + MOST_TOTALS)
		return;
	if (at == totals + known) {
		known++;
		*at = (struct total){ .instructions = instructions, .length = length };
		at->path = malloc(length * sizeof(*path));
		if (!at->path)
			abort();
		memcpy(at->path, path, length * sizeof(*path));
	}
	at->times++;
}

static void write_path(const struct total *total)
{
	fprintf(out, "call %d %llu %u", call, (unsigned long long)total->instructions, total->times);
	for (unsigned int i = 0; i < total->length; i++)
		total->path[i]->executed += total->path[i]->instructions;
	for (unsigned int i = 0; i < total->length; i++) {
		struct block *block = total->path[i];

		if (block->executed)
			fprintf(out, " %llx:%llu", (unsigned long long)block->address,
				(unsigned long long)block->executed);
		block->executed = 0;
	}
	fputc('\n', out);
	fflush(out);
}

static void next_call(unsigned int cpu, void *data)
{
	const struct total *usual = totals;

	(void)cpu;
	(void)data;
	for (const struct total *at = totals; at < totals + known; at++)
		if (at->times > usual->times || (at->times == usual->times &&
						 at->instructions < usual->instructions))
			usual = at;
	if (known)
		write_path(usual);
	while (known)
		free(totals[--known].path);
	counting = false;
	call++;
}

static void begin_runs(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	counting = true;
	in_kernel = false;
}

/* What lies between two runs is left out: the guest's program is in it. */
static void executed(unsigned int cpu, void *data)
{
	struct block *block = data;

	(void)cpu;
	if (!counting)
		return;
	if (!(block->address >> 63) || length == MOST_BLOCKS)
		in_kernel = false;
	if (in_kernel)
		path[length++] = block;
	if (!block->reads_clock)
		return;
	if (in_kernel)
		note_path();
	in_kernel = true;
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

static void translated(uint64_t id, struct qemu_plugin_tb *translation)
{
	size_t count = qemu_plugin_tb_n_insns(translation), size = 0;
	struct block *block = calloc(1, sizeof(*block));
	unsigned char bytes[8];

	(void)id;
	if (!block)
		abort();
	block->address = qemu_plugin_tb_vaddr(translation);
	block->instructions = count;
	if (block->address >> 63) {
		size = copy_bytes(qemu_plugin_tb_get_insn(translation, count - 1), bytes);
		block->reads_clock = is_clock(bytes, size);
	}
	for (size_t i = 0; !(block->address >> 63) && i < count; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(translation, i);

		size = copy_bytes(insn, bytes);
		if (is_mark(bytes, size, MARK_NEXT))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, next_call, NO_REGISTERS, NULL);
		else if (is_mark(bytes, size, MARK_RUNS))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, begin_runs, NO_REGISTERS, NULL);
	}
	qemu_plugin_register_vcpu_tb_exec_cb(translation, executed, NO_REGISTERS, block);
}

EXPORTED int qemu_plugin_install(uint64_t id, const struct qemu_info *info, int argc, char **argv)
{
	const char *file = argc == 1 && !strncmp(argv[0], "out=", 4) ? argv[0] + 4 : NULL;

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
