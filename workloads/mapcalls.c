// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * mapcalls: a neighbour that keeps reading a BPF map, as a monitor that polls counters
 * does. On some kernels a tracepoint program is skipped on a CPU that is inside such a
 * call; this program is there to measure how often.
 *
 * It says "ready" on stdout and goes on until SIGTERM or its parent's end.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static long bpf(enum bpf_cmd command, union bpf_attr *attribute)
{
	return syscall(SYS_bpf, command, attribute, sizeof(*attribute));
}

static int failed(const char *what)
{
	fprintf(stderr, "mapcalls: %s: %s\n", what, strerror(errno));
	return 3;
}

int main(void)
{
	union bpf_attr create = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = sizeof(uint32_t),
		.value_size = sizeof(uint64_t),
		.max_entries = 1,
	};
	uint32_t key = 0;
	uint64_t value;
	union bpf_attr lookup = {
		.key = (uintptr_t)&key,
		.value = (uintptr_t)&value,
	};
	pid_t parent = getppid();
	long map;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		return failed("prctl");
	/* Until 5.11 a map counts against this limit. If it cannot be lifted, it may suffice. */
	setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY });
	map = bpf(BPF_MAP_CREATE, &create);
	if (map < 0)
		return failed("cannot make a map");
	lookup.map_fd = (uint32_t)map;
	if (puts("ready") < 0 || fflush(stdout))
		return failed("nobody listens");
	while (getppid() == parent)
		for (int i = 0; i < 1000; i++)
			if (bpf(BPF_MAP_LOOKUP_ELEM, &lookup))
				return failed("cannot look up");
	return 0;
}
