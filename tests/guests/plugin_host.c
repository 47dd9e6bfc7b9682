/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A QEMU that does nothing but load a plugin and call it back, as each version of the API does:
 *
 *	plugin_host PLUGIN VERSION [ARGUMENT]
 *
 * Its guest marks one call, in which the kernel reads the clock three times, two instructions
 * between.
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "marks.h"

#define KERNEL 0xffffffff81000000

struct qemu_plugin_insn {
	uint64_t address;
	size_t size;
	unsigned char bytes[8];
	executed_cb callback;
	void *data;
};

struct qemu_plugin_tb {
	struct qemu_plugin_insn instructions[3];
	size_t count;
	bool translated;
	executed_cb callback;
	void *data;
};

static int version;
static translated_cb translated;
static void (*after_reset)(uint64_t id);

void qemu_plugin_reset(uint64_t id, void (*callback)(uint64_t id))
{
	(void)id;
	after_reset = callback;
}

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, translated_cb callback)
{
	(void)id;
	translated = callback;
}

void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, executed_cb callback,
					  int flags, void *data)
{
	(void)flags;
	block->callback = callback;
	block->data = data;
}

void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *instruction,
					    executed_cb callback, int flags, void *data)
{
	(void)flags;
	instruction->callback = callback;
	instruction->data = data;
}

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block)
{
	return block->count;
}

uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block)
{
	return block->instructions[0].address;
}

struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t at)
{
	return (struct qemu_plugin_insn *)&block->instructions[at];
}

uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction)
{
	return instruction->address;
}

size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction)
{
	return instruction->size;
}

uintptr_t qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction, void *bytes, size_t most)
{
	if (version < 3)
		return (uintptr_t)instruction->bytes;
	memcpy(bytes, instruction->bytes, most);
	return most;
}

static void execute(struct qemu_plugin_tb *block)
{
	if (!block->translated && translated)
		translated(1, block);
	block->translated = true;
	if (block->callback)
		block->callback(0, block->data);
	for (size_t at = 0; at < block->count; at++)
		if (block->instructions[at].callback)
			block->instructions[at].callback(0, block->instructions[at].data);
}

static void forget(struct qemu_plugin_tb *block)
{
	block->translated = false;
	block->callback = NULL;
	for (size_t at = 0; at < block->count; at++)
		block->instructions[at].callback = NULL;
}

static struct qemu_plugin_tb mark(uint64_t address, uint32_t number)
{
	struct qemu_plugin_tb block = { .count = 1 };
	struct qemu_plugin_insn *only = block.instructions;

	*only = (struct qemu_plugin_insn){ .address = address, .size = 8 };
	memcpy(only->bytes, "\x0f\x1f\x84\x00", 4);
	memcpy(only->bytes + 4, &number, 4);
	return block;
}

int main(int argc, char **argv)
{
	struct qemu_plugin_tb blocks[] = {
		mark(0x1000, MARK_NEXT),
		mark(0x2000, MARK_RUNS),
		{
			.instructions = {
				{ .address = KERNEL, .size = 2, .bytes = "\x0f\x31" },
				{ .address = KERNEL + 2, .size = 1, .bytes = "\x90" },
				{ .address = KERNEL + 3, .size = 1, .bytes = "\x90" },
			},
			.count = 3,
		},
		mark(0x3000, MARK_OVER),
	};
	const int order[] = { 0, 1, 2, 2, 2, 3 };
	struct qemu_info info = { .target_name = "x86_64" };
	void *plugin = argc > 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
	int (*install)(uint64_t id, const struct qemu_info *info, int argc, char **argv);

	if (!plugin) {
		fprintf(stderr, "%s\n", argc > 2 ? dlerror() : "usage");
		return 2;
	}
	version = info.version.cur = atoi(argv[2]);
	install = dlsym(plugin, "qemu_plugin_install");
	if (!install || !dlsym(plugin, "qemu_plugin_version"))
		return 2;
	if (install(1, &info, argc - 3, argv + 3))
		return 1;
	for (size_t at = 0; at < sizeof(order) / sizeof(*order); at++) {
		execute(&blocks[order[at]]);
		if (!after_reset)
			continue;
		translated = NULL;
		for (size_t each = 0; each < sizeof(blocks) / sizeof(*blocks); each++)
			forget(&blocks[each]);
		after_reset(1);
		after_reset = NULL;
	}
	return 0;
}
