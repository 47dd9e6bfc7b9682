/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The tracer, for any buffer. The source that includes this defines first: struct writer with
 * `ctx`, `set`, `counts`, `padding` and `delayed_ns`; find_buffer(), which returns 0 if there
 * is no buffer for a record; and write_record().
 */
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
	if (!find_buffer(&writer, &sent.record))
		return 0;

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
		time_delay(writer.set, begin_ns, writer.delayed_ns, error);
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
