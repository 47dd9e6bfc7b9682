/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What varies between trials without being compiled again. bench/tracer/settings.py
 * mirrors it.
 */
#ifndef MAX_RECORDS_PER_EXIT	/* 1 verifies far quicker */
#define MAX_RECORDS_PER_EXIT 1000
#endif

struct tracer_settings {
	u64 session_namespace;	/* inode of the pid namespace that session counts in */
	u64 wake_flags;		/* BPF_RB_* of a record that the watermark does not reach */
	u32 session;		/* pid of the session's leader; 0: no exit is the storm's own */
	u32 watermark;		/* records of a CPU between forced wake-ups; U32_MAX: never.
				   With WAKE_BY_BYTES: unread bytes that force one */
	u32 records_per_exit;	/* of the storm's own; any other exit sends one */
	u32 rings;		/* 1, or one per CPU */
	u32 delay_ns;		/* with DELAY: spent on each record, as by a slow producer, ... */
	s32 delay_cpu;		/* ... on this CPU; -1: on all */
	u64 window_ns;		/* with TIMED_WRITES: in each window of a duet, ... */
	u64 washout_ns;		/* ... writes that begin this early are not counted */
};

BPF_ARRAY(settings, struct tracer_settings, 1);
