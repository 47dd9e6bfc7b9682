// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* bpf(2): maps of one element, and programs that are run where nothing is attached. */
#include "guest.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENOTSUPP 524 /* the kernel's own; it has no name in user space */

int sys_bpf(enum bpf_cmd command, union bpf_attr *attribute)
{
	return (int)syscall(SYS_bpf, command, attribute, sizeof(*attribute));
}

int map_create(enum bpf_map_type type, unsigned int value_bytes, unsigned int entries,
	       unsigned int flags, int inner)
{
	union bpf_attr create = {
		.map_type = type,
		.key_size = type == BPF_MAP_TYPE_RINGBUF ? 0 : sizeof(uint32_t),
		.value_size = value_bytes,
		.max_entries = entries,
		.map_flags = flags,
		.inner_map_fd = inner < 0 ? 0 : (uint32_t)inner,
	};

	return sys_bpf(BPF_MAP_CREATE, &create);
}

static int element(enum bpf_cmd command, int map, const void *value)
{
	const uint32_t first = 0;
	union bpf_attr at = {
		.map_fd = (uint32_t)map,
		.key = (uintptr_t)&first,
		.value = (uintptr_t)value,
	};

	return sys_bpf(command, &at);
}

int map_update(int map, const void *value)
{
	return element(BPF_MAP_UPDATE_ELEM, map, value);
}

int map_lookup(int map, void *value)
{
	return element(BPF_MAP_LOOKUP_ELEM, map, value);
}

/*
 * Before 5.10 a program of a raw tracepoint cannot be run by itself. Attached to the entry of
 * every system call it runs as often as one is made, the last time at the close() that ends it.
 */
static int run_at_system_calls(int program, unsigned int times)
{
	union bpf_attr attach = {
		.raw_tracepoint.name = (uintptr_t)"sys_enter",
		.raw_tracepoint.prog_fd = (uint32_t)program,
	};
	int link = sys_bpf(BPF_RAW_TRACEPOINT_OPEN, &attach);

	if (link < 0)
		return -1;
	for (unsigned int i = 1; i < times; i++)
		syscall(SYS_getppid);
	return close(link);
}

int run_program(int program, unsigned int times)
{
	for (unsigned int i = 0; i < times; i++) {
		union bpf_attr test = { .test.prog_fd = (uint32_t)program };

		if (!sys_bpf(BPF_PROG_TEST_RUN, &test))
			continue;
		if (i == 0 && (errno == ENOTSUPP || errno == EINVAL))
			return run_at_system_calls(program, times);
		return -1;
	}
	return 0;
}
