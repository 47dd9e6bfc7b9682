/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Does nothing, to measure what an attached program costs a storm in any case. */
int exitsnoop(void *ctx)
{
	return 0;
}
