/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * With TIMED_WRITES, the time of each write, from before the record is stamped until the
 * call has returned: a histogram with 16 buckets an octave, for each CPU. Beside it, all
 * writes of a window by their age in it, washout included; a write that was held up counts
 * as no longer than a bound. With DELAY the delays of those that succeeded are timed in the
 * same way. bench/tracer/chooser.py mirrors the layout.
 */
#define STEP_BITS 4
#define BUCKETS 288	/* up to 2^21 ns; the last one has longer writes too */
#define AGES 20		/* parts of a window */
#define AGE_SLOTS 32	/* a power of two: the verifier sees that an index is below it */
#define HELD_UP_NS 100000

enum { WRITTEN, WRITE_REFUSED, NO_WRITE, DELAYED, WRITE_KINDS };

struct write_times {
	u64 count;
	u64 ns;
	u64 buckets[BUCKETS];
	u64 aged[AGE_SLOTS];
	u64 aged_ns[AGE_SLOTS];
};

#ifdef TIMED_WRITES
BPF_PERCPU_ARRAY(write_times, struct write_times, WRITE_KINDS);

/*
 * Without a branch: see is_own(). Bit 63 of -n is 1 for n from 1 to 2^63, and 0 for 0.
 * Writes longer than 2^37 ns also end up in the last bucket.
 */
static __always_inline u32 bucket_of(u64 ns)
{
	u64 rest = ns >> (STEP_BITS + 1);
	u64 octave = 0;

#pragma unroll
	for (u32 bits = 16; bits; bits >>= 1) {
		u64 above = 0 - (rest >> (bits - 1));

		asm volatile("" : "+r"(above)); /* else compiled into a comparison */
		above >>= 63;
		octave += above * bits;
		rest >>= above * bits;
	}
	return (octave << STEP_BITS) + (ns >> octave);
}

static __always_inline void count_write(int kind, u64 ns, u64 times, u64 age)
{
	struct write_times *found = write_times.lookup(&kind);
	u32 bucket = bucket_of(ns);
	u64 beyond = (HELD_UP_NS - ns) >> 63;

	if (!found)
		return;
	if (MAX_RECORDS_PER_EXIT == 1) {	/* in a loop the verifier would give up */
		asm volatile("" : "+r"(beyond)); /* else compiled into a comparison */
		age &= AGE_SLOTS - 1;
		found->aged[age]++;
		found->aged_ns[age] += ns + beyond * (HELD_UP_NS - ns);
	}
	found->count += times;
	found->ns += ns * times;
	if (bucket >= BUCKETS)
		bucket = BUCKETS - 1;
	found->buckets[bucket] += times;
}

static __always_inline u64 begin_write(void)
{
	return bpf_ktime_get_ns();
}

/* What a write, or the delay in it, counts for: nothing in the washout. */
static __always_inline void time_part(struct tracer_settings *set, int kind, u64 begin_ns, u64 ns)
{
	u64 into_ns = begin_ns % set->window_ns;
	u64 washed_out = (into_ns - set->washout_ns) >> 63;

	count_write(kind, ns, 1 - washed_out, into_ns * AGES / set->window_ns);
}

static __always_inline void end_write(struct tracer_settings *set, u64 begin_ns, s64 error)
{
	u64 ns = bpf_ktime_get_ns() - begin_ns;

	time_part(set, (u64)error >> 63, begin_ns, ns);
}

/* How long a delay was: an interrupt or the hypervisor may make it longer than was asked for. */
static __always_inline void time_delay(struct tracer_settings *set, u64 begin_ns, u64 ns, s64 error)
{
#ifdef DELAY
	if (DELAY && !error)
		time_part(set, DELAYED, begin_ns, ns);
#endif
}

/* The cost of the clock itself: two readings with nothing between them. */
static __always_inline void time_clock(void)
{
	u64 begin_ns = bpf_ktime_get_ns();

	count_write(NO_WRITE, bpf_ktime_get_ns() - begin_ns, 1, 0);
}
#else
static __always_inline u64 begin_write(void)
{
	return 0;
}

static __always_inline void end_write(struct tracer_settings *set, u64 begin_ns, s64 error)
{
}

static __always_inline void time_delay(struct tracer_settings *set, u64 begin_ns, u64 ns, s64 error)
{
}

static __always_inline void time_clock(void)
{
}
#endif
