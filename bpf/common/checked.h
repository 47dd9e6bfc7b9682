/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Records that show whether they are what their program meant to send. With CHECKED each
 * ends in a checksum over all its words. bench/measure/ledger.py computes it again.
 *
 * Then the tracer is two programs on the same maps, each for half of the processes, as
 * tracers have one for each event: the kernel skips a program that meets itself on a CPU
 * (bpf_prog_get_recursion_context()), so that one alone would never meet another record in
 * its scratch. With SCRATCH that is where an output call's record is built.
 *
 * From Linux 7.0 on programs on raw tracepoints may be preempted (a46023d5616e), those on
 * perf tracepoints not (16718274ee75).
 */
#ifdef CHECKED
#define CHECKSUM_FACTOR 0x9e3779b97f4a7c15ULL

struct sent_record {
	struct exit_record record;
	u64 checksum;	/* the capture keeps its upper half */
};
#else
struct sent_record {
	struct exit_record record;
};
#endif

#ifdef SCRATCH
BPF_PERCPU_ARRAY(shared, struct sent_record, 1);
#endif

#ifdef CHECKED
static __always_inline u64 checksum_of(const struct exit_record *record)
{
	u64 sum = 0;

#pragma unroll
	for (int i = 0; i < sizeof(*record) / 8; i++) {
		u64 word;

		__builtin_memcpy(&word, (const char *)record + 8 * i, sizeof(word));
		sum = ((sum << 5 | sum >> 59) ^ word) * CHECKSUM_FACTOR;
	}
	return sum;
}
#endif

/*
 * Closes the record at `sent`, as late as its transport allows, by the checksum of `meant`:
 * in a scratch `sent` may by now be the record of another program.
 */
static __always_inline void seal(void *sent, const struct exit_record *meant)
{
#ifdef CHECKED
	if (CHECKED)
		((struct sent_record *)sent)->checksum = checksum_of(meant);
#ifdef FAULT_TEAR	/* a test build: `torn` must count it */
	if (meant->sequence == FAULT_TEAR)
		((struct exit_record *)sent)->start_ns = meant->parent_start_ns;
#endif
#endif
}

/* Whether the process is this program's; `second`: of the two that share the maps. */
static __always_inline int is_mine(int second)
{
#ifdef CHECKED
	return !CHECKED || (bpf_get_current_pid_tgid() >> 32 & 1) == second;
#else
	return 1;
#endif
}
