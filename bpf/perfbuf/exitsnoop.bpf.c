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
	u64 delayed_ns;		/* of the record at hand */
};

static __always_inline long write_record(struct writer *writer, struct exit_record *record,
					 const u32 size)
{
	void *ctx = writer->ctx;
	void *source;

	record->length = size;
	stamp(record);
	source = whole_record(record, size, &writer->padding);
	writer->delayed_ns = delay(writer->set, record->cpu);
	seal(source, record);
	return events.perf_submit(ctx, source, size);
}

/* Each CPU has its own buffer, which the call finds. */
static __always_inline int find_buffer(struct writer *writer, struct exit_record *record)
{
	return 1;
}

#include "common/trace.h"
