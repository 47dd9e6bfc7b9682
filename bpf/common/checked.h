/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Records that show whether they arrived as their program meant them. With CHECKED each
 * ends in a checksum over all its words, which bench/measure/ledger.py computes again.
 *
 * The tracer is then two programs on the same maps, each for half of the processes, just as
 * tracers have one program for each event: the kernel skips a program that would re-enter
 * itself on a CPU (bpf_prog_get_recursion_context()), so a single one would never find another
 * record in its scratch. With SCRATCH, output calls build their records there.
 *
 * From Linux 7.0 on, programs on raw tracepoints may be preempted (a46023d5616e); those on
 * perf tracepoints may not (16718274ee75).
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
 * Closes the record at `sent`, as late as its transport allows, with the checksum of `meant`:
 * in a scratch, `sent` may be another program's record by now.
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
