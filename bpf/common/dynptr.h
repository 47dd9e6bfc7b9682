/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Records reserved with a length known at run time, Linux 5.19. The helpers are declared by
 * their numbers, since bcc may be older than they are. One call serves all sizes: the
 * verifier needs no constant here, and follows one path instead of one for each size.
 */
#ifdef CALL_DYNPTR
struct dynptr {		/* struct bpf_dynptr */
	u64 opaque[2];
};

static long (*reserve_dynptr)(void *ring, u32 size, u64 flags, struct dynptr *) = (void *)198;
static void (*submit_dynptr)(struct dynptr *, u64 flags) = (void *)199;
static void (*discard_dynptr)(struct dynptr *, u64 flags) = (void *)200;
static long (*dynptr_write)(struct dynptr *, u32 offset, void *source, u32 size,
			    u64 flags) = (void *)202;

#ifdef TURNS
#define SIZES ((u64)SIZE_3 << 48 | (u64)SIZE_2 << 32 | (u64)SIZE_1 << 16 | SIZE_0)
#undef EACH_SIZE
#define EACH_SIZE(sequence, write) \
	error = write(TURNS ? (u32)(SIZES >> (SIZE_OF(sequence) << 4) & 0xffff) : SIZE_0)
#endif

static __always_inline void fill_dynptr(struct dynptr *target, u32 size,
					struct padding *padding, u32 sequence)
{
#ifdef PADDED
	u64 rest = size - sizeof(struct exit_record);

	asm volatile("" : "+r"(rest)); /* else the register compared is not the one used */
	if (!PADDED || !rest || rest > PAYLOAD_MAX)
		return;
	dynptr_write(target, sizeof(struct exit_record), padding->payload->bytes, rest, 0);
	dynptr_write(target, size - sizeof(sequence), &sequence, sizeof(sequence), 0);
#endif
}
#endif
