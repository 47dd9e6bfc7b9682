/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The exit tracer on BPF_MAP_TYPE_PERF_EVENT_ARRAY: one buffer per CPU, sized and
 * given its wake-up rule by user space when it opens them.
 */
#include "common/record.h"
#include "common/settings.h"
#include "common/counters.h"
#include "common/exit.h"
#include "common/payload.h"

BPF_PERF_OUTPUT(events);

static __always_inline void output(void *ctx, struct exit_record *record, const u32 size,
				   struct tracer_counters *counts, struct payload *payload,
				   struct padded_record *scratch)
{
	long error;

	record->length = size;
	stamp(record);
	if (size > sizeof(*record)) {
		scratch->record = *record;
		fill(scratch, size, payload, record->sequence);
		error = events.perf_submit(ctx, scratch, size);
	} else {
		error = events.perf_submit(ctx, record, size);
	}
	if (error)
		count_drop(counts, record->flags, error, 1);
}

int exitsnoop(void *ctx)
{
	struct exit_record record = {};
	struct tracer_settings *set;
	struct tracer_counters *counts;
	struct padded_record *scratch;
	struct payload *payload;
	int zero = 0;

	set = settings.lookup(&zero);
	counts = counters.lookup(&zero);
	payload = payloads.lookup(&zero);
	scratch = scratches.lookup(&zero);
	if (!set || !counts || !payload || !scratch)
		return 0;
	if (!describe_exit(ctx, set, &record))
		return 0;
	count_exit(counts, record.flags);

	for (u32 i = 0; i < MAX_RECORDS_PER_EXIT && i < set->records_per_exit; i++) {
		count_attempt(counts, &record);
#ifdef FAULT_LOSE_SILENTLY	/* a test build: the ledger must notice */
		if (record.sequence == FAULT_LOSE_SILENTLY)
			continue;
#endif
		switch (size_class(set, record.sequence)) {
		case 0:
			output(ctx, &record, SIZE_0, counts, payload, scratch);
			break;
		case 1:
			output(ctx, &record, SIZE_1, counts, payload, scratch);
			break;
		case 2:
			output(ctx, &record, SIZE_2, counts, payload, scratch);
			break;
		default:
			output(ctx, &record, SIZE_3, counts, payload, scratch);
		}
		next_record(&record);
	}
	return 0;
}
