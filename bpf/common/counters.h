/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The ledger's counters. Per-CPU arrays: no two CPUs share a cache line. Plain increments
 * suffice for programs on a perf tracepoint, which are never preempted by another on their
 * CPU (perf_trace_run_bpf_submit() is called with preemption disabled). Those on raw
 * tracepoints may be, from Linux 7.0 on: with PREEMPTIBLE, if the kernel has HAS_FETCH_ADD
 * (5.12), all that the ledger rests on is added atomically. bench/tracer/counters.py mirrors
 * the layout.
 */
#define CAUSES 1024	/* slot 0: refused by reserve, which reports no errno; else the errno */
#define REFUSED -CAUSES

struct tracer_counters {
	u64 exits;
	u64 attempted;		/* records; the next sequence number */
	u64 own_exits;
	u64 own_attempted;
	u64 unwoken;		/* records written since a wake-up was last requested; not atomic */
	u64 dropped;		/* of all causes: shows the reader when it has seen all of them */
	volatile u32 due;	/* records of the exit at hand; 1 where programs are preemptible */
};

/* Apart, since bcc compiles code for every member of a map's value. */
struct drop_counters {
	u64 all;
	u64 own;
};

BPF_PERCPU_ARRAY(counters, struct tracer_counters, 1);
BPF_PERCPU_ARRAY(drops, struct drop_counters, CAUSES);

#if defined(PREEMPTIBLE) && defined(HAS_FETCH_ADD)
/*
 * Adds and returns what was there before. The compilers of bcc know no such instruction, and
 * their assembler only its name: this is BPF_STX | BPF_ATOMIC | BPF_DW with BPF_ADD | BPF_FETCH.
 */
static __always_inline u64 add(u64 *count, u64 number)
{
	asm volatile(".set r0, 0; .set r1, 1; .set r2, 2; .set r3, 3; .set r4, 4\n"
		     ".set r5, 5; .set r6, 6; .set r7, 7; .set r8, 8; .set r9, 9\n"
		     ".byte 0xdb, %0 * 16 + %1, 0, 0, 1, 0, 0, 0"
		     : "+r"(number) : "r"(count) : "memory");
	return number;
}
#else
static __always_inline u64 add(u64 *count, u64 number)
{
	u64 before = *count;

	*count = before + number;
	return before;
}
#endif

/*
 * The verifier follows each path through a loop of 1,000 records and copes with about
 * eight open branches in each iteration, so sums replace branches here.
 */
static __always_inline u64 is_own(u16 flags)
{
	return flags & RECORD_OWN;	/* bit 0 */
}

static __always_inline void count_exit(struct tracer_counters *counts, u16 flags)
{
	add(&counts->exits, 1);
	add(&counts->own_exits, is_own(flags));
}

/* Numbers the record, before it is known whether it can be written. */
static __always_inline void count_attempt(struct tracer_counters *counts,
					  struct exit_record *record)
{
#if defined(PREEMPTIBLE) && defined(HAS_FETCH_ADD)
	record->sequence = add(&counts->attempted, 1);
	add(&counts->own_attempted, is_own(record->flags));
#else
	record->sequence = counts->attempted;
	counts->own_attempted += is_own(record->flags);
#ifdef FAULT_SWAP_SEQUENCE	/* a test build: the ledger must notice */
	if (counts->attempted == FAULT_SWAP_SEQUENCE)
		record->sequence++;
	if (counts->attempted == FAULT_SWAP_SEQUENCE + 1)
		record->sequence--;
#endif
#ifdef FAULT_SKIP_INCREMENT	/* a test build: the ledger must notice */
	if (counts->exits == FAULT_SKIP_INCREMENT)
		return;
#endif
	counts->attempted++;
#endif
}

static __always_inline void count_drop(struct tracer_counters *counts, u16 flags, s64 error,
				       u64 records)
{
	/* Every errno, ENOTSUPP (524) too, is smaller. A whole stack slot: see is_own(). */
	u64 cause = -error & (CAUSES - 1);
	struct drop_counters *dropped = drops.lookup((int *)&cause);

	add(&counts->dropped, records);
	if (dropped) {
		add(&dropped->all, records);
		add(&dropped->own, is_own(flags) * records);
	}
}

/*
 * Only the storm's own exits are amplified: any other exit on the machine sends one
 * record. The number goes through the map: in a register its known range would differ in
 * each iteration of the loop, and the verifier would take three times as long.
 */
static __always_inline void set_due(struct tracer_settings *set,
				    struct tracer_counters *counts, u16 flags)
{
	counts->due = 1 + (u32)is_own(flags) * (set->records_per_exit - 1);
}

/* Counts records that cannot even be tried, as attempted and dropped. */
static __always_inline void skip_records(struct tracer_settings *set,
					 struct tracer_counters *counts, u16 flags, s64 error)
{
	u64 records;

	set_due(set, counts, flags);
	records = counts->due;
	add(&counts->attempted, records);
	add(&counts->own_attempted, is_own(flags) * records);
	count_drop(counts, flags, error, records);
}
