/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Padding. Reserve wants constant sizes, so four are compiled in (SIZE_0 to
 * SIZE_3, bytes of the whole record, multiples of 8) and one is chosen per trial,
 * or each in turn. The padding is copied from a map, as a tracer would copy a
 * path or an argument; its last 4 bytes repeat the sequence number, so that the
 * reader can tell whether the record is whole.
 */
#define PAYLOAD_MAX 4096

struct payload {
	char bytes[PAYLOAD_MAX];
};

struct padded_record {
	struct exit_record record;
	char padding[PAYLOAD_MAX];
};

BPF_ARRAY(payloads, struct payload, 1);
BPF_PERCPU_ARRAY(scratches, struct padded_record, 1);

static __always_inline u32 size_class(struct tracer_settings *set, u32 sequence)
{
	return set->size_first + (sequence & set->size_mask);
}

static __always_inline void fill(void *target, const u32 size, struct payload *payload,
				 u32 sequence)
{
	if (size > sizeof(struct exit_record)) {
		bpf_probe_read_kernel(target + sizeof(struct exit_record),
				      size - sizeof(struct exit_record), payload->bytes);
		*(u32 *)(target + size - 4) = sequence;
	}
}

/*
 * Sets to one known state what the turns of the loop left different, or else the
 * verifier follows every combination of them.
 */
static __always_inline void next_record(struct exit_record *record)
{
	record->flags |= RECORD_REPEAT;
	record->length = 0;
}
