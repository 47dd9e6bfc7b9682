// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The buffer that a call writes to, made again for each. */
#include "guest.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROOMY_BYTES (16U << 20)
#define NEVER (1U << 30) /* a watermark that no buffer here reaches */
#define RB_OVERWRITE (1U << 19) /* BPF_F_RB_OVERWRITE (6.19) */

int refused(struct refusal *refusal, const char *step, const char *said)
{
	refusal->step = step;
	refusal->error = errno;
	strncpy(refusal->said, said, sizeof(refusal->said) - 1);
	return -1;
}

static unsigned int buffer_bytes(const struct call_case *call)
{
	bool small = call->buffer == FULL || call->buffer == OVERWRITE;

	return small ? (unsigned int)getpagesize() : ROOMY_BYTES;
}

static int open_ring(const struct call_case *call, struct target *target, struct refusal *refusal)
{
	unsigned int flags = call->buffer == OVERWRITE ? RB_OVERWRITE : 0;

	target->ring = map_create(BPF_MAP_TYPE_RINGBUF, 0, buffer_bytes(call), flags, -1);
	if (target->ring < 0)
		return refused(refusal, "ring", "");
	target->map = target->ring;
	if (call->buffer == SHARDED) {
		target->map = map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, sizeof(uint32_t), 1, 0,
					 target->ring);
		if (target->map < 0 || map_update(target->map, &target->ring))
			return refused(refusal, "shards", "");
	}
	/* The page of the producer's position follows that of the consumer's. */
	target->pages_bytes = (size_t)getpagesize();
	target->pages = mmap(NULL, target->pages_bytes, PROT_READ, MAP_SHARED, target->ring,
			     getpagesize());
	return target->pages == MAP_FAILED ? refused(refusal, "mmap", "") : 0;
}

static int open_perf(const struct call_case *call, struct target *target, struct refusal *refusal)
{
	struct perf_event_attr attribute = {
		.size = sizeof(attribute),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_BPF_OUTPUT,
		.sample_type = PERF_SAMPLE_RAW,
		.watermark = !call->wake,
	};

	if (call->wake)
		attribute.wakeup_events = 1;
	else
		attribute.wakeup_watermark = NEVER;
	target->event = (int)syscall(SYS_perf_event_open, &attribute, -1, 0, -1, 0);
	if (target->event < 0)
		return refused(refusal, "perf_event_open", "");
	target->pages_bytes = (size_t)getpagesize() + buffer_bytes(call);
	target->pages = mmap(NULL, target->pages_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			     target->event, 0);
	if (target->pages == MAP_FAILED)
		return refused(refusal, "mmap", "");
	target->map = map_create(BPF_MAP_TYPE_PERF_EVENT_ARRAY, sizeof(uint32_t), 1, 0, -1);
	if (target->map < 0 || map_update(target->map, &target->event))
		return refused(refusal, "perf_event_array", "");
	return ioctl(target->event, PERF_EVENT_IOC_ENABLE, 0) ? refused(refusal, "enable", "") : 0;
}

int target_open(const struct call_case *call, struct target *target, struct refusal *refusal)
{
	*target = (struct target){ .map = -1, .ring = -1, .event = -1, .pages = MAP_FAILED };
	switch (call->operation) {
	case EMPTY:
		return 0;
	case PERF_OUTPUT:
		return open_perf(call, target, refusal);
	default:
		return open_ring(call, target, refusal);
	}
}

void target_close(const struct target *target)
{
	if (target->pages != MAP_FAILED)
		munmap(target->pages, target->pages_bytes);
	if (target->map >= 0 && target->map != target->ring)
		close(target->map);
	if (target->ring >= 0)
		close(target->ring);
	if (target->event >= 0)
		close(target->event);
}

/* Bytes written since the buffer was made; what was refused does not count. */
uint64_t target_position(const struct target *target)
{
	const struct perf_event_mmap_page *perf = target->pages;

	if (target->pages == MAP_FAILED)
		return 0;
	if (target->event >= 0)
		return __atomic_load_n(&perf->data_head, __ATOMIC_ACQUIRE);
	return __atomic_load_n((const unsigned long *)target->pages, __ATOMIC_ACQUIRE);
}
