/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Counts exits in the kernel instead of sending them, in a per-CPU hash by name and status.
 * There are two hashes, so that user space can read the one that is not counted in. It
 * switches by `active`, which it has mapped: during a bpf(2) call the kernel would skip exits.
 */
#include "common/record.h"
#include "common/settings.h"
#include "common/counters.h"
#include "common/exit.h"
#include "common/missed.h"
#include "common/cost.h"

#define MMAPABLE 1024	/* BPF_F_MMAPABLE, Linux 5.5 */

struct exit_kind {	/* bench/tracer/tables.py mirrors both */
	char comm[16];
	u32 status;
	u32 part;	/* one of KEYS, as exits would have users, files or endpoints */
};

struct exit_count {
	u64 all;
	u64 own;
};

BPF_TABLE("percpu_hash", struct exit_kind, struct exit_count, template, 1);
BPF_ARRAY_OF_MAPS(tables, "template", 2);
BPF_F_TABLE("array", int, u64, active, 1, MMAPABLE);

static __always_inline long count_record(void *table, struct exit_record *record)
{
	struct exit_kind kind = { .status = record->status, .part = record->sequence % KEYS };
	struct exit_count first = { .all = 1, .own = is_own(record->flags) };
	struct exit_count *found;

	__builtin_memcpy(kind.comm, record->comm, sizeof(kind.comm));
	found = bpf_map_lookup_elem(table, &kind);
	if (!found)
		return bpf_map_update_elem(table, &kind, &first, BPF_ANY);
	found->all++;
	found->own += is_own(record->flags);
	return 0;
}

int exitsnoop(void *ctx)
{
	struct exit_record record = {};
	struct tracer_settings *set;
	struct tracer_counters *counts;
	int zero = 0;
	u64 *chosen, begin_ns;
	void *table;
	long error;

	set = settings.lookup(&zero);
	counts = counters.lookup(&zero);
	chosen = active.lookup(&zero);
	if (!set || !counts || !chosen || !describe_exit(ctx, set, &record))
		return 0;
	count_exit(counts, record.flags);
	mark_traced(&record);
	zero = *chosen & 1;
	table = tables.lookup(&zero);
	if (!table)
		return 0;

	time_clock();
	set_due(set, counts, record.flags);
	for (u32 i = 0; i < MAX_RECORDS_PER_EXIT && i < counts->due; i++) {
		count_attempt(counts, &record);
		begin_ns = begin_write();
		error = count_record(table, &record);
		end_write(set, begin_ns, error);
		if (error)
			count_drop(counts, record.flags, error, 1);
		record.flags |= RECORD_REPEAT;
	}
	return 0;
}
