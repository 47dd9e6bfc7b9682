# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read the buffers of a loaded object by libbpf: rings and perf event arrays alike."""

from __future__ import annotations

import ctypes as ct
import select
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from errno import ECANCELED
from functools import partial
from typing import Final

from bench.linux.pages import PAGE_BYTES
from bench.tracer.libbpf import ON_LOST, ON_PERF, ON_SAMPLE, Libbpf

_MOST_RECORDS: Final = 4_096  # of a batch; an object may send without an end
_USUAL_PER_CPU_BYTES: Final = 64 * PAGE_BYTES  # as eunomia and bcc have it


class Buffers:
    """All buffers of an object. Made by :meth:`opened`; read by one thread, not the main one.

    A callback of ctypes swallows what a signal raises in it.
    """

    def __init__(self) -> None:
        self.lost = 0  # that perf buffers report; rings report nothing
        self.delivered = 0
        self._records: list[bytes] = []
        self._consume: list[Callable[[], int]] = []
        self._poll = select.poll()
        self._on_sample = ON_SAMPLE(self._take)
        self._on_perf = ON_PERF(lambda _, __, data, size: self._take(None, data, size) and None)
        self._on_lost = ON_LOST(self._lose)

    @classmethod
    @contextmanager
    def opened(
        cls,
        library: Libbpf,
        *,
        rings: Sequence[int],
        perf: Sequence[int],
        bytes_per_cpu: int | None,
    ) -> Iterator[Buffers]:
        """Open buffers over these maps; perf buffers with ``bytes_per_cpu`` (None: 256 KiB)."""
        found = cls()
        with ExitStack() as stack:
            for fd in rings:
                handle = library.ring_buffer__new(fd, found._on_sample, None, None)
                found._add(library, "ring", handle, stack)
            for fd in perf:
                pages = (bytes_per_cpu or _USUAL_PER_CPU_BYTES) // PAGE_BYTES
                handle = library.perf_buffer__new(
                    fd, pages, found._on_perf, found._on_lost, None, None
                )
                found._add(library, "perf", handle, stack)
            yield found

    def _add(self, library: Libbpf, kind: str, handle: int | None, stack: ExitStack) -> None:
        if not handle:
            raise library.refused(f"libbpf cannot open the {kind} buffer", ct.get_errno())
        stack.callback(getattr(library, f"{kind}_buffer__free"), handle)
        self._consume.append(partial(getattr(library, f"{kind}_buffer__consume"), handle))
        epoll = getattr(library, f"{kind}_buffer__epoll_fd")(handle)
        self._poll.register(epoll, select.POLLIN)

    def batch(self, timeout_ms: int) -> list[bytes]:
        """Return the records of up to ``timeout_ms``; empty: there was none."""
        self._drain()
        if not self._records and timeout_ms:
            self._poll.poll(timeout_ms)
            self._drain()
        found, self._records = self._records, []
        self.delivered += len(found)
        return found

    def _drain(self) -> None:
        for consume in self._consume:
            consume()

    def _take(self, _: object, data: int, size: int) -> int:
        self._records.append(ct.string_at(data, size))
        return -ECANCELED if len(self._records) >= _MOST_RECORDS else 0

    def _lose(self, _: object, __: int, count: int) -> None:
        self.lost += count
