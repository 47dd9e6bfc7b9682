/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The ledger's counters. Per-CPU arrays: no two CPUs share a cache line, and plain
 * increments do, since a tracepoint program is never preempted by another on its
 * CPU. bench/tracer/counters.py mirrors the layout.
 */
#define CAUSES 1024	/* slot 0: refused by reserve, which reports no errno; else the errno */
#define REFUSED -CAUSES

struct tracer_counters {
	u64 exits;
	u64 attempted;		/* records; the next sequence number */
	u64 own_exits;
	u64 own_attempted;
	u64 unwoken;		/* records written since the last wake-up asked for */
	u64 dropped;		/* of all causes, so that the reader knows when it has seen them */
	volatile u32 due;	/* records of the exit at hand */
};

/* Apart, since bcc compiles code for every member of a map's value. */
struct drop_counters {
	u64 all;
	u64 own;
};

BPF_PERCPU_ARRAY(counters, struct tracer_counters, 1);
BPF_PERCPU_ARRAY(drops, struct drop_counters, CAUSES);

/*
 * The verifier follows each path through a loop of 1,000 records and bears about
 * eight open branches in each turn of it, so that sums stand here for branches.
 */
static __always_inline u64 is_own(u16 flags)
{
	return flags & RECORD_OWN;	/* bit 0 */
}

static __always_inline void count_exit(struct tracer_counters *counts, u16 flags)
{
	counts->exits++;
	counts->own_exits += is_own(flags);
}

/* Numbers the record, before it is known whether it can be written. */
static __always_inline void count_attempt(struct tracer_counters *counts,
					  struct exit_record *record)
{
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
}

static __always_inline void count_drop(struct tracer_counters *counts, u16 flags, s64 error,
				       u64 records)
{
	/* Every errno, ENOTSUPP (524) too, is smaller. A whole stack slot: see is_own(). */
	u64 cause = -error & (CAUSES - 1);
	struct drop_counters *dropped = drops.lookup((int *)&cause);

	counts->dropped += records;
	if (dropped) {
		dropped->all += records;
		dropped->own += is_own(flags) * records;
	}
}

/*
 * Only the storm's own exits are amplified: what else exits on the machine sends one
 * record. The number goes through the map: held in a register, what is known of it
 * would be another in each turn of the loop, and the verifier take three times as long.
 */
static __always_inline void set_due(struct tracer_settings *set,
				    struct tracer_counters *counts, u16 flags)
{
	counts->due = 1 + (u32)is_own(flags) * (set->records_per_exit - 1);
}

/* What cannot be tried at all is attempted and dropped all the same. */
static __always_inline void skip_records(struct tracer_settings *set,
					 struct tracer_counters *counts, u16 flags, s64 error)
{
	u64 records;

	set_due(set, counts, flags);
	records = counts->due;
	counts->attempted += records;
	counts->own_attempted += is_own(flags) * records;
	count_drop(counts, flags, error, records);
}
