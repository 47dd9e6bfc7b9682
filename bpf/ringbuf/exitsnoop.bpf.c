/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The exit tracer on BPF_MAP_TYPE_RINGBUF. The rings are in an array of maps, so that
 * a trial can put rings of any size there, or one per CPU, without loading again.
 */
#include "common/record.h"
#include "common/settings.h"
#include "common/counters.h"
#include "common/exit.h"
#include "common/missed.h"
#include "common/checked.h"
#include "common/payload.h"
#include "common/dynptr.h"
#include "common/cost.h"

#define ENOENT 2

#ifdef RING_FLAGS	/* which the rings put there must have too */
BPF_F_TABLE("ringbuf", int, u32, template, PAGE_SIZE, RING_FLAGS);
#else
BPF_RINGBUF_OUTPUT(template, 1);
#endif
BPF_ARRAY_OF_MAPS(rings, "template", MAX_RINGS);

struct writer {
	void *ctx;
	struct tracer_settings *set;
	struct tracer_counters *counts;
	struct padding padding;
	u64 delayed_ns;		/* of the record at hand */
	void *ring;
};

/* 1 if the record to be written, `ahead` bytes of it not reserved yet, reaches the watermark. */
static __always_inline u64 wake_due(struct writer *writer, u64 ahead)
{
	u64 reached = writer->counts->unwoken + 1;
	u64 due;

#ifdef WAKE_BY_BYTES
	if (WAKE_BY_BYTES)
		reached = bpf_ringbuf_query(writer->ring, BPF_RB_AVAIL_DATA) + ahead;
#endif
	due = (reached - writer->set->watermark) >> 63 ^ 1;
	asm volatile("" : "+r"(due)); /* else compiled into a comparison: see is_own() */
	return due;
}

static __always_inline u64 wake_flags(struct writer *writer, u64 due)
{
	u64 usual = writer->set->wake_flags;

	return usual + due * (BPF_RB_FORCE_WAKEUP - usual);
}

/* Only what was written counts towards the watermark. */
static __always_inline void count_written(struct writer *writer, u64 due)
{
	writer->counts->unwoken = (writer->counts->unwoken + 1) * (1 - due);
}

#ifdef CALL_OUTPUT
/* As perf users write: the record is built first, then copied. */
static __always_inline long write_record(struct writer *writer, struct exit_record *record,
					 const u32 size)
{
	u64 due = wake_due(writer, BPF_RINGBUF_HDR_SZ + size);
	void *source;
	long error;

	record->length = size;
	stamp(record);
	source = whole_record(record, size, &writer->padding);
	writer->delayed_ns = delay(writer->set, record->cpu);
	seal(source, record);
	error = bpf_ringbuf_output(writer->ring, source, size, wake_flags(writer, due));
	if (!error)
		count_written(writer, due);
	return error;
}
#elif defined(CALL_DYNPTR)
/* Reserved with its own length, which need not be a constant, and written by calls. */
static __always_inline long write_record(struct writer *writer, struct exit_record *record,
					 u32 size)
{
	struct dynptr target;
	u64 due;

	if (reserve_dynptr(writer->ring, size, 0, &target)) {
		discard_dynptr(&target, 0);	/* the verifier requires its release nevertheless */
		return REFUSED;
	}
	record->length = size;
	stamp(record);
	dynptr_write(&target, 0, record, sizeof(*record), 0);
	fill_dynptr(&target, size, &writer->padding, record->sequence);
	writer->delayed_ns = delay(writer->set, record->cpu);
	due = wake_due(writer, 0);
	count_written(writer, due);
	submit_dynptr(&target, wake_flags(writer, due));
	return 0;
}
#else
#ifdef CALL_LARGEST
#define RESERVED(size) MOST_BYTES
#else
#define RESERVED(size) (size)
#endif

/* The record is built in the ring itself, or not at all if there is no space. */
static __always_inline long write_record(struct writer *writer, struct exit_record *record,
					 const u32 size)
{
	void *target = bpf_ringbuf_reserve(writer->ring, RESERVED(size), 0);
	u64 due;

#ifdef CALL_DISCARD
	if (target) {
		bpf_ringbuf_discard(target, BPF_RB_NO_WAKEUP);
		target = bpf_ringbuf_reserve(writer->ring, RESERVED(size), 0);
	}
#endif
	if (!target)
		return REFUSED;
	record->length = RESERVED(size);
	stamp(record);
	*(struct exit_record *)target = *record;
	fill(target, size, &writer->padding, record->sequence);
	if (RESERVED(size) > size)	/* a union ends where its longest member does */
		*(u32 *)(target + RESERVED(size) - 4) = record->sequence;
	writer->delayed_ns = delay(writer->set, record->cpu);
	seal(target, record);
	due = wake_due(writer, 0);
	count_written(writer, due);
	bpf_ringbuf_submit(target, wake_flags(writer, due));
	return 0;
}
#endif

static __always_inline int find_buffer(struct writer *writer, struct exit_record *record)
{
	int slot = 0;

	if (writer->set->rings > 1)
		slot = record->cpu;
	writer->ring = rings.lookup(&slot);
	if (writer->ring)
		return 1;
	/* A CPU that came online after the rings were made. */
	skip_records(writer->set, writer->counts, record->flags, -ENOENT);
	return 0;
}

#include "common/trace.h"
