/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The first process of a guest in which calls are counted: what its parts share. */
#ifndef EXACT_GUEST_H
#define EXACT_GUEST_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RUNS 256 /* of each call; a power of 2 */

/* Execute a nop that a plugin of QEMU knows by its address: ../plugin/marks.h. */
#if defined(__x86_64__)
#define mark(which) __asm__ volatile(".byte 0x0f, 0x1f, 0x84, 0x00; .long %c0" : : "i"(which) : "memory")
#else
#define mark(which) ((void)(which))
#endif

enum operation {
	EMPTY,
	RESERVE_SUBMIT,
	RESERVE_FILL_SUBMIT,
	RESERVE_DISCARD,
	RING_OUTPUT,
	DYNPTR_SUBMIT,
	DYNPTR_WRITE_SUBMIT,
	PERF_OUTPUT,
};

enum buffer {
	ROOMY, /* holds all records of a call */
	FULL, /* one page, full before the first call that counts */
	OVERWRITE, /* the same, of a ring that overwrites its oldest records */
	SHARDED, /* a roomy ring in an array of rings, looked up by the CPU's number */
};

struct call_case {
	char name[48];
	enum operation operation;
	enum buffer buffer;
	unsigned int bytes; /* of a record */
	bool wake; /* its consumer, at each record */
};

/* What the program writes its counts to; the value of an array's only element. */
struct counts {
	uint64_t runs;
	uint64_t ns[RUNS];
};

/* The buffer of a call; descriptors that are not used are -1. */
struct target {
	int map; /* the program's: the ring, the array of rings or the array of perf events */
	int ring;
	int event;
	void *pages; /* mapped; where the kernel says how far it has written */
	size_t pages_bytes;
};

/* Why a call could not be counted. */
struct refusal {
	const char *step; /* a word */
	int error;
	char said[160]; /* the kernel's words, where it has any */
};

/* bpf.c */
int sys_bpf(enum bpf_cmd command, union bpf_attr *attribute);
int map_create(enum bpf_map_type type, unsigned int value_bytes, unsigned int entries,
	       unsigned int flags, int inner);
int map_update(int map, const void *value);
int map_lookup(int map, void *value);
int run_program(int program, unsigned int times);

/* buffers.c; all return -1 and fill the refusal where the kernel refuses */
int target_open(const struct call_case *call, struct target *target, struct refusal *refusal);
void target_close(const struct target *target);
uint64_t target_position(const struct target *target);

/* program.c */
int program_load(const struct call_case *call, const struct target *target, int counts, int source,
		 struct refusal *refusal);

/* symbols.c */
void report_symbols(void);

int refused(struct refusal *refusal, const char *step, const char *said);

#endif
