/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The part of QEMU's plugin API that functions.c uses, declared here because distributions do not
 * package its header. QEMU loads a plugin whose version it supports: one of version 1 is for QEMU
 * 4.2 to 8.2, one of version 2 for 9.0 and later. Source: QEMU's documentation of TCG plugins.
 */
#ifndef EXACT_PLUGIN_API_H
#define EXACT_PLUGIN_API_H

#include <stddef.h>
#include <stdint.h>

#define EXPORTED __attribute__((visibility("default")))

#ifndef API
#define API 2
#endif

#if API == 1
enum { NEWEST_API = 1 };
#else
enum { NEWEST_API = 5 }; /* 10.1; what a later one changes is not known */
#endif

struct qemu_info {
	const char *target_name;
	struct {
		int min;
		int cur;
	} version;
	/* more, which is not used */
};

struct qemu_plugin_tb;
struct qemu_plugin_insn;

enum { NO_REGISTERS }; /* qemu_plugin_cb_flags */

typedef void (*translated_cb)(uint64_t id, struct qemu_plugin_tb *block);
typedef void (*executed_cb)(unsigned int cpu, void *data);

/* It forgets all callbacks and what is translated, then calls back. */
void qemu_plugin_reset(uint64_t id, void (*callback)(uint64_t id));
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, translated_cb callback);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, executed_cb callback,
					  int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *instruction,
					    executed_cb callback, int flags, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t at);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction);

/* Before version 3 it returns the bytes, since then it copies them and returns how many. */
uintptr_t qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction, void *bytes,
				size_t most);

#endif
