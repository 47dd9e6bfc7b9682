/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A reader for `bufbench run --reader-command`: it drains ring buffers or perf buffers that it
 * is handed, and says for each record when it had it. docs/readers.md has the protocol.
 *
 *     cc -O2 -o reader examples/reader/reader.c
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RING_BUSY (1U << 31)
#define RING_DISCARD (1U << 30)
#define RING_HEADER 8
#define LENGTH_AT 48	/* of the record's own length in it */
#define MOST_FDS 250

enum { RING = 1, PERF = 2 };

struct header {
	char magic[4];
	uint32_t kind, buffers, record_bytes, row_bytes, unused;
	uint64_t data_bytes, rows;
};

struct control {
	uint64_t count, overflow, malformed, lost, wakeups, empty_polls;
};

struct row {	/* the record, then */
	uint64_t delivered_ns;
	uint32_t arrived_bytes, tail;
};

struct buffer {
	int fd;
	uint64_t *produced, *consumed;
	char *data;
};

static struct header header;
static struct control *control;
static char *rows;
static struct buffer *buffers;
static char whole[1 << 16];	/* a perf record that wraps, in one piece */

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* Receives a message with up to `most` descriptors; returns how many there were. */
static int receive(int from, void *message, size_t bytes, int *fds, int most)
{
	char ancillary[CMSG_SPACE(MOST_FDS * sizeof(int))];
	struct iovec part = { message, bytes };
	struct msghdr wanted = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = ancillary,
				 .msg_controllen = sizeof(ancillary) };
	struct cmsghdr *found;
	int count;

	if (recvmsg(from, &wanted, MSG_CMSG_CLOEXEC) <= 0)
		fail("recvmsg");
	found = CMSG_FIRSTHDR(&wanted);
	if (!found || found->cmsg_type != SCM_RIGHTS)
		return 0;
	count = (found->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(found), (count < most ? count : most) * sizeof(int));
	return count;
}

static void *map(int fd, size_t bytes, int protection, off_t offset)
{
	void *found = mmap(NULL, bytes, protection, MAP_SHARED, fd, offset);

	if (found == MAP_FAILED)
		fail("mmap");
	return found;
}

static void map_buffer(struct buffer *buffer)
{
	size_t page = getpagesize();

	if (header.kind == RING) {
		buffer->consumed = map(buffer->fd, page, PROT_READ | PROT_WRITE, 0);
		buffer->produced = map(buffer->fd, page + 2 * header.data_bytes, PROT_READ, page);
		buffer->data = (char *)buffer->produced + page;
	} else {
		struct perf_event_mmap_page *first =
			map(buffer->fd, page + header.data_bytes, PROT_READ | PROT_WRITE, 0);

		buffer->produced = (uint64_t *)&first->data_head;
		buffer->consumed = (uint64_t *)&first->data_tail;
		buffer->data = (char *)first + page;
	}
}

/* Copies a record to the next row, and says when it was there. */
static void keep(const char *record, uint32_t bytes)
{
	char *to = rows + control->count * header.row_bytes;
	struct row *row = (struct row *)(to + header.record_bytes);
	uint32_t length;

	if (bytes < header.record_bytes) {
		control->malformed++;
		return;
	}
	if (control->count == header.rows) {
		control->overflow++;
		return;
	}
	memcpy(to, record, header.record_bytes);
	memcpy(&length, record + LENGTH_AT, sizeof(length));
	row->tail = 0;
	if (length > header.record_bytes && length <= bytes)
		memcpy(&row->tail, record + length - 4, sizeof(row->tail));
	row->arrived_bytes = bytes;
	row->delivered_ns = now_ns();
	control->count++;
}

static uint64_t drain_ring(struct buffer *buffer)
{
	uint64_t at = *buffer->consumed, read = 0;
	/* Pairs with the kernel's release of its position (bpf_ringbuf_reserve()). */
	uint64_t end = __atomic_load_n(buffer->produced, __ATOMIC_ACQUIRE);

	while (at < end) {
		char *place = buffer->data + (at & (header.data_bytes - 1));
		/* Pairs with the xchg() of bpf_ringbuf_commit(). */
		uint32_t length = __atomic_load_n((uint32_t *)place, __ATOMIC_ACQUIRE);

		if (length & RING_BUSY)
			break;
		if (!(length & RING_DISCARD)) {
			keep(place + RING_HEADER, length);
			read++;
		}
		length &= ~RING_DISCARD;
		at += (length + RING_HEADER + 7) & ~7ULL;
		__atomic_store_n(buffer->consumed, at, __ATOMIC_RELEASE);
	}
	return read;
}

static uint64_t drain_perf(struct buffer *buffer)
{
	uint64_t at = *buffer->consumed, read = 0;
	/* Pairs with the barrier of perf_output_put_handle(). */
	uint64_t end = __atomic_load_n(buffer->produced, __ATOMIC_ACQUIRE);

	while (at < end) {
		uint64_t from = at & (header.data_bytes - 1);
		struct perf_event_header *event = (void *)(buffer->data + from);
		uint32_t size = event->size, raw;

		if (from + size > header.data_bytes) {
			uint64_t first = header.data_bytes - from;

			memcpy(whole, event, first);
			memcpy(whole + first, buffer->data, size - first);
			event = (void *)whole;
		}
		if (event->type == PERF_RECORD_SAMPLE) {
			memcpy(&raw, event + 1, sizeof(raw));
			keep((char *)(event + 1) + sizeof(raw), raw);
			read++;
		} else if (event->type == PERF_RECORD_LOST) {
			control->lost += ((uint64_t *)(event + 1))[1];
		}
		at += size;
		__atomic_store_n(buffer->consumed, at, __ATOMIC_RELEASE);
	}
	return read;
}

static uint64_t drain_all(void)
{
	uint64_t read = 0;

	for (uint32_t i = 0; i < header.buffers; i++)
		read += header.kind == RING ? drain_ring(&buffers[i]) : drain_perf(&buffers[i]);
	return read;
}

int main(void)
{
	const char *number = getenv("BUFBENCH_READER");
	int from = number ? atoi(number) : -1, memory, poller, fds[MOST_FDS];
	struct epoll_event woken, wanted = { .events = EPOLLIN };
	char word[64];

	if (receive(from, &header, sizeof(header), &memory, 1) != 1 ||
	    memcmp(header.magic, "BBR1", 4)) {
		fprintf(stderr, "reader: to be started by bufbench run --reader-command\n");
		return 2;
	}
	control = map(memory, getpagesize() + header.rows * header.row_bytes,
		      PROT_READ | PROT_WRITE, 0);
	rows = (char *)control + getpagesize();
	buffers = calloc(header.buffers, sizeof(*buffers));
	poller = epoll_create1(EPOLL_CLOEXEC);
	if (!buffers || poller < 0)
		fail("reader");
	for (uint32_t i = 0; i < header.buffers;) {
		int count = receive(from, word, sizeof(word), fds, MOST_FDS);

		if (!count)
			fail("no buffers");
		for (int each = 0; each < count && i < header.buffers; each++, i++) {
			buffers[i].fd = fds[each];
			map_buffer(&buffers[i]);
			if (epoll_ctl(poller, EPOLL_CTL_ADD, fds[each], &wanted))
				fail("epoll_ctl");
		}
	}
	wanted.data.u32 = 1;
	if (epoll_ctl(poller, EPOLL_CTL_ADD, from, &wanted))
		fail("epoll_ctl");
	send(from, "ready", 5, 0);
	for (int polled = 0;; polled = 1) {
		uint64_t read = drain_all();

		control->wakeups += polled && read;
		control->empty_polls += polled && !read;
		while (drain_all())
			;
		woken.data.u32 = 0;
		if (epoll_wait(poller, &woken, 1, -1) < 0 && errno != EINTR)
			fail("epoll_wait");
		if (woken.data.u32 == 1)
			break;
	}
	if (recv(from, word, sizeof(word), 0) <= 0)
		return 1;
	while (drain_all())
		;
	send(from, "done", 4, 0);
	recv(from, word, sizeof(word), 0);	/* until bufbench has looked at what was used */
	return 0;
}
