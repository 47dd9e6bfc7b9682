/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Describes exits. A process exits when its last thread does. The offsets OFFSET_*
 * come from the running kernel's BTF.
 */
#define PIDTYPE_TGID 1	/* enum pid_type, the same since 4.19 */
#define PIDTYPE_SID 3
#define SIGNAL_GROUP_EXIT 0x4
#define MAX_PID_NS_LEVEL 32

#define FIELD(type, pointer, offset)                                                 \
	({                                                                            \
		type value_ = 0;                                                      \
		bpf_probe_read_kernel(&value_, sizeof(value_), (void *)(pointer) + (offset)); \
		value_;                                                               \
	})

/* The second argument of the tracepoint, where a program sees its arguments as they are. */
#define ARGUMENT_GROUP_DEAD(ctx) (*(u64 *)((ctx) + 8) & 1)

#ifdef PREBUILT
#define HAS_GROUP_DEAD (OFFSET_GROUP_DEAD != 0)
#elif defined(OFFSET_GROUP_DEAD)
#define HAS_GROUP_DEAD 1
#else
#define HAS_GROUP_DEAD 0
#endif

#ifdef RAW_ARGUMENTS
#define GROUP_DEAD(ctx) ARGUMENT_GROUP_DEAD(ctx)
#elif defined(PREBUILT)	/* the verifier refuses a variable offset from ctx, even a known one */
#define GROUP_DEAD(ctx) FIELD(u8, ctx, OFFSET_GROUP_DEAD)
#else
#define GROUP_DEAD(ctx) (*(u8 *)((ctx) + OFFSET_GROUP_DEAD))
#endif

#if !HAS_GROUP_DEAD
/*
 * Before about 6.16 the tracepoint does not say who was last. Two threads that
 * leave at once both find signal->live at 0, so the first of them claims it.
 */
BPF_TABLE("lru_hash", u64, u64, claimed, 1024);

static __always_inline int last_of(u64 signal, u64 start_ns)
{
	u64 *claim;

	if (FIELD(int, signal, OFFSET_SIGNAL_LIVE) != 0)
		return 0;
	if (FIELD(int, signal, OFFSET_SIGNAL_NR_THREADS) <= 1)
		return 1;
	/* Memory of a signal_struct is reused; the start time distinguishes the processes. */
	claim = claimed.lookup(&signal);
	if (claim && *claim == start_ns)
		return 0;
	if (claim)
		claimed.delete(&signal);
	return claimed.insert(&signal, &start_ns) == 0;
}
#endif

static __always_inline int last_thread(void *ctx, u64 signal, u64 start_ns)
{
#if HAS_GROUP_DEAD
	return GROUP_DEAD(ctx);
#else
#ifdef PREBUILT
	if (HAS_GROUP_DEAD)
		return GROUP_DEAD(ctx);
#endif
	return last_of(signal, start_ns);
#endif
}

static __always_inline int of_session(u64 signal, struct tracer_settings *set)
{
	u64 session = FIELD(u64, signal, OFFSET_SIGNAL_PIDS + 8 * PIDTYPE_SID);
	u64 number;

	if (!set->session ||
	    session == FIELD(u64, signal, OFFSET_SIGNAL_PIDS + 8 * PIDTYPE_TGID))
		return 0;
	/* The session's number in the namespace that it was made in. */
	number = session + OFFSET_PID_NUMBERS +
		 SIZE_UPID * FIELD(u32, session, OFFSET_PID_LEVEL);
	if (FIELD(u32, number, OFFSET_UPID_NR) != set->session)
		return 0;
	return FIELD(u32, FIELD(u64, number, OFFSET_UPID_NS), OFFSET_NS_INUM) ==
	       set->session_namespace;
}

#ifdef PID_NAMESPACE
/*
 * A process's number in the namespace of this inode; 0 if it has none there. Sums instead of
 * branches: the verifier would follow both sides of each at every depth.
 */
static __always_inline u32 number_of(u64 task)
{
	u64 signal = FIELD(u64, task, OFFSET_TASK_SIGNAL);
	u64 pid = FIELD(u64, signal, OFFSET_SIGNAL_PIDS + 8 * PIDTYPE_TGID);
	u64 level = FIELD(u32, pid, OFFSET_PID_LEVEL);
	u64 number = pid + OFFSET_PID_NUMBERS;
	u64 found = 0;

	if (!PID_NAMESPACE)
		return FIELD(u32, task, OFFSET_TASK_TGID);
	for (u64 depth = 0; depth <= MAX_PID_NS_LEVEL; depth++) {
		u64 other = FIELD(u32, FIELD(u64, number, OFFSET_UPID_NS), OFFSET_NS_INUM) ^
			    PID_NAMESPACE;
		u64 beyond = (level - depth) >> 63;

		other |= beyond;
		asm volatile("" : "+r"(other)); /* else compiled into a comparison */
		found += FIELD(u32, number, OFFSET_UPID_NR) * ((other - 1) >> 63);
		number += SIZE_UPID;
	}
	return found;
}
#else
static __always_inline u32 number_of(u64 task)
{
	return FIELD(u32, task, OFFSET_TASK_TGID);
}
#endif

/* Fills in all that holds for every record of this exit; 0 if no process ended. */
static __always_inline int describe_exit(void *ctx, struct tracer_settings *set,
					 struct exit_record *record)
{
	u64 task = bpf_get_current_task();
	u64 signal = FIELD(u64, task, OFFSET_TASK_SIGNAL);
	u64 leader = FIELD(u64, task, OFFSET_TASK_GROUP_LEADER);
	u64 children = task + OFFSET_TASK_CHILDREN;
	u64 parent, parent_leader;

	record->start_ns = FIELD(u64, leader, OFFSET_TASK_START_TIME);
	if (!last_thread(ctx, signal, record->start_ns))
		return 0;

	parent = FIELD(u64, task, OFFSET_TASK_REAL_PARENT);
	parent_leader = FIELD(u64, parent, OFFSET_TASK_GROUP_LEADER);
	record->parent_pid = number_of(parent);
	record->parent_start_ns = FIELD(u64, parent_leader, OFFSET_TASK_START_TIME);
	record->pid = number_of(task);
	bpf_probe_read_kernel(record->comm, sizeof(record->comm),
			      (void *)leader + OFFSET_TASK_COMM);

	if (FIELD(u32, signal, OFFSET_SIGNAL_FLAGS) & SIGNAL_GROUP_EXIT) {
		record->status = FIELD(u32, signal, OFFSET_SIGNAL_GROUP_EXIT_CODE);
		record->flags = RECORD_GROUP_EXIT;
	} else {
		record->status = FIELD(u32, leader, OFFSET_TASK_EXIT_CODE);
	}
	if (FIELD(u64, children, 0) == children)
		record->flags |= RECORD_NO_CHILDREN;
	if (of_session(signal, set))
		record->flags |= RECORD_OWN;
#ifdef SECOND_ARM
	if (SECOND_ARM)
		record->flags |= RECORD_SECOND;
#endif
	record->cpu = bpf_get_smp_processor_id();
	return 1;
}

/* Stamps one record, as late as the transport allows. */
static __always_inline void stamp(struct exit_record *record)
{
	record->timestamp_ns = bpf_ktime_get_ns();
	record->duration_ns = record->timestamp_ns - record->start_ns;
}
