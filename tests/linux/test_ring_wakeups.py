# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test which commits of a ring buffer wake a reader that has caught up: kernel/bpf/ringbuf.c.

A wake-up is seen by epoll, which knows of a ring only what woke it since it was last found empty.
"""

from __future__ import annotations

import mmap
import os
import select
import struct
from collections.abc import Iterator
from typing import Final

import pytest

from bench.linux import bpf
from bench.linux.bpf import Instruction

pytestmark = pytest.mark.live

PAGE: Final = mmap.PAGESIZE
PLAIN, NO_WAKEUP, FORCE_WAKEUP = 0, 1, 2
RESERVE, SUBMIT, DISCARD = 131, 132, 133  # numbers of the helpers
RECORD_BYTES: Final = 8
PATIENCE_S: Final = 0.1  # a wake-up takes some 100 us
END: Final[tuple[Instruction, ...]] = ((0xB7, 0, 0, 0), (0x95, 0, 0, 0))  # return 0


class Ring:
    """Hold a ring of a page, its reader's position, and an epoll that waits for it."""

    def __init__(self) -> None:
        self.fd = bpf.create_map(bpf.RINGBUF, key_bytes=0, value_bytes=0, entries=PAGE, name="test")
        self._consumer = mmap.mmap(self.fd, PAGE)
        self._producer = mmap.mmap(self.fd, PAGE, prot=mmap.PROT_READ, offset=PAGE)
        self._epoll = select.epoll()
        self._epoll.register(self.fd, select.EPOLLIN)

    def close(self) -> None:
        self._epoll.close()
        self._consumer.close()
        self._producer.close()
        os.close(self.fd)

    @property
    def unread_bytes(self) -> int:
        (produced,) = struct.unpack_from("=Q", self._producer)
        (consumed,) = struct.unpack_from("=Q", self._consumer)
        return int(produced - consumed)

    def write(self, *commits: tuple[int, int]) -> None:
        """Run a program that reserves a record for each of (helper, flags) and commits it."""
        code: list[Instruction] = []
        for helper, flags in commits:
            code += [
                (0x18, 0x11, 0, self.fd), (0, 0, 0, 0),  # r1 = the map
                (0xB7, 2, 0, RECORD_BYTES), (0xB7, 3, 0, 0), (0x85, 0, 0, RESERVE),
                (0x55, 0, 2, 0), *END,  # where there is no room
                (0x7A, 0, 0, 7), (0xBF, 0x01, 0, 0), (0xB7, 2, 0, flags), (0x85, 0, 0, helper),
            ]  # fmt: skip
        program = bpf.load(bpf.SOCKET_FILTER, [*code, *END])
        try:
            bpf.run_once(program)
        finally:
            os.close(program)

    def woken(self) -> bool:
        return bool(self._epoll.poll(PATIENCE_S))

    def catch_up(self) -> None:
        """Read everything, and let epoll find the ring empty."""
        (produced,) = struct.unpack_from("=Q", self._producer)
        struct.pack_into("=Q", self._consumer, 0, produced)
        assert not self._epoll.poll(0)


@pytest.fixture
def ring() -> Iterator[Ring]:
    made = Ring()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("commits", "woken"),
    [
        ([(SUBMIT, PLAIN)], True),
        ([(SUBMIT, NO_WAKEUP)], False),
        ([(DISCARD, PLAIN), (SUBMIT, PLAIN)], True),
        # The reader has not caught up to the second record: the discarded one is before it.
        ([(DISCARD, NO_WAKEUP), (SUBMIT, PLAIN)], False),
        ([(SUBMIT, NO_WAKEUP), (SUBMIT, PLAIN)], False),
        ([(DISCARD, NO_WAKEUP), (SUBMIT, FORCE_WAKEUP)], True),
    ],
)
def test_a_plain_submit_wakes_only_who_has_caught_up_to_it(
    ring: Ring, commits: list[tuple[int, int]], woken: bool
) -> None:
    for _ in range(3):
        ring.write(*commits)
        assert ring.unread_bytes == len(commits) * (8 + RECORD_BYTES)
        assert ring.woken() == woken
        ring.catch_up()


def test_a_record_behind_a_quiet_discard_waits_for_a_flush(ring: Ring) -> None:
    """No later plain submit wakes the reader either, until it has read by itself."""
    ring.write((DISCARD, NO_WAKEUP))
    for _ in range(5):
        ring.write((SUBMIT, PLAIN))
    assert not ring.woken()
    ring.catch_up()  # a flush
    ring.write((SUBMIT, PLAIN))
    assert ring.woken()
