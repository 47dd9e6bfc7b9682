/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Padding. Reserve takes constant sizes, so they are compiled in: SIZE_0, the bytes of
 * the record with its padding, a multiple of 8, or with TURNS up to SIZE_3; its 16 pairs of
 * bits give the size of each of 16 records in turn. The padding is copied from a map, as a
 * tracer would copy a path or an argument; its last 4 bytes repeat the sequence number, so
 * that the reader can check whether the record is complete.
 */
#define PAYLOAD_MAX 4096

struct payload {
	char bytes[PAYLOAD_MAX];
};

struct padded_record {
	struct exit_record record;
	char padding[PAYLOAD_MAX];
};

#ifdef PADDED
BPF_ARRAY(payloads, struct payload, 1);
BPF_PERCPU_ARRAY(scratches, struct padded_record, 1);
#endif

struct padding {
	struct payload *payload;
	struct padded_record *scratch;
#ifdef SCRATCH
	struct sent_record *shared;
#endif
};

static __always_inline int find_padding(struct padding *padding)
{
#ifdef PADDED
	if (PADDED) {
		int zero = 0;

		padding->payload = payloads.lookup(&zero);
		padding->scratch = scratches.lookup(&zero);
		return padding->payload && padding->scratch;
	}
#endif
#ifdef SCRATCH
	if (SCRATCH) {
		int zero = 0;

		padding->shared = shared.lookup(&zero);
		return padding->shared != 0;
	}
#endif
	return 1;
}

#ifdef TURNS
#define MOST_BYTES (TURNS ? SIZE_3 : SIZE_0)
#define SIZE_OF(sequence) ((u32)TURNS >> (((sequence) & 15) << 1) & 3)
#define EACH_SIZE(sequence, write)		\
	if (!TURNS)				\
		error = write(SIZE_0);		\
	else switch (SIZE_OF(sequence)) {	\
	case 0:					\
		error = write(SIZE_0);		\
		break;				\
	case 1:					\
		error = write(SIZE_1);		\
		break;				\
	case 2:					\
		error = write(SIZE_2);		\
		break;				\
	default:				\
		error = write(SIZE_3);		\
	}
#else
#define MOST_BYTES SIZE_0
#define EACH_SIZE(sequence, write) error = write(SIZE_0)
#endif

static __always_inline void fill(void *target, const u32 size, struct padding *padding,
				 u32 sequence)
{
#ifdef PADDED
	if (PADDED && size > sizeof(struct exit_record)) {
		bpf_probe_read_kernel(target + sizeof(struct exit_record),
				      size - sizeof(struct exit_record), padding->payload->bytes);
		*(u32 *)(target + size - 4) = sequence;
	}
#endif
}

/* The complete record for an output call, which copies it. `record` is in a sent_record. */
static __always_inline void *whole_record(struct exit_record *record, const u32 size,
					  struct padding *padding)
{
#ifdef PADDED
	if (PADDED && size > sizeof(struct exit_record)) {
		padding->scratch->record = *record;
		fill(padding->scratch, size, padding, record->sequence);
		return padding->scratch;
	}
#endif
#ifdef SCRATCH
	if (SCRATCH) {
		padding->shared->record = *record;
		return padding->shared;
	}
#endif
	return record;
}

/*
 * A slow producer: on the ring buffer between reserve and submit, on the perf buffer
 * before its one call. The clock is read 17 times an iteration, some 16,000 times at most,
 * and then once an iteration for the rest, so that the delay ends within one reading, unless
 * it is interrupted. Returns how long it took.
 */
#define DELAY_REST_NS 2000

static __always_inline u64 delay(struct tracer_settings *set, u16 cpu)
{
	u64 passed = 0;
#ifdef DELAY
	u64 start;

	if (!DELAY || (set->delay_cpu >= 0 && set->delay_cpu != cpu))
		return 0;
	start = bpf_ktime_get_ns();
	for (u32 i = 0; i < 1000; i++) {
		if (bpf_ktime_get_ns() - start + DELAY_REST_NS >= set->delay_ns)
			break;
#pragma unroll
		for (u32 j = 0; j < 16; j++)
			bpf_ktime_get_ns();
	}
	for (u32 i = 0; i < 200; i++) {
		passed = bpf_ktime_get_ns() - start;
		if (passed >= set->delay_ns)
			break;
	}
#endif
	return passed;
}

/*
 * Resets what iterations of the loop leave in different states, or else the verifier
 * follows every combination of them.
 */
static __always_inline void next_record(struct exit_record *record)
{
	record->flags |= RECORD_REPEAT;
	record->length = 0;
}
