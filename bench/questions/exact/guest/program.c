// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The program that makes one call between two readings of the clock. Under icount a nanosecond is
 * an instruction, so what lies between the readings must stay as it is: a move more is one more.
 */
#include "guest.h"

#include <errno.h>
#include <string.h>

/* By number: the helpers' header may be older than the kernel that is booted. */
enum helper {
	MAP_LOOKUP_ELEM = 1,
	KTIME_GET_NS = 5,
	GET_SMP_PROCESSOR_ID = 8,
	PERF_EVENT_OUTPUT = 25,
	RINGBUF_OUTPUT = 130,
	RINGBUF_RESERVE = 131,
	RINGBUF_SUBMIT = 132,
	RINGBUF_DISCARD = 133,
	RINGBUF_RESERVE_DYNPTR = 198,
	RINGBUF_SUBMIT_DYNPTR = 199,
	DYNPTR_WRITE = 202,
};

enum { NO_WAKEUP = 1, FORCE_WAKEUP = 2 };
enum { R0, R1, R2, R3, R4, R5, CONTEXT, BEGAN, TOOK, SOURCE, FRAME };
enum { KEY = -8, DYNPTR = -24 }; /* on the stack */

#define MOST_INSTRUCTIONS 2048

struct code {
	struct bpf_insn insns[MOST_INSTRUCTIONS];
	unsigned int count;
};

static void emit(struct code *code, int opcode, int to, int from, int offset, int value)
{
	if (code->count == MOST_INSTRUCTIONS)
		return; /* the verifier refuses a program without an end */
	code->insns[code->count++] = (struct bpf_insn){
		.code = (uint8_t)opcode,
		.dst_reg = (uint8_t)to & 15,
		.src_reg = (uint8_t)from & 15,
		.off = (int16_t)offset,
		.imm = value,
	};
}

static void set(struct code *code, int to, int value)
{
	emit(code, BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value);
}

static void move(struct code *code, int to, int from)
{
	emit(code, BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0);
}

static void add(struct code *code, int to, int value)
{
	emit(code, BPF_ALU64 | BPF_ADD | BPF_K, to, 0, 0, value);
}

static void load(struct code *code, int to, int from, int offset)
{
	emit(code, BPF_LDX | BPF_MEM | BPF_DW, to, from, offset, 0);
}

static void store(struct code *code, int to, int offset, int from)
{
	emit(code, BPF_STX | BPF_MEM | BPF_DW, to, from, offset, 0);
}

static void set_map(struct code *code, int to, int map)
{
	emit(code, BPF_LD | BPF_DW | BPF_IMM, to, BPF_PSEUDO_MAP_FD, 0, map);
	emit(code, 0, 0, 0, 0, 0);
}

static void call_helper(struct code *code, enum helper helper)
{
	emit(code, BPF_JMP | BPF_CALL, 0, 0, 0, (int)helper);
}

/* Begin what is left out where R0 is 0; end_unless_null() says where it ends. */
static unsigned int unless_null(struct code *code)
{
	emit(code, BPF_JMP | BPF_JEQ | BPF_K, R0, 0, 0, 0);
	return code->count;
}

static void end_unless_null(struct code *code, unsigned int begin)
{
	code->insns[begin - 1].off = (int16_t)(code->count - begin);
}

static void end_program(struct code *code)
{
	set(code, R0, 0);
	emit(code, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* Look up the only element of a map, in R0; without it the program ends. */
static void look_up(struct code *code, int map)
{
	emit(code, BPF_ST | BPF_MEM | BPF_DW, FRAME, 0, KEY, 0);
	set_map(code, R1, map);
	move(code, R2, FRAME);
	add(code, R2, KEY);
	call_helper(code, MAP_LOOKUP_ELEM);
	emit(code, BPF_JMP | BPF_JNE | BPF_K, R0, 0, 2, 0);
	end_program(code);
}

static void reserve(struct code *code, const struct call_case *call, int map)
{
	unsigned int found = 0, reserved;
	int flags = call->wake ? FORCE_WAKEUP : NO_WAKEUP;

	if (call->buffer == SHARDED) {
		call_helper(code, GET_SMP_PROCESSOR_ID);
		emit(code, BPF_STX | BPF_MEM | BPF_W, FRAME, R0, KEY, 0);
		set_map(code, R1, map);
		move(code, R2, FRAME);
		add(code, R2, KEY);
		call_helper(code, MAP_LOOKUP_ELEM);
		found = unless_null(code);
		move(code, R1, R0);
	} else {
		set_map(code, R1, map);
	}
	set(code, R2, (int)call->bytes);
	set(code, R3, 0);
	call_helper(code, RINGBUF_RESERVE);
	reserved = unless_null(code);
	if (call->operation == RESERVE_FILL_SUBMIT) {
		for (unsigned int at = 0; at < call->bytes; at += 8) {
			load(code, R2, SOURCE, (int)at);
			store(code, R0, (int)at, R2);
		}
	} else {
		store(code, R0, 0, BEGAN);
	}
	move(code, R1, R0);
	set(code, R2, flags);
	call_helper(code, call->operation == RESERVE_DISCARD ? RINGBUF_DISCARD : RINGBUF_SUBMIT);
	end_unless_null(code, reserved);
	if (call->buffer == SHARDED)
		end_unless_null(code, found);
}

static void dynptr(struct code *code, const struct call_case *call, int map)
{
	set_map(code, R1, map);
	set(code, R2, (int)call->bytes);
	set(code, R3, 0);
	move(code, R4, FRAME);
	add(code, R4, DYNPTR);
	call_helper(code, RINGBUF_RESERVE_DYNPTR);
	if (call->operation == DYNPTR_WRITE_SUBMIT) {
		move(code, R1, FRAME);
		add(code, R1, DYNPTR);
		set(code, R2, 0);
		move(code, R3, SOURCE);
		set(code, R4, (int)call->bytes);
		set(code, R5, 0);
		call_helper(code, DYNPTR_WRITE);
	}
	move(code, R1, FRAME);
	add(code, R1, DYNPTR);
	set(code, R2, call->wake ? FORCE_WAKEUP : NO_WAKEUP);
	call_helper(code, RINGBUF_SUBMIT_DYNPTR);
}

static void output(struct code *code, const struct call_case *call, int map)
{
	if (call->operation == PERF_OUTPUT) {
		move(code, R1, CONTEXT);
		set_map(code, R2, map);
		/* BPF_F_CURRENT_CPU: the lower half alone */
		emit(code, BPF_ALU | BPF_MOV | BPF_K, R3, 0, 0, -1);
		move(code, R4, SOURCE);
		set(code, R5, (int)call->bytes);
		call_helper(code, PERF_EVENT_OUTPUT);
		return;
	}
	set_map(code, R1, map);
	move(code, R2, SOURCE);
	set(code, R3, (int)call->bytes);
	set(code, R4, call->wake ? FORCE_WAKEUP : NO_WAKEUP);
	call_helper(code, RINGBUF_OUTPUT);
}

static void write_record(struct code *code, const struct call_case *call, int map)
{
	switch (call->operation) {
	case EMPTY:
		return;
	case RESERVE_SUBMIT:
	case RESERVE_FILL_SUBMIT:
	case RESERVE_DISCARD:
		return reserve(code, call, map);
	case DYNPTR_SUBMIT:
	case DYNPTR_WRITE_SUBMIT:
		return dynptr(code, call, map);
	case RING_OUTPUT:
	case PERF_OUTPUT:
		return output(code, call, map);
	}
}

static void keep_count(struct code *code, int counts)
{
	emit(code, BPF_ALU64 | BPF_SUB | BPF_X, TOOK, BEGAN, 0, 0);
	look_up(code, counts);
	load(code, R1, R0, offsetof(struct counts, runs));
	move(code, R2, R1);
	add(code, R2, 1);
	store(code, R0, offsetof(struct counts, runs), R2);
	emit(code, BPF_ALU64 | BPF_AND | BPF_K, R1, 0, 0, RUNS - 1);
	emit(code, BPF_ALU64 | BPF_LSH | BPF_K, R1, 0, 0, 3);
	emit(code, BPF_ALU64 | BPF_ADD | BPF_X, R0, R1, 0, 0);
	store(code, R0, offsetof(struct counts, ns), TOOK);
}

/* Return the verifier's last words that say what is wrong. */
static const char *last_words(char *log)
{
	const char *last = "";

	for (char *line = strtok(log, "\n"); line; line = strtok(NULL, "\n"))
		if (strncmp(line, "processed ", 10))
			last = line;
	return last;
}

int program_load(const struct call_case *call, const struct target *target, int counts, int source,
		 struct refusal *refusal)
{
	static struct code code;
	static char log[1 << 20];
	union bpf_attr load_it = {
		.prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT,
		.insns = (uintptr_t)code.insns,
		.license = (uintptr_t)"Dual BSD/GPL",
		.prog_name = "exact",
	};
	int program;

	code.count = 0;
	move(&code, CONTEXT, R1);
	look_up(&code, source);
	move(&code, SOURCE, R0);
	call_helper(&code, KTIME_GET_NS);
	move(&code, BEGAN, R0);
	write_record(&code, call, target->map);
	call_helper(&code, KTIME_GET_NS);
	move(&code, TOOK, R0);
	keep_count(&code, counts);
	end_program(&code);

	load_it.insn_cnt = code.count;
	program = sys_bpf(BPF_PROG_LOAD, &load_it);
	if (program >= 0)
		return program;
	refused(refusal, "load", "");
	/* Once more, for the verifier's words. */
	load_it.log_buf = (uintptr_t)log;
	load_it.log_size = sizeof(log);
	load_it.log_level = 1;
	log[0] = '\0';
	program = sys_bpf(BPF_PROG_LOAD, &load_it);
	if (program < 0)
		return refused(refusal, "load", last_words(log));
	return program;
}
