/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Chooses at random which of two tracers sees an exit, and calls it. Each is a complete
 * tracer with its own counters and buffers. The choice is a keyed hash: of the process, so
 * that all its threads meet the same tracer, or of a pair of time windows, one for each
 * tracer, so that all CPUs change over together and drift affects both alike.
 * bench/tracer/chooser.py mirrors the layout.
 */
struct choice {
	u64 key;
	u64 window_ns;	/* 0: by process */
};

BPF_ARRAY(choices, struct choice, 1);
BPF_PROG_ARRAY(arms, 2);

/* The finaliser of splitmix64 (Steele, Lea, Flood, OOPSLA 2014). */
static __always_inline u64 mix(u64 value)
{
	value ^= value >> 30;
	value *= 0xbf58476d1ce4e5b9ULL;
	value ^= value >> 27;
	value *= 0x94d049bb133111ebULL;
	return value ^ value >> 31;
}

int choose(void *ctx)
{
	int zero = 0;
	struct choice *choice = choices.lookup(&zero);
	u64 unit, second = 0;

	if (!choice)
		return 0;
	if (choice->window_ns) {
		unit = bpf_ktime_get_ns() / choice->window_ns;
		second = unit & 1;
		unit >>= 1;
	} else {
		unit = bpf_get_current_pid_tgid() >> 32;
	}
	arms.call(ctx, (mix(choice->key + unit * 0x9e3779b97f4a7c15ULL) ^ second) & 1);
	return 0;
}
