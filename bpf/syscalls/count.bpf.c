/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Counts the system calls of one thread. */
BPF_PERCPU_ARRAY(calls, u64, 1);
BPF_ARRAY(thread, u32, 1);

int count(void *ctx)
{
	int zero = 0;
	u32 *wanted = thread.lookup(&zero);
	u64 *made = calls.lookup(&zero);

	if (wanted && made && (u32)bpf_get_current_pid_tgid() == *wanted)
		(*made)++;
	return 0;
}
