# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test libbpf's readers: rings take turns, and what cannot be read so is refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from bench.errors import MachineUnfit, UsageError
from bench.plan.config import Consumer, Poll, Reader
from bench.tracer import libbpf, libbpf_reader
from bench.tracer.capture import Capture
from bench.tracer.transports import find


class Library:
    """Stand in for libbpf, with rings of so many records each, by their descriptors."""

    def __init__(self, waiting: dict[int, int], epoll_fd: int) -> None:
        self.waiting, self.rings = waiting, list[int]()
        self.taken = list[tuple[int, int]]()  # ring, records
        self.freed = 0
        self.ring_buffer__epoll_fd = lambda _: epoll_fd

    def ring_buffer__new(self, fd: int, *_: object) -> int:
        self.rings.append(fd)
        return 1

    def ring_buffer__add(self, _: int, fd: int, *__: object) -> int:
        self.rings.append(fd)
        return 0

    def ring_buffer__ring(self, _: int, at: int) -> int:
        return self.rings[at]

    def ring_buffer__free(self, _: int) -> None:
        self.freed += 1

    def ring__consume_n(self, ring: int, most: int) -> int:
        count = min(most, self.waiting[ring])
        self.waiting[ring] -= count
        self.taken.append((ring, count))
        return count


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    readable = os.eventfd(1)
    made = Library({7: 150, 8: 10}, readable)

    @contextmanager
    def loaded() -> Iterator[Any]:
        yield made

    monkeypatch.setattr(libbpf, "loaded", loaded)
    yield made
    os.close(readable)


@pytest.mark.parametrize("poll", [Poll.EPOLL, Poll.BUSY])
def test_rings_take_turns_until_all_are_empty(library: Library, poll: Poll) -> None:
    capture = Capture(1)
    capture.stop()
    with libbpf_reader.ring_reader((7, 8), capture, Consumer(poll=poll)) as drain:
        drain()
    assert library.taken == [(7, 64), (8, 10), (7, 64), (8, 0), (7, 22), (8, 0)]
    assert library.freed == 1


def test_an_older_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    old: Any = SimpleNamespace(libbpf_major_version=lambda: 1, libbpf_minor_version=lambda: 1)
    monkeypatch.setattr(libbpf, "find", lambda: old)
    with pytest.raises(MachineUnfit) as refused:
        find("ringbuf").require_reader(Reader.LIBBPF)
    said = "ring__consume_n came with libbpf 1.5; this is 1.1"
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)


def test_only_rings_take_a_later_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libbpf, "require", lambda *_: pytest.fail("asked for"))
    find("perfbuf").require_reader(Reader.LIBBPF)
    with pytest.raises(UsageError, match="only bufbench's reader"):
        find("overwrite").require_reader(Reader.LIBBPF)


def test_it_waits_level_triggered(library: Library) -> None:
    consumer = Consumer(reader=Reader.LIBBPF, poll=Poll.EDGE)
    with (
        pytest.raises(UsageError, match="libbpf's readers use level-triggered"),
        libbpf_reader.ring_reader((7,), Capture(1), consumer),
    ):
        pass
    assert library.freed == 1
