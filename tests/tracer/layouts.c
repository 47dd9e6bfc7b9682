/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Prints how a compiler lays out the structures that Python mirrors: "NAME BYTES". */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;
typedef uint8_t u8;
typedef int64_t s64;
typedef int32_t s32;

#define __always_inline inline
#define BPF_ARRAY(name, type, entries)
#define BPF_PERCPU_ARRAY(name, type, entries) \
	static struct { type *(*lookup)(void *); } name __attribute__((unused))

#include "common/record.h"
#include "common/settings.h"
#include "common/counters.h"

#define FIELD(type, field) printf(#type "." #field " %zu\n", offsetof(struct type, field))
#define SIZE(type) printf(#type " %zu\n", sizeof(struct type))

int main(void)
{
	SIZE(exit_record);
	FIELD(exit_record, timestamp_ns);
	FIELD(exit_record, start_ns);
	FIELD(exit_record, parent_start_ns);
	FIELD(exit_record, duration_ns);
	FIELD(exit_record, pid);
	FIELD(exit_record, parent_pid);
	FIELD(exit_record, status);
	FIELD(exit_record, sequence);
	FIELD(exit_record, length);
	FIELD(exit_record, cpu);
	FIELD(exit_record, flags);
	FIELD(exit_record, comm);
	SIZE(tracer_settings);
	FIELD(tracer_settings, session_namespace);
	FIELD(tracer_settings, wake_flags);
	FIELD(tracer_settings, session);
	FIELD(tracer_settings, watermark);
	FIELD(tracer_settings, records_per_exit);
	FIELD(tracer_settings, rings);
	FIELD(tracer_settings, delay_ns);
	FIELD(tracer_settings, delay_cpu);
	SIZE(tracer_counters);
	FIELD(tracer_counters, exits);
	FIELD(tracer_counters, attempted);
	FIELD(tracer_counters, own_exits);
	FIELD(tracer_counters, own_attempted);
	FIELD(tracer_counters, dropped);
	SIZE(drop_counters);
	FIELD(drop_counters, all);
	FIELD(drop_counters, own);
	printf("CAUSES %d\n", CAUSES);
	printf("OWN %d\n", RECORD_OWN);
	printf("NO_CHILDREN %d\n", RECORD_NO_CHILDREN);
	printf("GROUP_EXIT %d\n", RECORD_GROUP_EXIT);
	printf("REPEAT %d\n", RECORD_REPEAT);
	printf("SECOND %d\n", RECORD_SECOND);
	return 0;
}
