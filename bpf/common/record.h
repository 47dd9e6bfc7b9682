/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The exit record, as both transports carry it. bench/record/records.py mirrors it;
 * docs/record-format.md explains it.
 */
enum record_flag {
	RECORD_OWN = 1,		/* of the storm's session, its leader not counted */
	RECORD_NO_CHILDREN = 2,	/* task->children was empty */
	RECORD_GROUP_EXIT = 4,	/* status is signal->group_exit_code */
	RECORD_REPEAT = 8,	/* record 2..K of one exit */
	RECORD_SECOND = 16,	/* of a duet's second arm */
};

struct exit_record {
	u64 timestamp_ns;	/* CLOCK_MONOTONIC, just before output */
	u64 start_ns;		/* the leader's */
	u64 parent_start_ns;	/* the parent's leader's */
	u64 duration_ns;
	u32 pid;		/* tgid */
	u32 parent_pid;
	u32 status;		/* as waitpid gives it */
	u32 sequence;		/* per CPU, taken before output */
	u32 length;		/* of the record with its padding */
	u16 cpu;
	u16 flags;
	char comm[16];		/* the leader's */
};
