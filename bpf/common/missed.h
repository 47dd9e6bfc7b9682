/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Counts processes whose exit the kernel hid from the tracer, with COUNT_MISSED. While a CPU
 * is inside a bpf() map operation of any process, the kernel skips programs on the perf
 * tracepoint, but not those on the raw one. count_missed() is attached there after the tracer,
 * so it runs after it for the same exit, and checks for its mark.
 */
#ifdef COUNT_MISSED
#define MARKS 32768	/* more processes than may exit between the two programs of one */

BPF_ARRAY(marks, u64, MARKS);	/* start time of the process traced last, by pid */
BPF_PERCPU_ARRAY(missed, u64, 1);
#endif

static __always_inline void mark_traced(struct exit_record *record)
{
#ifdef COUNT_MISSED
	int slot = (bpf_get_current_pid_tgid() >> 32) & (MARKS - 1);
	u64 *mark = COUNT_MISSED ? marks.lookup(&slot) : 0;

	if (mark)
		*mark = record->start_ns;
#endif
}

#ifdef COUNT_MISSED
int count_missed(void *ctx)
{
	u64 task = bpf_get_current_task();
	u64 leader = FIELD(u64, task, OFFSET_TASK_GROUP_LEADER);
	u64 start_ns = FIELD(u64, leader, OFFSET_TASK_START_TIME);
	int zero = 0, slot = (bpf_get_current_pid_tgid() >> 32) & (MARKS - 1);
	u64 *mark = marks.lookup(&slot), *count = missed.lookup(&zero);

	if (HAS_GROUP_DEAD ? !ARGUMENT_GROUP_DEAD(ctx)
			   : FIELD(int, FIELD(u64, task, OFFSET_TASK_SIGNAL), OFFSET_SIGNAL_LIVE))
		return 0;
	if (!mark || !count || *mark == start_ns)
		return 0;
	*mark = start_ns;	/* two threads that leave at once are one process */
	__sync_fetch_and_add(count, 1);
	return 0;
}
#endif
