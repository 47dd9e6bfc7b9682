/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The exit tracer on BPF_MAP_TYPE_PERF_EVENT_ARRAY: one buffer per CPU, sized and
 * given its wake-up rule by user space when it opens them.
 */
#include "common/record.h"
#include "common/settings.h"
#include "common/counters.h"
#include "common/exit.h"
#include "common/missed.h"
#include "common/checked.h"
#include "common/payload.h"
#include "common/cost.h"

BPF_PERF_OUTPUT(events);

struct writer {
	void *ctx;
	struct tracer_settings *set;
	struct tracer_counters *counts;
	struct padding padding;
};

static __always_inline long write_record(struct writer *writer, struct exit_record *record,
					 const u32 size)
{
	void *ctx = writer->ctx;
	void *source;

	record->length = size;
	stamp(record);
	source = whole_record(record, size, &writer->padding);
	delay(writer->set, record->cpu);
	seal(source, record);
	return events.perf_submit(ctx, source, size);
}

#define WRITE(size) write_record(&writer, &sent.record, size)

static __always_inline int trace_exit(void *ctx, int second)
{
	struct sent_record sent = {};
	struct writer writer = { .ctx = ctx };
	int zero = 0;
	u64 begin_ns;
	long error;

	if (!is_mine(second))
		return 0;
	writer.set = settings.lookup(&zero);
	writer.counts = counters.lookup(&zero);
	if (!writer.set || !writer.counts || !find_padding(&writer.padding))
		return 0;
	if (!describe_exit(ctx, writer.set, &sent.record))
		return 0;
	count_exit(writer.counts, sent.record.flags);
	mark_traced(&sent.record);

	time_clock();
	set_due(writer.set, writer.counts, sent.record.flags);
	for (u32 i = 0; i < MAX_RECORDS_PER_EXIT && i < writer.counts->due; i++) {
		count_attempt(writer.counts, &sent.record);
#ifdef FAULT_LOSE_SILENTLY	/* a test build: the ledger must notice */
		if (sent.record.sequence == FAULT_LOSE_SILENTLY)
			continue;
#endif
		begin_ns = begin_write();
		EACH_SIZE(sent.record.sequence, WRITE);
		end_write(writer.set, begin_ns, error);
		if (error)
			count_drop(writer.counts, sent.record.flags, error, 1);
		next_record(&sent.record);
	}
	return 0;
}

int exitsnoop(void *ctx)
{
	return trace_exit(ctx, 0);
}

#ifdef CHECKED
int exitsnoop_second(void *ctx)
{
	return trace_exit(ctx, 1);
}
#endif
