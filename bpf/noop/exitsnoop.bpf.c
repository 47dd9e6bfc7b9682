/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Nothing: what it costs a storm that a program is attached at all. */
int exitsnoop(void *ctx)
{
	return 0;
}
