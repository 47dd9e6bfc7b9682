/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Included before a program that clang compiles for libbpf, instead of what bcc puts before
 * it. Declares maps and helpers as bcc does, so that both compile the same source.
 *
 * A macro for bcc is here a variable in .rodata, set before the object is loaded
 * (bench/tracer/prebuilt.py): the verifier knows its value, and drops what is switched off.
 * A macro with the variable's own name enables the code in its #ifdef.
 */
#define PREBUILT

typedef signed char s8;
typedef unsigned char u8;
typedef short s16;
typedef unsigned short u16;
typedef int s32;
typedef unsigned int u32;
typedef long long s64;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))
#define __always_inline inline __attribute__((always_inline))

char LICENSE[] SEC("license") = "GPL";

/* include/uapi/linux/bpf.h */
#define BPF_F_CURRENT_CPU 0xffffffffULL
#define BPF_ANY 0
#define BPF_NOEXIST 1
#define BPF_RB_NO_WAKEUP 1
#define BPF_RB_FORCE_WAKEUP 2
#define BPF_RB_AVAIL_DATA 0
#define BPF_RINGBUF_HDR_SZ 8

enum map_type {
	ARRAY = 2,
	PROG_ARRAY = 3,
	PERF_EVENT_ARRAY = 4,
	PERCPU_HASH = 5,
	PERCPU_ARRAY = 6,
	LRU_HASH = 9,
	ARRAY_OF_MAPS = 12,
	RINGBUF = 27,
};

static void *(*bpf_map_lookup_elem)(const void *map, const void *key) = (void *)1;
static long (*bpf_map_update_elem)(const void *map, const void *key, const void *value,
				   u64 flags) = (void *)2;
static long (*map_delete)(const void *map, const void *key) = (void *)3;
static u64 (*bpf_ktime_get_ns)(void) = (void *)5;
static u32 (*bpf_get_smp_processor_id)(void) = (void *)8;
static long (*tail_call)(void *ctx, const void *map, u32 index) = (void *)12;
static u64 (*bpf_get_current_pid_tgid)(void) = (void *)14;
static int (*perf_event_output)(void *ctx, const void *map, u64 flags, void *data,
				u64 size) = (void *)25;
static u64 (*bpf_get_current_task)(void) = (void *)35;
static long (*bpf_probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static int (*bpf_ringbuf_output)(void *ring, void *data, u64 size, u64 flags) = (void *)130;
static void *(*bpf_ringbuf_reserve)(void *ring, u64 size, u64 flags) = (void *)131;
static void (*bpf_ringbuf_submit)(void *data, u64 flags) = (void *)132;
static void (*bpf_ringbuf_discard)(void *data, u64 flags) = (void *)133;
static u64 (*bpf_ringbuf_query)(void *ring, u64 flags) = (void *)134;

/*
 * A map is named NAME_map. NAME holds what bcc's sources call on it: constants, which vanish
 * once they are inlined.
 */
#define MAP(name, kind, key_type, value_type, entries, flags)				\
	struct name##_map {								\
		int (*type)[kind];							\
		int (*max_entries)[entries];						\
		int (*map_flags)[flags];						\
		key_type *key;								\
		value_type *value;							\
	} name##_map SEC(".maps");							\
	static __always_inline value_type *name##_lookup(const void *key)		\
	{										\
		return bpf_map_lookup_elem(&name##_map, key);				\
	}										\
	static __always_inline long name##_delete(const void *key)			\
	{										\
		return map_delete(&name##_map, key);					\
	}										\
	static __always_inline long name##_insert(const void *key, const void *value)	\
	{										\
		return bpf_map_update_elem(&name##_map, key, value, BPF_NOEXIST);	\
	}										\
	static const struct {								\
		value_type *(*lookup)(const void *key);					\
		long (*delete)(const void *key);					\
		long (*insert)(const void *key, const void *value);			\
	} name __attribute__((unused)) = { name##_lookup, name##_delete, name##_insert }

#define KIND(text)									\
	(!__builtin_strcmp(text, "lru_hash") ? LRU_HASH :				\
	 !__builtin_strcmp(text, "percpu_hash") ? PERCPU_HASH :				\
	 !__builtin_strcmp(text, "array") ? ARRAY : -1)
#define BPF_ARRAY(name, type, entries) MAP(name, ARRAY, u32, type, entries, 0)
#define BPF_PERCPU_ARRAY(name, type, entries) MAP(name, PERCPU_ARRAY, u32, type, entries, 0)
#define BPF_TABLE(kind, key, value, name, entries) MAP(name, KIND(kind), key, value, entries, 0)
#define BPF_F_TABLE(kind, key, value, name, entries, flags)				\
	MAP(name, KIND(kind), key, value, entries, flags)

#define BPF_RINGBUF_OUTPUT(name, pages)							\
	struct name##_map {								\
		int (*type)[RINGBUF];							\
		int (*max_entries)[4096 * pages];					\
	}
/* `inner` is "template" in each source. */
#define BPF_ARRAY_OF_MAPS(name, inner, entries)						\
	struct {									\
		int (*type)[ARRAY_OF_MAPS];						\
		int (*max_entries)[entries];						\
		u32 *key;								\
		struct template_map *values[];						\
	} name##_map SEC(".maps");							\
	static __always_inline void *name##_lookup(const void *key)			\
	{										\
		return bpf_map_lookup_elem(&name##_map, key);				\
	}										\
	static const struct {								\
		void *(*lookup)(const void *key);					\
	} name = { name##_lookup }

#define BPF_PERF_OUTPUT(name)								\
	struct {									\
		int (*type)[PERF_EVENT_ARRAY];						\
		u32 *key;								\
		u32 *value;								\
	} name##_map SEC(".maps");							\
	static __always_inline int name##_submit(void *ctx, void *data, u64 size)	\
	{										\
		return perf_event_output(ctx, &name##_map, BPF_F_CURRENT_CPU, data, size);	\
	}										\
	static const struct {								\
		int (*perf_submit)(void *ctx, void *data, u64 size);			\
	} name = { name##_submit }

#define BPF_PROG_ARRAY(name, entries)							\
	struct {									\
		int (*type)[PROG_ARRAY];						\
		int (*max_entries)[entries];						\
		u32 *key;								\
		u32 *value;								\
	} name##_map SEC(".maps");							\
	static __always_inline long name##_call(void *ctx, u32 index)			\
	{										\
		return tail_call(ctx, &name##_map, index);				\
	}										\
	static const struct {								\
		long (*call)(void *ctx, u32 index);					\
	} name = { name##_call }

#ifdef RAW_ARGUMENTS
#define AT_EVENT "raw_tp"
#else
#define AT_EVENT "tracepoint"
#endif
int exitsnoop(void *ctx) SEC(AT_EVENT);
int exitsnoop_second(void *ctx) SEC(AT_EVENT);
int choose(void *ctx) SEC(AT_EVENT);
int count(void *ctx) SEC(AT_EVENT);
int count_missed(void *ctx) SEC("raw_tp");

#define NUMBER(name) const volatile u64 name
NUMBER(OFFSET_TASK_SIGNAL);
NUMBER(OFFSET_TASK_GROUP_LEADER);
NUMBER(OFFSET_TASK_REAL_PARENT);
NUMBER(OFFSET_TASK_CHILDREN);
NUMBER(OFFSET_TASK_START_TIME);
NUMBER(OFFSET_TASK_TGID);
NUMBER(OFFSET_TASK_COMM);
NUMBER(OFFSET_TASK_EXIT_CODE);
NUMBER(OFFSET_SIGNAL_LIVE);
NUMBER(OFFSET_SIGNAL_NR_THREADS);
NUMBER(OFFSET_SIGNAL_FLAGS);
NUMBER(OFFSET_SIGNAL_GROUP_EXIT_CODE);
NUMBER(OFFSET_SIGNAL_PIDS);
NUMBER(OFFSET_PID_LEVEL);
NUMBER(OFFSET_PID_NUMBERS);
NUMBER(OFFSET_UPID_NR);
NUMBER(OFFSET_UPID_NS);
NUMBER(OFFSET_NS_INUM);
NUMBER(SIZE_UPID);
NUMBER(OFFSET_GROUP_DEAD);	/* 0: the tracepoint does not say */

NUMBER(MAX_RECORDS_PER_EXIT);
NUMBER(KEYS);
NUMBER(SECOND_ARM);
NUMBER(COUNT_MISSED);
NUMBER(PID_NAMESPACE);

#define MAX_RECORDS_PER_EXIT MAX_RECORDS_PER_EXIT
#define SECOND_ARM SECOND_ARM
#define COUNT_MISSED COUNT_MISSED
#define PID_NAMESPACE PID_NAMESPACE

/*
 * What a write may do besides writing is in separate objects: checking for all of it would
 * make a usual write half as long again.
 */
#ifdef ANY_RECORD
NUMBER(SIZE_0);
NUMBER(SIZE_1);
NUMBER(SIZE_2);
NUMBER(SIZE_3);
NUMBER(CHECKED);
NUMBER(SCRATCH);
NUMBER(PADDED);
NUMBER(TURNS);
NUMBER(WAKE_BY_BYTES);
NUMBER(DELAY);

#define CHECKED CHECKED
#define SCRATCH SCRATCH
#define PADDED PADDED
#define TURNS TURNS
#define WAKE_BY_BYTES WAKE_BY_BYTES
#define DELAY DELAY
#else
#define SIZE_0 sizeof(struct exit_record)
#endif

#define MAX_RINGS 1	/* set before loading: an array of maps has its entries by then */
